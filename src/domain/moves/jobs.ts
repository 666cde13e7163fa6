import type { JobDefinition } from '../../platform/jobs/job.js';
import type { Db } from '../../platform/storage/db.js';
import { openWork } from '../../platform/storage/work.js';
import { endOverdue, removeEnded } from './store.js';

const BATCH = 1_000;
/* As long as a notice's "this wasn't me" may ask what a move has brought. */
const KEPT_MS = 30 * 86_400_000;

/** Ends moves whose time is over, and removes those that ended a month ago. */
export function sweepMoves(db: Db): JobDefinition {
  const end = () =>
    openWork(db, { kind: 'system' }, async work => {
      const ended = await endOverdue(work.tx, work.at, BATCH);
      for (const { accountId, id, was } of ended) {
        if (was !== 'tested') work.record({ type: 'move.expired', accountId, detail: { move: id, was } });
      }
      return ended.length;
    });
  const remove = () =>
    openWork(db, { kind: 'system' }, work =>
      removeEnded(work.tx, new Date(work.at.getTime() - KEPT_MS), BATCH),
    );
  return {
    name: 'sweep-moves',
    every: '* * * * *',
    run: async (_payload, { signal }) => {
      while (!signal.aborted && (await end()) === BATCH);
      while (!signal.aborted && (await remove()) === BATCH);
    },
  };
}
