import { AsyncLocalStorage } from 'node:async_hooks';
import { randomBytes } from 'node:crypto';
import type { Keyring } from '../crypto/keyring.js';
import { openUnder, sealUnder } from '../crypto/sealing.js';
import type { EventRow } from './work.js';

/** The personal parts of what happened: from where, and by which browser. */
export interface Origin {
  readonly address: string;
  /** "Firefox · Linux", as far as the browser says. */
  readonly browser: string;
}

interface Visiting {
  readonly keyring: Keyring;
  readonly origin: () => Origin;
  /** The sealed keys of those whom this request is about, as they were read along. */
  readonly keys: Map<string, Buffer | undefined>;
}

const visiting = new AsyncLocalStorage<Visiting>();

/** Serves a request whose events will say where they came from, sealed under the key of whom they are about. */
export function withinOrigin<T>(keyring: Keyring, origin: () => Origin, serve: () => Promise<T>): Promise<T> {
  return visiting.run({ keyring, origin, keys: new Map() }, serve);
}

/** Notes the sealed key of somebody, where a row brought it along, so that no event needs to read it again. */
export function learnSubjectKey(accountId: string, sealed: Buffer | string | null | undefined): void {
  visiting.getStore()?.keys.set(accountId, bytesOf(sealed));
}

const PURPOSE = 'subject-key';

/** A key for what is personal about an account, sealed under the installation's: without its row nothing opens it. */
export function newSubjectKey(keyring: Keyring, accountId: string): Buffer {
  return keyring.seal(PURPOSE, JSON.stringify([accountId, randomBytes(32).toString('base64')]));
}

function subjectKey(keyring: Keyring, accountId: string, sealed: Buffer): Buffer {
  const [owner, key] = JSON.parse(keyring.open(PURPOSE, sealed)) as [string, string];
  if (owner !== accountId) throw new Error('this key belongs to another account');
  return Buffer.from(key, 'base64');
}

/* A key that was sealed under a secret that is lost is as good as none: what happens goes on record all the same. */
function openedKey(keyring: Keyring, accountId: string, sealed: Buffer): Buffer | undefined {
  try {
    return subjectKey(keyring, accountId, sealed);
  } catch {
    return undefined;
  }
}

/** The key of an account, opened, of a row that came along; undefined where it is gone or was sealed under a lost secret. */
export function openSubjectKey(
  keyring: Keyring,
  accountId: string,
  sealed: Buffer | string | null | undefined,
): Buffer | undefined {
  const bytes = bytesOf(sealed);
  return bytes && openedKey(keyring, accountId, bytes);
}

/* As Postgres writes bytes in JSON. */
function bytesOf(sealed: Buffer | string | null | undefined): Buffer | undefined {
  return (typeof sealed === 'string' ? Buffer.from(sealed.slice(2), 'hex') : sealed) ?? undefined;
}

/** A row of `subject_keys`. */
export interface SubjectKeyRow {
  readonly account_id: string;
  readonly sealed: Buffer;
}

type ReadKeys = (accountIds: readonly string[]) => Promise<readonly SubjectKeyRow[]>;

/* The sealed keys of those who are concerned; what no row brought along is read, once in a request. */
async function keysFor(ids: ReadonlySet<string>, readKeys: ReadKeys): Promise<Visiting['keys']> {
  const keys: Visiting['keys'] = visiting.getStore()?.keys ?? new Map();
  const unknown = [...ids].filter(id => !keys.has(id));
  if (unknown.length > 0) {
    const rows = await readKeys(unknown);
    for (const id of unknown) keys.set(id, rows.find(row => row.account_id === id)?.sealed);
  }
  return keys;
}

/** Something about an account that must be unreadable once the account's key is destroyed. */
export interface Personal {
  readonly keyring: Keyring;
  readonly accountId: string;
  /** Whatever it is kept with: it opens nowhere else. */
  readonly context: string;
  readonly plain: string;
}

/** Seals each under the key of its account, as JSON takes `bytea`; null for an account that has no key (any more). */
export async function sealPersonal(
  all: readonly { readonly personal: Personal }[],
  readKeys: ReadKeys,
): Promise<readonly (string | null)[]> {
  const keys = await keysFor(new Set(all.map(({ personal }) => personal.accountId)), readKeys);
  return all.map(({ personal: { keyring, accountId, context, plain } }) => {
    const sealed = keys.get(accountId);
    const key = sealed && openedKey(keyring, accountId, sealed);
    return key ? `\\x${sealUnder(key, plain, context).toString('hex')}` : null;
  });
}

/** Opens what `sealPersonal` sealed; undefined when the key is gone or is not that one. */
export function openPersonal(
  of: Omit<Personal, 'plain'> & { readonly sealed: Buffer; readonly key: Buffer },
): string | undefined {
  try {
    return openUnder(subjectKey(of.keyring, of.accountId, of.key), of.sealed, of.context);
  } catch {
    return undefined;
  }
}

/**
 * Seals into events of persons where their request came from. A key that no row brought along is read once; who has none
 * (any more) leaves no personal parts.
 */
export async function sealOrigins(
  events: readonly EventRow[],
  readKeys: ReadKeys,
): Promise<readonly EventRow[]> {
  const visit = visiting.getStore();
  if (!visit) return events;
  const { keyring } = visit;
  const subjects = new Set(events.filter(isPersonal).map(({ account_id }) => account_id));
  if (subjects.size === 0) return events;
  const keys = await keysFor(subjects, readKeys);
  const plain = JSON.stringify(visit.origin());
  return events.map(event => {
    const sealed = isPersonal(event) ? keys.get(event.account_id) : undefined;
    if (!sealed) return event;
    const key = openedKey(keyring, String(event.account_id), sealed);
    if (!key) return event;
    return { ...event, sealed: `\\x${sealUnder(key, plain, event.id).toString('hex')}` };
  });
}

/** Seals from where this request comes, as JSON takes `bytea`; undefined outside of one, or where the account has no key (any more). */
export async function sealVisit(
  { accountId, context }: Pick<Personal, 'accountId' | 'context'>,
  readKeys: ReadKeys,
): Promise<string | undefined> {
  const visit = visiting.getStore();
  const sealed = visit && (await keysFor(new Set([accountId]), readKeys)).get(accountId);
  const key = sealed && openedKey(visit.keyring, accountId, sealed);
  return key && `\\x${sealUnder(key, JSON.stringify(visit.origin()), context).toString('hex')}`;
}

function isPersonal(event: EventRow): event is EventRow & { readonly account_id: string } {
  return event.account_id !== null && event.actor_kind === 'person';
}

/** Opens what `sealOrigins` sealed; undefined when the key is gone or is not that one. */
export function openOrigin(
  keyring: Keyring,
  event: { readonly id: string; readonly accountId: string; readonly sealed: Buffer; readonly key: Buffer },
): Origin | undefined {
  const plain = openPersonal({ ...event, keyring, context: event.id });
  return plain === undefined ? undefined : (JSON.parse(plain) as Origin);
}
