import type { JobDefinition } from '../../platform/jobs/jobs.js';
import type { Names } from '../../platform/names.js';
import type { Db } from '../../platform/storage/db.js';
import { openWork } from '../../platform/storage/work.js';
import * as store from './domain-store.js';
import { getDomain, lookFor, noteSight } from './domains.js';

const BATCH = 100;
/* A day less what a run may come late. */
const AGAIN_AFTER = 20 * 3_600_000;

/** What checking domains works with; the clock is another one in tests only. */
export interface DomainChecks {
  readonly db: Db;
  readonly issuer: URL;
  readonly names: Names;
  readonly now?: () => Date;
}

/** Looks once a day whether the record of each claimed domain is still there; what is missing for too long leads nowhere. */
export function checkDomains(parts: DomainChecks): JobDefinition {
  return {
    name: 'check-domains',
    every: '20 4 * * *',
    run: async (_payload, { signal }) => {
      const { db, now = () => new Date() } = parts;
      let rows: readonly store.DomainRow[] = [];
      do {
        rows = await store.listUnchecked(db, new Date(now().getTime() - AGAIN_AFTER), BATCH);
        for (const row of rows) if (!signal.aborted) await checkOne(parts, row, now);
      } while (rows.length === BATCH && !signal.aborted);
    },
  };
}

async function checkOne(
  { db, issuer, names }: DomainChecks,
  row: store.DomainRow,
  now: () => Date,
): Promise<void> {
  const claim = await getDomain(db, issuer, row);
  const sight = await lookFor(names, claim.record);
  await openWork(db, { kind: 'system' }, work => noteSight({ ...work, at: now() }, claim, sight));
}
