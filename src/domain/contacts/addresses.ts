import { v7 as uuidv7 } from 'uuid';
import { digest, randomToken } from '../../platform/crypto/tokens.js';
import { Refusal } from '../../platform/errors.js';
import type { Work } from '../../platform/storage/work.js';
import { claimIdentifier, lockAccount, mayChange, releaseIdentifier } from '../accounts/accounts.js';
import {
  type ChangeWhat,
  type Contact,
  type ContactChange,
  type ContactKind,
  keptBecause,
  lastAddress,
  MOST_CHANGES,
  MOST_CONTACTS,
  primaryOf,
  UNDO_DAYS,
  undoerOf,
} from './contact.js';
import { endProofs } from './proofs.js';
import * as store from './store.js';

/** Whose address is changed, and by whom. */
export interface ContactRequest {
  readonly accountId: string;
  readonly kind: ContactKind;
  /** As the accounts room normalises an e-mail address, or E.164. */
  readonly address: string;
  /** From where it is asked, sealed: the page that undoes it shows that. */
  readonly askedFrom: Buffer;
}

/** A change that was made, with the link's token that undoes it. */
export interface Changed {
  readonly change: ContactChange;
  readonly undoToken: string;
  /** The one address that gets the link. */
  readonly undoer: string;
}

const FACTS = {
  email: {
    added: 'email_address.added',
    primary: 'email_address.made_primary',
    removed: 'email_address.removed',
  },
  phone: {
    added: 'phone_number.added',
    primary: 'phone_number.made_primary',
    removed: 'phone_number.removed',
  },
} as const;

/** Records what happened to an address of an account. */
export function recordContact(work: Work, accountId: string, kind: ContactKind, what: ChangeWhat): void {
  work.record({ type: FACTS[kind][what], accountId });
}

/** Puts the proved address of a new account on it; the first of an account is its primary one. */
export async function addVerifiedEmail(work: Work, accountId: string, address: string): Promise<void> {
  if (await store.insertVerifiedEmail(work.tx, accountId, address)) {
    recordContact(work, accountId, 'email', 'added');
  }
}

/**
 * Adds an address that was proved just now. An e-mail address is something to sign in with from then on, and nobody else's:
 * `taken` when it became somebody else's meanwhile, which whoever proved it may know. A phone number may be several people's.
 */
export async function addProvedContact(
  work: Work,
  asked: ContactRequest,
): Promise<Changed | 'taken' | 'unchanged'> {
  const { accountId, kind, address } = asked;
  const before = await contactsOf(work, accountId);
  const known = find(before, asked);
  if (known?.verifiedAt) return 'unchanged';
  if (!known && before.filter(each => each.kind === kind).length >= MOST_CONTACTS[kind]) throw tooMany();
  if (kind === 'email' && !(await claimIdentifier(work, accountId, 'email', address))) return 'taken';
  const isPrimary = primaryOf(before, kind) === undefined;
  const contact = { kind, address, verifiedAt: work.at, isPrimary, addedAt: work.at };
  await store.insertContact(work.tx, accountId, contact);
  return changed(work, asked, 'added', before);
}

/** Makes a proved address the primary one: what apps are told, and what is written to first. */
export async function makePrimary(work: Work, asked: ContactRequest): Promise<Changed | 'unchanged'> {
  const before = await contactsOf(work, asked.accountId);
  const contact = find(before, asked);
  if (!contact) throw noSuch();
  if (!contact.verifiedAt) {
    throw new Refusal('conflict', 'not_confirmed', 'Confirm this first, then make it the main one.');
  }
  if (contact.isPrimary) return 'unchanged';
  await store.updatePrimary(work.tx, asked.accountId, asked);
  return changed(work, asked, 'primary', before);
}

/**
 * Takes an address away: nobody signs in or recovers by it from the commit on. Where it was the primary one, the proved
 * address that was added first takes its place. The last proved e-mail address stays (`last_address`).
 */
export async function removeContact(work: Work, asked: ContactRequest): Promise<Changed> {
  const { accountId, kind, address } = asked;
  const before = await contactsOf(work, accountId);
  const contact = find(before, asked);
  if (!contact) throw noSuch();
  if (keptBecause(before, contact)) throw lastAddress();
  await store.removeContact(work.tx, accountId, asked);
  const next = before.find(each => each.kind === kind && each.verifiedAt && each.address !== address);
  if (contact.isPrimary && next) await store.updatePrimary(work.tx, accountId, next);
  if (kind === 'email') {
    await releaseIdentifier(work, accountId, 'email', address);
    await endProofs(work, accountId, address);
  }
  return changed(work, asked, 'removed', before);
}

/** The addresses of an account that may act, as they stay until the work is over: of two changes at once one waits. */
async function contactsOf(work: Work, accountId: string): Promise<readonly Contact[]> {
  const account = await lockAccount(work, accountId);
  if (!mayChange(account)) {
    throw new Refusal('forbidden', 'account_unavailable', 'This account cannot be changed right now.');
  }
  return store.listContacts(work.tx, accountId);
}

async function changed(
  work: Work,
  { accountId, kind, address, askedFrom }: ContactRequest,
  what: ChangeWhat,
  before: readonly Contact[],
): Promise<Changed> {
  const undoToken = randomToken();
  const undoUntil = new Date(work.at.getTime() + UNDO_DAYS * 86_400_000);
  const made = {
    id: uuidv7(),
    accountId,
    kind,
    what,
    address,
    before,
    askedFrom,
    madeAt: work.at,
    undoUntil,
  };
  const open = await store.listChanges(work.tx, accountId, work.at);
  if (open.length >= MOST_CHANGES) throw tooOften(open, work.at);
  const undoer = undoerOf(open, before);
  await store.insertChange(work.tx, made, digest(undoToken));
  recordContact(work, accountId, kind, what);
  return { change: { ...made, undoneAt: undefined }, undoToken, undoer };
}

function find(contacts: readonly Contact[], { kind, address }: ContactRequest): Contact | undefined {
  return contacts.find(each => each.kind === kind && each.address === address);
}

function noSuch(): Refusal {
  return new Refusal('missing', 'no_such_address', 'This is not among your addresses and numbers.');
}

function tooMany(): Refusal {
  return new Refusal('conflict', 'too_many_addresses', 'There is no room for another one. Remove one first.');
}

function tooOften(open: readonly ContactChange[], at: Date): Refusal {
  const until = open.at(-1)?.undoUntil ?? at;
  const retryAfter = Math.max(1, Math.ceil((until.getTime() - at.getTime()) / 1000));
  return new Refusal('limited', 'too_many_changes', 'There were too many changes in a few days.', {
    retryAfter,
  });
}
