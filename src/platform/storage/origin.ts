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
  const key = typeof sealed === 'string' ? Buffer.from(sealed.slice(2), 'hex') : sealed;
  visiting.getStore()?.keys.set(accountId, key ?? undefined);
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

/** A row of `subject_keys`. */
export interface SubjectKeyRow {
  readonly account_id: string;
  readonly sealed: Buffer;
}

/**
 * Seals into events of persons where their request came from. A key that no row brought along is read once; who has none
 * (any more) leaves no personal parts.
 */
export async function sealOrigins(
  events: readonly EventRow[],
  readKeys: (accountIds: readonly string[]) => Promise<readonly SubjectKeyRow[]>,
): Promise<readonly EventRow[]> {
  const visit = visiting.getStore();
  if (!visit) return events;
  const { keyring, keys } = visit;
  const subjects = new Set(events.filter(isPersonal).map(({ account_id }) => account_id));
  const unknown = [...subjects].filter(id => !keys.has(id));
  if (unknown.length > 0) {
    const rows = await readKeys(unknown);
    for (const id of unknown) keys.set(id, rows.find(row => row.account_id === id)?.sealed);
  }
  if (subjects.size === 0) return events;
  const plain = JSON.stringify(visit.origin());
  return events.map(event => {
    const sealed = isPersonal(event) ? keys.get(event.account_id) : undefined;
    if (!sealed) return event;
    const key = subjectKey(keyring, String(event.account_id), sealed);
    return { ...event, sealed: `\\x${sealUnder(key, plain, event.id).toString('hex')}` };
  });
}

function isPersonal(event: EventRow): event is EventRow & { readonly account_id: string } {
  return event.account_id !== null && event.actor_kind === 'person';
}

/** Opens what `sealOrigins` sealed; undefined when the key is gone or is not that one. */
export function openOrigin(
  keyring: Keyring,
  event: { readonly id: string; readonly accountId: string; readonly sealed: Buffer; readonly key: Buffer },
): Origin | undefined {
  try {
    const key = subjectKey(keyring, event.accountId, event.key);
    return JSON.parse(openUnder(key, event.sealed, event.id)) as Origin;
  } catch {
    return undefined;
  }
}
