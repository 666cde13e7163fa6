import type { Keyring } from '../../platform/crypto/keyring.js';
import type { JobDefinition, JobLog } from '../../platform/jobs/jobs.js';
import type { Db } from '../../platform/storage/db.js';
import { openWork, type Work } from '../../platform/storage/work.js';
import { after } from './clock.js';
import type { RightsRequest } from './right.js';
import { listLifting, removeDecided, takeUnreminded } from './store.js';

/** What the clock of requests is run with. */
export interface ClockParts {
  readonly db: Db;
  readonly keyring: Keyring;
  readonly log: Pick<JobLog, 'warn'>;
  /** Ends what holds data back, and tells its person and whoever has it. */
  end(work: Work, request: RightsRequest): Promise<void>;
  readonly clock?: () => Date;
}

const BATCH = 100;
const SOON_DAYS = 7;

/** Ends restrictions on their day, and says of each request once that it is due within a week. */
export function rightsClock({ db, keyring, log, end, clock = () => new Date() }: ClockParts): JobDefinition {
  const endDue = async () => {
    const due = await listLifting(db, keyring, clock(), BATCH);
    for (const request of due) await openWork(db, { kind: 'system' }, work => end(work, request));
    return due.length;
  };
  const remind = () =>
    openWork(db, { kind: 'system' }, async work => {
      const due = await takeUnreminded(work.tx, after(clock(), { days: SOON_DAYS }), clock(), BATCH);
      for (const { accountId, id, kind } of due) {
        work.record({ type: 'right.due', accountId, detail: { request: id, right: kind } });
        log.warn({ request: id, right: kind }, 'a request about data has to be answered within a week');
      }
      return due.length;
    });
  return {
    name: 'rights-clock',
    every: '13 * * * *',
    run: async (_payload, { signal }) => {
      while (!signal.aborted && (await endDue()) === BATCH);
      while (!signal.aborted && (await remind()) === BATCH);
    },
  };
}

/* 11 CCR § 7101: at least 24 months. */
const KEPT_MONTHS = 24;

/** Forgets what was decided two years ago and holds nothing back. */
export function sweepRights(db: Db): JobDefinition {
  const sweep = () =>
    openWork(db, { kind: 'system' }, work =>
      removeDecided(work.tx, after(work.at, { months: -KEPT_MONTHS }), BATCH),
    );
  return {
    name: 'sweep-rights',
    every: '41 3 * * *',
    run: async (_payload, { signal }) => {
      while (!signal.aborted && (await sweep()) === BATCH);
    },
  };
}
