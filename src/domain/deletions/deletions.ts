import { randomUUID } from 'node:crypto';
import type { Keyring } from '../../platform/crypto/keyring.js';
import { digest, randomToken } from '../../platform/crypto/tokens.js';
import type { Db } from '../../platform/storage/db.js';
import type { Work } from '../../platform/storage/work.js';
import { planLeaving } from '../accounts/accounts.js';
import type { Correspondence, Deletion, DeletionCause } from './deletion.js';
import { markOf, newDeletionKey, openLetters, sealLetters } from './sealing.js';
import {
  findByLink,
  findDeletion,
  findSealed,
  insertDeletion,
  insertErased,
  removeSubject,
  updateBegins,
  updateState,
} from './store.js';

export {
  ANSWER_DAYS,
  AUDIT_ANSWER_DAYS,
  AUDIT_DAYS,
  type AuditState,
  type Correspondence,
  DELETION_STATES,
  type Deletion,
  type DeletionCause,
  type DeletionRecipient,
  type DeletionState,
  daysAfter,
  isStuck,
  OPEN_RECIPIENTS,
  RECIPIENT_STATES,
  type RecipientState,
  STUCK_MS,
} from './deletion.js';
export { exportDeletions } from './exported.js';
export { sweepDeletions } from './jobs.js';
export {
  type Heard,
  listRecipientsToTell,
  noteAsked,
  noteAudits,
  noteHeard,
  noteRecipients,
  settleRecipient,
  type ToTell,
} from './recipients.js';
export { markOf } from './sealing.js';
export { beginDeletion, finishDeletion, noteAudited, noteRemoved, noteTold } from './steps.js';
export {
  countDeletions,
  countRecipients,
  findAccountOf,
  findDeletion,
  findOf as findDeletionOf,
  knownOf,
  listDeletions,
  listDue as listDueDeletions,
  listMarks,
  listRecipients,
  lockDeletion,
  updateLook as noteLook,
} from './store.js';

/** The facts this room records; once the account is gone, a fact names the deletion by its own number. */
export const DELETION_FACTS = [
  'deletion.asked',
  'deletion.undone',
  'deletion.begun',
  'deletion.told',
  'deletion.removed',
  'deletion.finished',
  'deletion.audited',
  'deletion.settled',
] as const;

/** What is wanted. */
export interface DeletionWish {
  readonly accountId: string;
  readonly cause: DeletionCause;
  readonly beginsAt: Date;
  readonly letters: Omit<Correspondence, 'token'>;
  /** What stood in the list of what was erased: the same deletion once more, and the same link. */
  readonly again?: { readonly id: string; readonly link: Buffer } | undefined;
}

/**
 * Asks for the deletion of an account: nothing happens to it before `beginsAt`, and until then it can be undone. Undefined where one
 * stands already. `token` is what the private link carries; only its digest stays.
 */
export async function askDeletion(
  work: Work,
  keyring: Keyring,
  { accountId, cause, beginsAt, letters, again }: DeletionWish,
): Promise<{ readonly deletion: Deletion; readonly token: string } | undefined> {
  const token = randomToken();
  const id = again?.id ?? randomUUID();
  const key = newDeletionKey(keyring, id);
  const made = await insertDeletion(work.tx, accountId, {
    id,
    cause,
    askedAt: work.at,
    beginsAt,
    mark: markOf(keyring, accountId),
    link: again?.link ?? digest(token),
    key,
    sealed: sealLetters(keyring, { id, key }, { ...letters, token }),
  });
  if (!made) return undefined;
  await planLeaving(work, accountId, beginsAt);
  work.record({ type: 'deletion.asked', accountId, detail: { cause, begins: beginsAt.toISOString() } });
  const deletion = await findDeletion(work.tx, id);
  if (!deletion) throw new Error('a deletion is gone in the work that made it');
  return { deletion, token };
}

/**
 * Undoes a deletion that has not begun: the account stays as it is, and nothing is kept but that it was so. False when it has begun,
 * or somebody else undid it.
 */
export async function undoDeletion(
  work: Work,
  { id, accountId, by }: { readonly id: string; readonly accountId: string; readonly by: string },
): Promise<boolean> {
  const forgotten = { key: null, sealed: null, look_at: null, undone_at: work.at };
  if (!(await updateState(work.tx, id, ['waiting', 'undone'], forgotten))) return false;
  await removeSubject(work.tx, id);
  await planLeaving(work, accountId, undefined);
  work.record({ type: 'deletion.undone', accountId, detail: { by } });
  return true;
}

/** Where mail about a deletion goes; undefined once there is nothing more to write. */
export async function findLetters(db: Db, keyring: Keyring, id: string): Promise<Correspondence | undefined> {
  const kept = await findSealed(db, id);
  return kept && openLetters(keyring, { id, key: kept.key }, kept.sealed);
}

/** The deletion that a private link leads to. */
export function findDeletionByLink(db: Db, token: string): Promise<Deletion | undefined> {
  return findByLink(db, digest(token));
}

/** A deletion that a backup brought back begins at once, if it has not begun; its person cannot have undone it. */
export function hasten(work: Work, id: string, at: Date): Promise<void> {
  return updateBegins(work.tx, id, at);
}

/** Puts on record that these were erased, where a backup knows nothing of them. */
export function noteErasedBefore(
  work: Work,
  all: readonly (Pick<Deletion, 'id' | 'mark' | 'link'> & { readonly at: Date })[],
): Promise<void> {
  return insertErased(
    work.tx,
    all,
    all.map(({ at }) => at),
    work.at,
  );
}
