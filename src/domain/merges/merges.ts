import { v7 as uuidv7 } from 'uuid';
import type { Keyring } from '../../platform/crypto/keyring.js';
import type { Work } from '../../platform/storage/work.js';
import { type Merge, UNDO_DAYS } from './merge.js';
import * as store from './store.js';

export { exportMerges } from './exported.js';
export { type Merge, type MergeState, MOST_MERGES, mergedLately, UNDO_DAYS } from './merge.js';
export {
  findStanding as findStandingMerge,
  listDue as listDueMerges,
  listGone,
  removeMerges as forgetMerges,
} from './store.js';

/** The facts this room records, each in the history of either account; none names the other. */
export const MERGE_FACTS = [
  'merge.made',
  'merge.left',
  'merge.undone',
  'merge.returned',
  'merge.finished',
] as const;

const SEAL = 'merge';
const DAY = 86_400_000;

/**
 * Puts on record that one account became part of another. `kept` is what it takes to undo that: sealed, and gone after seven days.
 * Refuses (`merged_lately`) where either is part of a merge that is not over.
 */
export async function recordMerge(
  work: Work,
  keyring: Keyring,
  { accountId, goneId, kept }: Pick<Merge, 'accountId' | 'goneId'> & { readonly kept: object },
): Promise<Merge> {
  const id = uuidv7();
  const undoUntil = new Date(work.at.getTime() + UNDO_DAYS * DAY);
  const merge = { id, accountId, goneId, madeAt: work.at, undoUntil };
  await store.insertMerge(work.tx, merge, keyring.seal(SEAL, JSON.stringify([id, kept])));
  work.record({ type: 'merge.made', accountId, detail: { merge: id } });
  work.record({ type: 'merge.left', accountId: goneId, detail: { merge: id } });
  return { ...merge, state: 'open', endedAt: undefined };
}

/** Uses up that a merge can be undone, once: gives what was kept for it; undefined when it is too late, or was done before. */
export async function useMergeUndo(
  work: Work,
  keyring: Keyring,
  standing: Pick<Merge, 'accountId' | 'id'>,
): Promise<{ readonly merge: Merge; readonly kept: unknown } | undefined> {
  const used = await store.useUndo(work.tx, standing, work.at);
  if (!used) return undefined;
  const [id, kept] = JSON.parse(keyring.open(SEAL, used.sealed)) as [string, unknown];
  if (id !== used.merge.id) throw new Error('this was kept for another merge');
  return { merge: used.merge, kept };
}

/** Puts on record, in both histories, that a merge was undone. */
export function recordUnmerge(work: Work, { id, accountId, goneId }: Merge, by: string): void {
  work.record({ type: 'merge.undone', accountId, detail: { merge: id, by } });
  work.record({ type: 'merge.returned', accountId: goneId, detail: { merge: id, by } });
}

/** From the commit on a merge can be undone no more; false when it was undone before. */
export function beginFinish(work: Work, merge: Pick<Merge, 'accountId' | 'id'>): Promise<boolean> {
  return store.updateEnding(work.tx, merge);
}

/** The account that went is removed: puts that on record, once. */
export async function finishMerge(work: Work, merge: Merge): Promise<boolean> {
  const finished = await store.updateFinished(work.tx, merge, work.at);
  if (finished)
    work.record({ type: 'merge.finished', accountId: merge.accountId, detail: { merge: merge.id } });
  return finished;
}
