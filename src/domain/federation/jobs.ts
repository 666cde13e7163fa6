import type { JobDefinition } from '../../platform/jobs/jobs.js';
import type { Db } from '../../platform/storage/db.js';
import { openWork } from '../../platform/storage/work.js';
import { removeOldTrials } from './trial-store.js';
import { removeOldTrips } from './trip-store.js';

const BATCH = 1_000;

/** Removes trips to providers an hour after they expired, in batches so small that none holds a lock for long. */
export function sweepTrips(db: Db): JobDefinition {
  return {
    name: 'sweep-federated-requests',
    every: '*/10 * * * *',
    run: async (_payload, { signal }) => {
      const sweep = () => openWork(db, { kind: 'system' }, work => removeOldTrips(work.tx, BATCH));
      while (!signal.aborted && (await sweep()) === BATCH);
    },
  };
}

/** Removes trials whose time is over, with what came of them and nobody has read. */
export function sweepTrials(db: Db): JobDefinition {
  return {
    name: 'sweep-federation-trials',
    every: '*/5 * * * *',
    run: async (_payload, { signal }) => {
      const sweep = () => openWork(db, { kind: 'system' }, work => removeOldTrials(work.tx, BATCH));
      while (!signal.aborted && (await sweep()) === BATCH);
    },
  };
}
