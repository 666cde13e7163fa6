import type { Keyring } from '../../platform/crypto/keyring.js';
import type { Work } from '../../platform/storage/work.js';
import { AUDIT_DAYS, type Correspondence, daysAfter } from './deletion.js';
import { sealLetters } from './sealing.js';
import { blankSubjects, findSealed, updateState } from './store.js';

/** A deletion that takes a step, by which clock, and when it is looked at next. */
export interface Stepping {
  readonly id: string;
  readonly at: Date;
  readonly lookAt: Date;
}

/** From here on it cannot be undone; where mail goes is noted before the addresses are gone. */
export async function beginDeletion(
  work: Work,
  keyring: Keyring,
  { id, at, lookAt, accountId, letters }: Stepping & { accountId: string; letters: Correspondence },
): Promise<boolean> {
  const kept = await findSealed(work.tx, id);
  if (!kept) return false;
  const sealed = sealLetters(keyring, { id, key: kept.key }, letters);
  const begun = await updateState(work.tx, id, ['waiting', 'begun'], {
    begun_at: at,
    look_at: lookAt,
    sealed,
  });
  if (begun) work.record({ type: 'deletion.begun', accountId });
  return begun;
}

/** Every app that has to hear of it is being told. */
export async function noteTold(
  work: Work,
  { id, at, lookAt, accountId, apps }: Stepping & { accountId: string | undefined; apps: number },
): Promise<boolean> {
  const told = await updateState(work.tx, id, ['begun', 'told'], { told_at: at, look_at: lookAt });
  if (told)
    work.record({ type: 'deletion.told', ...(accountId !== undefined && { accountId }), detail: { apps } });
  return told;
}

/** Nothing of the person is left in this database. */
export async function noteRemoved(work: Work, { id, at, lookAt }: Stepping): Promise<boolean> {
  const removed = await updateState(work.tx, id, ['told', 'removed'], { removed_at: at, look_at: lookAt });
  if (removed) work.record({ type: 'deletion.removed', detail: { deletion: id } });
  return removed;
}

/** Every app was heard or could not be reached: the last mail is written in this work, and what was kept for it is gone. */
export async function finishDeletion(work: Work, { id, at }: Omit<Stepping, 'lookAt'>): Promise<boolean> {
  const auditsAt = daysAfter(at, AUDIT_DAYS);
  const forgotten = { key: null, sealed: null };
  const writes = { ...forgotten, finished_at: at, audits_at: auditsAt, look_at: auditsAt };
  if (!(await updateState(work.tx, id, ['removed', 'finished'], writes))) return false;
  await blankSubjects(work.tx, id);
  work.record({ type: 'deletion.finished', detail: { deletion: id } });
  return true;
}

/** Those who had confirmed were asked once more, and that stands in the statement. */
export async function noteAudited(
  work: Work,
  { id, at, there }: { readonly id: string; readonly at: Date; readonly there: number },
): Promise<boolean> {
  const audited = await updateState(work.tx, id, ['finished', 'audited'], { audited_at: at, look_at: null });
  if (audited) work.record({ type: 'deletion.audited', detail: { deletion: id, there } });
  return audited;
}
