import type { Restriction } from '../domain/accounts/accounts.js';
import type { Keyring } from '../platform/crypto/keyring.js';
import { learnSubjectKey } from '../platform/storage/origin.js';
import type { ActingAccount } from './acting.js';
import { artefactOf, type Payload, payloadOf } from './artefacts.js';
import { BY_REFERENCE, type KnownSession, sessionOf } from './session-row.js';

/** What an account's snapshot says. */
export interface AccountSnapshot {
  readonly account_id: string;
  readonly state: string;
  readonly language: string;
  readonly updated_at: number;
  readonly profile: Readonly<Record<string, unknown>> | null;
  readonly email: { readonly address: string; readonly verified: boolean } | null;
  /** The primary phone number, E.164; primary is only what was proved. */
  readonly phone: string | null;
  /** Milliseconds: what was proved before this moment proves nothing any more. */
  readonly proofs_from: number | null;
  /** Seconds: whoever authenticated before that is signed out. */
  readonly signed_out_before: number | null;
  /** Sealed; as Postgres writes bytes in JSON. */
  readonly subject_key: string | null;
  /** Its owner has a second factor. */
  readonly second_step: boolean;
  /** What they may do here, by name. */
  readonly roles: readonly string[];
  /** What they said about selling their data. */
  readonly sale_choice: 'opted_out' | 'opted_in' | null;
  readonly sale_chosen_by: 'signal' | 'person' | null;
  /** Milliseconds. */
  readonly sale_chosen_at: number | null;
  /** What must be kept and not used. */
  readonly restriction: Restriction | null;
  /** Milliseconds: when it goes for good. */
  readonly leaving_at: number | null;
}

/** A snapshot, as the guard asks for it. */
export function acting(snapshot: AccountSnapshot | undefined): ActingAccount | undefined {
  return (
    snapshot && {
      state: snapshot.state,
      proofsFrom: snapshot.proofs_from,
      signedOutBefore: snapshot.signed_out_before,
    }
  );
}

/** What a consent's snapshot says. */
export interface ConsentSnapshot {
  readonly id: string;
  readonly account_id: string;
  readonly client_id: string;
  readonly scopes: readonly string[];
  readonly claims: readonly string[];
  readonly refused_scopes: readonly string[];
  readonly refused_claims: readonly string[];
  readonly resources: Readonly<Record<string, string>>;
  /** The purposes that data may be used for at this moment (RFC 9396), and those that it may not. */
  readonly uses: readonly string[];
  readonly refused_uses: readonly string[];
  /** Purposes whose words changed since they were agreed to. */
  readonly outdated: readonly string[];
  /** What stays here until the person has agreed to the new words. */
  readonly withheld: readonly string[];
}

/** One row of a read: each part is JSON, `null` where the join found nothing, absent where nothing was joined. */
export type ReadRow = Partial<
  Record<'artefact' | 'grant' | 'session' | 'account' | 'consent', Payload | null>
> & {
  /** By way and app, digests of the answers about whom a token is for that are known there. */
  readonly told?: Readonly<Record<string, readonly string[]>> | null;
  /** How many people are signed in in the browser that asks. */
  readonly crowd?: number;
  /** What a journey wants to know along with its pending request. */
  readonly along?: Payload | null;
  /** Everybody who is signed in there, each with their account. */
  readonly people?: readonly ReadRow[] | null;
};

/** What one request has learned; `undefined` under a key means known to be absent. */
export interface Memory {
  /** By model and id. */
  readonly artefacts: Map<string, Payload | undefined>;
  /** By uid. */
  readonly sessions: Map<string, KnownSession | undefined>;
  /** Session id to uid. */
  readonly uids: Map<string, string>;
  readonly accounts: Map<string, AccountSnapshot | undefined>;
  /** By account and client. */
  readonly consents: Map<string, ConsentSnapshot | undefined>;
  /** Digests of the answers that apps know, by account, way and app. */
  readonly told: Map<string, readonly string[]>;
  /** The journey's notes of a pending request. */
  readonly progress: Map<string, Payload>;
  /** The digest of the browser that a pending request was begun in, as hex. */
  readonly begunIn: Map<string, string>;
  /** References of devices that a pending request of this browser is about. */
  readonly devices: Set<string>;
  readonly along: ReadAlong;
  readonly browser: BrowserMarks;
}

/** A query that is read along with a pending request (`i`), and what it gave. */
export interface ReadAlong {
  query?: string;
  found?: Payload | null | undefined;
}

/** What the request tells of its browser, each as a digest of a cookie of ours. */
export interface BrowserMarks {
  /** What ties forms and pending requests to it. */
  form?: Buffer | undefined;
  /** What its people are found by. */
  people?: Buffer | undefined;
  /** What its people are found by from now on: somebody has signed in. */
  renamed?: Buffer | undefined;
  /** What the account of whoever has signed in knows it by. */
  known?: Buffer | undefined;
  /** It is this very request that makes it known, and goes on with the pending one. */
  arriving?: boolean;
  /** The session at an identity provider that they came by. */
  there?: string | undefined;
  /** The request is about who of them is meant. */
  choosing?: boolean;
  /** The uids of those who are signed in there, as far as they were read. */
  here?: readonly string[];
  /** How many are signed in there, as far as that was read. */
  crowd?: number | undefined;
}

/** Nothing learned yet. */
export function openMemory(): Memory {
  return {
    artefacts: new Map(),
    sessions: new Map(),
    uids: new Map(),
    accounts: new Map(),
    consents: new Map(),
    told: new Map(),
    progress: new Map(),
    begunIn: new Map(),
    devices: new Set(),
    along: {},
    browser: {},
  };
}

export const artefactKey = (model: string, id: string) => `${model} ${id}`;
export const toldKey = (accountId: string, clientId: string, way: string) =>
  `${accountId} ${way} ${clientId}`;
export const consentKey = (accountId: string, clientId: string) => `${accountId} ${clientId}`;

/** Learns what a row brought, and what it looked for in vain: asking again would be a wasted trip. */
export function learn(memory: Memory, row: ReadRow, keyring: Keyring, clientId: string | undefined): void {
  const { session, grant, account, consent } = row;
  const found = session ? sessionOf(session, keyring) : undefined;
  if (session && found) {
    memory.sessions.set(String(session.uid), found);
    if (found.payload.jti !== BY_REFERENCE) memory.uids.set(String(found.payload.jti), String(session.uid));
  }
  if (grant) {
    const id = String(grant['id']);
    memory.artefacts.set(artefactKey('Grant', id), payloadOf(artefactOf('Grant'), id, grant));
  }
  if (account) {
    const snapshot = account as unknown as AccountSnapshot;
    memory.accounts.set(snapshot.account_id, snapshot);
    learnSubjectKey(snapshot.account_id, snapshot.subject_key);
  }
  if (consent) {
    const snapshot = consent as unknown as ConsentSnapshot;
    memory.consents.set(consentKey(snapshot.account_id, snapshot.client_id), snapshot);
  }
  const about = row.artefact?.['account_id'];
  for (const [key, digests] of Object.entries(row.told ?? {})) memory.told.set(`${about} ${key}`, digests);
  learnAbsences(memory, row, clientId);
}

function learnAbsences(memory: Memory, row: ReadRow, clientId: string | undefined): void {
  const source = row.artefact;
  const uid = source?.['session_uid'] ?? (source?.['session'] as Payload | null | undefined)?.['uid'];
  if ('session' in row && typeof uid === 'string') absent(memory.sessions, uid);
  const grantId = source?.['grant_id'];
  const isToken = source?.['prompt'] === undefined;
  if ('grant' in row && isToken && typeof grantId === 'string')
    absent(memory.artefacts, artefactKey('Grant', grantId));
  const held = source?.['grant_id'] === undefined ? row.grant : source;
  const accountId = row.account?.['account_id'] ?? held?.['account_id'];
  const params = source?.['params'] as Payload | null | undefined;
  const client = clientId ?? params?.['client_id'] ?? held?.['client_id'];
  if ('consent' in row && typeof accountId === 'string' && typeof client === 'string') {
    absent(memory.consents, consentKey(accountId, client));
  }
}

function absent<Value>(known: Map<string, Value | undefined>, key: string): void {
  if (!known.has(key)) known.set(key, undefined);
}
