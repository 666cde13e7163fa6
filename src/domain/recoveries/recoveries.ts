import { v7 as uuidv7 } from 'uuid';
import type { JobDefinition } from '../../platform/jobs/jobs.js';
import type { Db } from '../../platform/storage/db.js';
import { openWork, type Work } from '../../platform/storage/work.js';
import { mayBegin, nextLook, type Recovery, type RecoveryStep, timesOf, UNDO_DAYS } from './recovery.js';
import {
  findStoppedAt,
  findWaiting,
  insertRecovery,
  type Left,
  removeEnded,
  takeStep,
  updateLook,
} from './store.js';

export { exportRecoveries } from './exported.js';

export {
  dueOf,
  isReady,
  mayBegin,
  READY_DAYS,
  RECOVERY_EDGES,
  REST_DAYS,
  type Recovery,
  type RecoveryEdge,
  type RecoveryState,
  type RecoveryStep,
} from './recovery.js';
export {
  countWaiting,
  findDue,
  findRecovery,
  findStoppedAt,
  findWaiting,
  forgetRecoveries,
  listDue,
} from './store.js';

/** The facts this room records. */
export const RECOVERY_FACTS = [
  'recovery.begun',
  'recovery.reminded',
  'recovery.stopped',
  'recovery.completed',
  'recovery.expired',
  'recovery.undone',
  'recovery.settled',
] as const;

const FACT_OF: Readonly<Record<RecoveryStep, (typeof RECOVERY_FACTS)[number]>> = {
  stop: 'recovery.stopped',
  complete: 'recovery.completed',
  expire: 'recovery.expired',
  undo: 'recovery.undone',
  settle: 'recovery.settled',
};

/**
 * Begins a recovery that waits. Where one waits already that one goes on, with its own time; after one that was stopped there
 * is a rest, or whoever is not the owner could keep them out by beginning again and again.
 */
export async function beginRecovery(
  work: Work,
  { accountId, waitHours, askedFrom }: { accountId: string; waitHours: number; askedFrom: Buffer },
): Promise<{ readonly outcome: 'begun' | 'waiting' | 'resting'; readonly recovery?: Recovery }> {
  const { tx, at } = work;
  const open = await findWaiting(tx, accountId);
  if (open) return { outcome: 'waiting', recovery: open };
  if (!mayBegin(await findStoppedAt(tx, accountId), at)) return { outcome: 'resting' };
  const recovery: Recovery = {
    accountId,
    id: uuidv7(),
    state: 'waiting',
    askedFrom,
    startedAt: at,
    ...timesOf(at, waitHours),
    endedAt: undefined,
    addedApp: undefined,
    addedPasskey: undefined,
  };
  const lookAt = nextLook(recovery, at);
  if (!(await insertRecovery(tx, { ...recovery, lookAt }))) return { outcome: 'waiting' };
  work.record({ type: 'recovery.begun', accountId, detail: { recovery: recovery.id, hours: waitHours } });
  return { outcome: 'begun', recovery };
}

/** Takes a step where it is legal at that instant, and puts it on record; undefined where it is not, or was taken before. */
export async function stepRecovery(
  work: Work,
  { accountId, id }: Pick<Recovery, 'accountId' | 'id'>,
  step: RecoveryStep,
  { at = work.at, ...left }: { readonly at?: Date } & Omit<Left, 'settlesAt'> = {},
): Promise<Recovery | undefined> {
  const settlesAt = new Date(at.getTime() + UNDO_DAYS * 86_400_000);
  const more: Left = step === 'complete' ? { ...left, settlesAt } : left;
  const recovery = await takeStep(work.tx, { accountId, id, step, at }, more);
  if (recovery) work.record({ type: FACT_OF[step], accountId, detail: { recovery: id } });
  return recovery;
}

/** Its owner was told once more of one that waits; the next look comes in its time. */
export async function noteReminded(work: Work, recovery: Recovery, at: Date): Promise<void> {
  const { accountId, id } = recovery;
  await updateLook(work.tx, recovery, nextLook(recovery, at));
  work.record({ type: 'recovery.reminded', accountId, detail: { recovery: id } });
}

const BATCH = 500;
const KEPT_MS = 90 * 86_400_000;

/** Removes recoveries that ended ninety days ago. */
export function sweepRecoveries(db: Db): JobDefinition {
  const sweep = () =>
    openWork(db, { kind: 'system' }, work =>
      removeEnded(work.tx, new Date(work.at.getTime() - KEPT_MS), BATCH),
    );
  return {
    name: 'sweep-recoveries',
    every: '57 3 * * *',
    run: async (_payload, { signal }) => {
      while (!signal.aborted && (await sweep()) === BATCH);
    },
  };
}
