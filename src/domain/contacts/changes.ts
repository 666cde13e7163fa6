import { digest } from '../../platform/crypto/tokens.js';
import { Refusal } from '../../platform/errors.js';
import type { Db } from '../../platform/storage/db.js';
import type { Work } from '../../platform/storage/work.js';
import { claimIdentifier, lockAccount, mayChange, releaseIdentifier } from '../accounts/accounts.js';
import { recordContact } from './addresses.js';
import { type Contact, type ContactChange, type ContactKind, primaryOf, undoerOf } from './contact.js';
import { endProofs } from './proofs.js';
import * as store from './store.js';

/** What a link that undoes is about, and whether it still does. */
export interface FoundChange extends ContactChange {
  readonly state: 'open' | 'used' | 'expired';
}

/** What became of a wish to undo. */
export type Undone =
  | {
      readonly outcome: 'undone';
      readonly change: ContactChange;
      /** Those that are the account's no more. */
      readonly lost: readonly Contact[];
    }
  | { readonly outcome: 'ended'; readonly reason: 'used' | 'expired' | 'none' };

/** What can be undone still, newest first. */
export function listOpenChanges(db: Db, accountId: string, at: Date): Promise<readonly ContactChange[]> {
  return store.listChanges(db, accountId, at);
}

/** A change of an account, whatever became of it. */
export function findChange(db: Db, accountId: string, id: string): Promise<ContactChange | undefined> {
  return store.findChangeOf(db, accountId, id);
}

/** What a link is about; looking does not use it up, since mail scanners look. */
export async function findChangeByLink(
  db: Db,
  undoToken: string,
  at: Date,
): Promise<FoundChange | undefined> {
  const change = await store.findChange(db, digest(undoToken));
  return change && { ...change, state: stateOf(change, at) };
}

/** Undoes by the link of a notice: once, for seven days, whoever is signed in and wherever. */
export async function undoByLink(work: Work, undoToken: string): Promise<Undone> {
  const found = await store.findChange(work.tx, digest(undoToken));
  if (!found) return { outcome: 'ended', reason: 'none' };
  return undo(work, found, 'link');
}

/** Undoes a change of the account that is signed in. */
export async function undoChange(work: Work, accountId: string, id: string): Promise<Undone> {
  return undo(work, { accountId, id }, 'account');
}

/**
 * Somebody else was in the account, says whoever reads mail at `by`: undoes all that was changed at an instant or later, as far
 * as it can be undone still and is theirs to undo.
 */
export async function undoChangesSince(
  work: Work,
  accountId: string,
  { since, by }: { readonly since: Date; readonly by: string },
): Promise<Undone> {
  const open = await store.listChanges(work.tx, accountId, work.at);
  const first = open.filter(({ madeAt }) => madeAt >= since).at(-1);
  if (!first || undoerOf(open, []) !== by) return { outcome: 'ended', reason: 'none' };
  return undo(work, first, 'objection');
}

/**
 * Puts everything back as it was before a change: what was changed later goes with it, or whoever took the account would
 * undo the undoing. Whatever was under way to prove that the account is one's own ends.
 */
async function undo(
  work: Work,
  { accountId, id }: Pick<ContactChange, 'accountId' | 'id'>,
  by: 'link' | 'account' | 'objection',
): Promise<Undone> {
  const account = await lockAccount(work, accountId);
  const change = mayChange(account, 'undoing')
    ? await store.useChange(work.tx, { accountId, id, at: work.at })
    : undefined;
  if (!change) return { outcome: 'ended', reason: await whyEnded(work, accountId, id) };
  const now = await store.listContacts(work.tx, accountId);
  await putBack(work, change, now);
  const lost = now.filter(each => !among(change.before, each));
  for (const contact of lost) await takeAway(work, accountId, contact);
  for (const kind of ['email', 'phone'] as const) await restorePrimary(work, change, now, kind);
  await endProofs(work, accountId);
  work.record({ type: 'contact_change.undone', accountId, detail: { change: id, by } });
  return { outcome: 'undone', change, lost };
}

async function putBack(
  work: Work,
  { accountId, before }: ContactChange,
  now: readonly Contact[],
): Promise<void> {
  for (const contact of before.filter(each => !among(now, each))) {
    const { kind, address, isPrimary } = contact;
    const held = kind === 'phone' || (await claimIdentifier(work, accountId, 'email', address));
    if (!held && isPrimary) throw takenMeanwhile();
    if (!held) continue;
    await store.insertContact(work.tx, accountId, { ...contact, isPrimary: false });
    recordContact(work, accountId, kind, 'added');
  }
}

async function takeAway(work: Work, accountId: string, contact: Contact): Promise<void> {
  await store.removeContact(work.tx, accountId, contact);
  if (contact.kind === 'email') await releaseIdentifier(work, accountId, 'email', contact.address);
  recordContact(work, accountId, contact.kind, 'removed');
}

async function restorePrimary(
  work: Work,
  { accountId, before }: ContactChange,
  now: readonly Contact[],
  kind: ContactKind,
): Promise<void> {
  const primary = primaryOf(before, kind);
  if (!primary || primaryOf(now, kind)?.address === primary.address) return;
  await store.updatePrimary(work.tx, accountId, primary);
  recordContact(work, accountId, kind, 'primary');
}

async function whyEnded(work: Work, accountId: string, id: string): Promise<'used' | 'expired' | 'none'> {
  const change = await store.findChangeOf(work.tx, accountId, id);
  if (!change) return 'none';
  const state = stateOf(change, work.at);
  return state === 'open' ? 'none' : state;
}

function stateOf({ undoneAt, undoUntil }: ContactChange, at: Date): FoundChange['state'] {
  if (undoneAt) return 'used';
  return undoUntil <= at ? 'expired' : 'open';
}

function among(contacts: readonly Contact[], { kind, address }: Contact): boolean {
  return contacts.some(each => each.kind === kind && each.address === address);
}

function takenMeanwhile(): Refusal {
  const message =
    'The address that would come back belongs to another account now. Remove it there first, then undo this.';
  return new Refusal('conflict', 'address_taken', message);
}
