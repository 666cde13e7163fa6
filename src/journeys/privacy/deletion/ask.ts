import { lockAccount, mayChange } from '../../../domain/accounts/accounts.js';
import { listNoticeEmails } from '../../../domain/contacts/contacts.js';
import {
  askDeletion,
  type Correspondence,
  type Deletion,
  type DeletionCause,
  daysAfter,
  findDeletion,
  findDeletionOf,
  findLetters,
  undoDeletion,
} from '../../../domain/deletions/deletions.js';
import { findStandingMerge } from '../../../domain/merges/merges.js';
import { listAttributes } from '../../../domain/profiles/profiles.js';
import { Refusal } from '../../../platform/errors.js';
import type { Db } from '../../../platform/storage/db.js';
import type { Work } from '../../../platform/storage/work.js';
import type { Telling } from '../../notices/tell.js';
import type { Asked } from '../../page-models.js';
import { noteFulfilled } from '../rights/ask.js';
import { tellOfDeletion } from './tell.js';

/** Where mail about somebody goes: every proven address, in the language and the time zone of its reader. */
export async function lettersTo(
  db: Db,
  { id, language }: { readonly id: string; readonly language: string },
): Promise<Omit<Correspondence, 'token'>> {
  const { zoneinfo } = await listAttributes(db, id);
  const addresses = [...new Set(await listNoticeEmails(db, id))];
  return { addresses, language, ...(typeof zoneinfo === 'string' && { zone: zoneinfo }) };
}

/** Whose account goes, why, and after how many days. */
export interface Asking {
  readonly accountId: string;
  readonly cause: Exclude<DeletionCause, 'restored'>;
  readonly days: number;
  readonly at: Date;
  /** From where a person asked. */
  readonly asked?: Asked;
}

/**
 * Asks for the deletion of an account and writes to every address of it: when it begins, and by which link it is undone until
 * then. Where one stands already that one goes on as it is, and nobody is written to again.
 */
export async function askFor(
  work: Work,
  telling: Telling,
  { accountId, cause, days, at, asked }: Asking,
): Promise<Deletion> {
  const account = await lockAccount(work, accountId);
  const fits = cause === 'person' ? mayChange(account) : account?.state === 'archived';
  if (!account || !fits) {
    throw new Refusal('conflict', 'account_unavailable', 'This account cannot be deleted at the moment.');
  }
  const letters = await lettersTo(work.tx, account);
  const beginsAt = await unlessMerging(work.tx, accountId, daysAfter(at, days));
  const wish = { accountId, cause, beginsAt, letters };
  const made = await askDeletion(work, telling.keyring, wish);
  if (!made) return standing(await findDeletionOf(work.tx, accountId));
  if (cause === 'person') await noteFulfilled(work, telling.keyring, accountId, 'erasure');
  const { deletion, token } = made;
  const kind = cause === 'dormancy' ? 'asked_dormant' : 'asked';
  const told = { kind, accountId, beginsAt: deletion.beginsAt, ...(asked && { asked }) } as const;
  tellOfDeletion(work, telling, { ...letters, token }, told);
  return deletion;
}

const HOUR = 3_600_000;

/* Whoever gave an account away that is not theirs must not be able to have it removed before its owner can take it back. */
async function unlessMerging(db: Db, accountId: string, beginsAt: Date): Promise<Date> {
  const merge = await findStandingMerge(db, accountId);
  const earliest = merge ? new Date(merge.undoUntil.getTime() + HOUR) : beginsAt;
  return earliest > beginsAt ? earliest : beginsAt;
}

function standing(deletion: Deletion | undefined): Deletion {
  if (!deletion) throw new Refusal('missing', 'account_unknown', 'There is no such account.');
  return deletion;
}

/** By what a deletion was undone. */
export type UndoneBy = 'account' | 'app' | 'link' | 'sign_in' | 'frozen' | 'used_again';

/** Undoes a deletion that has not begun, and says so at every address; false when it is too late, or was done before. */
export async function undo(
  work: Work,
  telling: Telling,
  { id, accountId, by, asked }: { id: string; accountId: string; by: UndoneBy; asked?: Asked },
): Promise<boolean> {
  await lockAccount(work, accountId);
  const letters = await findLetters(work.tx, telling.keyring, id);
  if ((await findDeletion(work.tx, id))?.state !== 'waiting' || !letters) return false;
  if (!(await undoDeletion(work, { id, accountId, by }))) return false;
  tellOfDeletion(work, telling, letters, { kind: 'undone', accountId, ...(asked && { asked }) });
  return true;
}
