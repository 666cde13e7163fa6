import { removePasskey, restorePasskeys } from '../../domain/credentials/credentials.js';
import { findDeletionOf, undoDeletion } from '../../domain/deletions/deletions.js';
import { disownApp, disownCodes, restoreApps } from '../../domain/factors/factors.js';
import { findWaiting, type Recovery, stepRecovery } from '../../domain/recoveries/recoveries.js';
import type { Work } from '../../platform/storage/work.js';

/** Whatever a recovery has suspended counts again. */
export async function restore(
  work: Work,
  { accountId, id }: Pick<Recovery, 'accountId' | 'id'>,
): Promise<void> {
  await restoreApps(work, accountId, id);
  await restorePasskeys(work, accountId, id);
}

/** Stops the recovery of an account that waits, or just the one that is named; gives it if it was stopped by this. */
export async function stopWaiting(work: Work, accountId: string, id?: string): Promise<Recovery | undefined> {
  const waiting = await findWaiting(work.tx, accountId);
  if (!waiting || (id !== undefined && waiting.id !== id)) return undefined;
  const stopped = await stepRecovery(work, waiting, 'stop');
  if (stopped) await restore(work, stopped);
  return stopped;
}

/** Undoes a recovery that was completed, as long as that can be undone: what was there before counts, and nothing that came with it. */
export async function undoCompleted(work: Work, accountId: string, id: string): Promise<void> {
  const undone = await stepRecovery(work, { accountId, id }, 'undo');
  if (!undone) return;
  await disownCodes(work, accountId);
  await restore(work, undone);
  if (undone.addedApp !== undefined) await disownApp(work, accountId, undone.addedApp);
  if (undone.addedPasskey !== undefined) await removePasskey(work, accountId, undone.addedPasskey);
}

/** A deletion that waits was not the owner's wish: the account stays. */
export async function stopDeletion(work: Work, accountId: string): Promise<void> {
  const deletion = await findDeletionOf(work.tx, accountId);
  if (deletion?.state === 'waiting') await undoDeletion(work, { id: deletion.id, accountId, by: 'frozen' });
}
