import type { JobDefinition } from '../../platform/jobs/jobs.js';
import type { Db } from '../../platform/storage/db.js';
import { openWork } from '../../platform/storage/work.js';
import { listPurposes, secondsOf } from '../purposes/purposes.js';
import { daysAfter } from './deletion.js';
import { removeOver } from './store.js';

const BATCH = 500;
const YEAR = 365 * 86_400;
/** So long somebody who kept their account can still see that by the link. */
const UNDONE_DAYS = 30;

/** Removes what is over: soon where it was undone, and otherwise once nobody can ask for proof any more, as with consents. */
export function sweepDeletions(db: Db, clock: () => Date = () => new Date()): JobDefinition {
  return {
    name: 'sweep-deletions',
    every: '41 4 * * *',
    run: async (_payload, { signal }) => {
      const { retention = 'account' } = (await listPurposes(db)).find(({ id }) => id === 'proof') ?? {};
      const kept = retention === 'account' ? YEAR : Math.max(secondsOf(retention), YEAR);
      const now = clock();
      const before = {
        undone: daysAfter(now, -UNDONE_DAYS),
        audited: new Date(now.getTime() - kept * 1_000),
      };
      const sweep = () => openWork(db, { kind: 'system' }, work => removeOver(work.tx, before, BATCH));
      while (!signal.aborted && (await sweep()) === BATCH);
    },
  };
}
