import type { JobDefinition } from '../../platform/jobs/jobs.js';
import type { Db } from '../../platform/storage/db.js';
import { openWork } from '../../platform/storage/work.js';
import { removeOldProofs } from './proof-store.js';
import { removeOldChanges } from './store.js';

const BATCH = 1_000;
const BATCHES = 30;

/** Removes proofs an hour after they expired, in batches so small that none holds a lock for long. */
export function sweepProofs(db: Db): JobDefinition {
  return {
    name: 'sweep-email-proofs',
    every: '*/10 * * * *',
    run: async (_payload, { signal }) => {
      for (let batch = 0; batch < BATCHES && !signal.aborted; batch++) {
        const removed = await openWork(db, { kind: 'system' }, work => removeOldProofs(work.tx, BATCH));
        if (removed < BATCH) return;
      }
    },
  };
}

/** Removes what cannot be undone any more, and with it the addresses that somebody had. */
export function sweepContactChanges(db: Db): JobDefinition {
  return {
    name: 'sweep-contact-changes',
    every: '37 3 * * *',
    run: async (_payload, { signal }) => {
      const sweep = () => openWork(db, { kind: 'system' }, work => removeOldChanges(work.tx, BATCH));
      while (!signal.aborted && (await sweep()) === BATCH);
    },
  };
}
