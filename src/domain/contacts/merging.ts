import type { Work } from '../../platform/storage/work.js';
import { claimIdentifier, releaseIdentifier } from '../accounts/accounts.js';
import { recordContact } from './addresses.js';
import { type Contact, MOST_CONTACTS, primaryOf } from './contact.js';
import { endProofs } from './proofs.js';
import * as store from './store.js';

const KINDS = ['email', 'phone'] as const;

const same = (one: Pick<Contact, 'kind' | 'address'>) => (other: Pick<Contact, 'kind' | 'address'>) =>
  one.kind === other.kind && one.address === other.address;

/** What goes over from one account to another, and whether there is room for it. */
export function contactsToMove(
  here: readonly Contact[],
  there: readonly Contact[],
): { readonly moved: readonly Contact[]; readonly fits: boolean } {
  const moved = there.filter(({ verifiedAt }) => verifiedAt !== undefined);
  const added = moved.filter(contact => !here.some(same(contact)));
  const count = (all: readonly Contact[], kind: Contact['kind']) =>
    all.filter(each => each.kind === kind).length;
  const fits = KINDS.every(kind => count(here, kind) + count(added, kind) <= MOST_CONTACTS[kind]);
  return { moved, fits };
}

/** How the contacts of two accounts were before one took over those of the other. */
export interface ContactsBefore {
  /** Of the account that stays. */
  readonly here: readonly Contact[];
  /** What came over from the other one. */
  readonly moved: readonly Contact[];
}

/**
 * Gives the proved addresses of an account to another one of the same person. None of them becomes the primary one: what apps are
 * told stays as it was. Both accounts are locked by the caller.
 */
export async function takeOverContacts(
  work: Work,
  { to, from }: { readonly to: string; readonly from: string },
): Promise<ContactsBefore> {
  const { tx } = work;
  const [here, there] = [await store.listContacts(tx, to), await store.listContacts(tx, from)];
  const { moved } = contactsToMove(here, there);
  await endProofs(work, from);
  for (const contact of moved) {
    await handOver(work, { from, to, contact: { ...contact, isPrimary: false } });
  }
  return { here, moved };
}

interface HandedOver {
  readonly from: string;
  readonly to: string;
  readonly contact: Contact;
}

/* False where an address is somebody else's by now. */
async function handOver(work: Work, { from, to, contact }: HandedOver): Promise<boolean> {
  const { kind, address } = contact;
  if (kind === 'email') await releaseIdentifier(work, from, 'email', address);
  if (kind === 'email' && !(await claimIdentifier(work, to, 'email', address))) return false;
  if (await store.removeContact(work.tx, from, contact)) recordContact(work, from, kind, 'removed');
  if (await store.insertContact(work.tx, to, contact)) recordContact(work, to, kind, 'added');
  return true;
}

/**
 * Undoes that: each address goes back to where it was, unless it is somebody else's by now; what was added since stays where it is.
 * An account that would have no proved e-mail address left gets back those that it had; `reachable` says whether that worked, since they
 * may be somebody else's by now. Gives those that the account lost.
 */
export async function giveBackContacts(
  work: Work,
  { to, from, before }: { readonly to: string; readonly from: string; readonly before: ContactsBefore },
): Promise<{ readonly lost: readonly Contact[]; readonly reachable: boolean }> {
  const { tx } = work;
  const { here, moved } = before;
  const now = await store.listContacts(tx, from);
  await endProofs(work, from);
  const lost: Contact[] = [];
  for (const contact of moved) {
    const stays = here.some(same(contact));
    if (stays) await store.insertContact(tx, to, { ...contact, isPrimary: false });
    else if (await handOver(work, { from, to, contact: { ...contact, isPrimary: false } }))
      lost.push(contact);
  }
  const left = now.filter(contact => !lost.some(same(contact)));
  if (!left.some(({ kind, verifiedAt }) => kind === 'email' && verifiedAt)) await restore(work, from, here);
  await restorePrimary(work, from, here);
  await restorePrimary(work, to, moved);
  await store.endOpenChanges(tx, from, work.at);
  const reachable = primaryOf(await store.listContacts(tx, from), 'email') !== undefined;
  return { lost, reachable };
}

/* Addresses that were removed since, where nothing else is left. */
async function restore(work: Work, accountId: string, before: readonly Contact[]): Promise<void> {
  for (const contact of before.filter(({ kind, verifiedAt }) => kind === 'email' && verifiedAt)) {
    if (!(await claimIdentifier(work, accountId, 'email', contact.address))) continue;
    const added = await store.insertContact(work.tx, accountId, { ...contact, isPrimary: false });
    if (added) recordContact(work, accountId, 'email', 'added');
  }
}

/* Where none is left it is the one that it was, or the one that was added first. */
async function restorePrimary(work: Work, accountId: string, before: readonly Contact[]): Promise<void> {
  const now = await store.listContacts(work.tx, accountId);
  for (const kind of KINDS.filter(each => !primaryOf(now, each))) {
    const was = primaryOf(before, kind);
    const proved = now.filter(each => each.kind === kind && each.verifiedAt);
    const next = proved.find(each => was && same(was)(each)) ?? (was && proved[0]);
    if (next && (await store.updatePrimary(work.tx, accountId, next)))
      recordContact(work, accountId, kind, 'primary');
  }
}
