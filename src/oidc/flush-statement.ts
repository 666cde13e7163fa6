import { arrivingDevice, knownDevice } from '../domain/protection/protection.js';
import type { Keyring } from '../platform/crypto/keyring.js';
import { digest } from '../platform/crypto/tokens.js';
import {
  type Bind,
  type Clause,
  type NamedStatement,
  openBinder,
  statement,
} from '../platform/storage/db.js';
import { type EventRow, jobSpec } from '../platform/storage/work.js';
import {
  artefactOf,
  columnValues,
  conflictOf,
  inSlots,
  liveSlots,
  type Payload,
  slotAt,
  WRITTEN_ONCE,
} from './artefacts.js';
import { BACKCHANNEL_LOGOUT } from './session-ending.js';
import { SESSION_COLUMNS, sessionValues } from './session-row.js';
import { maybeOfKind } from './token-ids.js';

/** Where somebody signed in, for a session that comes to live there. */
export interface SignInPlace {
  readonly browser?: Buffer;
  /** What their account knows the browser by. */
  readonly known?: Buffer;
  /** That is so as of this very statement. */
  readonly arriving?: boolean;
  /** The session at an identity provider that they came by. */
  readonly there?: string;
  /** Sealed under their account's key, as JSON takes it. */
  readonly origin?: string;
}

/** One write that waits for the flush. */
export type Write =
  | {
      readonly act: 'insert' | 'update';
      readonly model: string;
      readonly id: string;
      readonly payload: Payload;
    }
  | {
      readonly act: 'consume' | 'remove';
      readonly model: string;
      readonly id: string;
      readonly once?: boolean;
    }
  | ({ readonly act: 'insert-session'; readonly payload: Payload } & SignInPlace)
  | ({
      readonly act: 'update-session';
      readonly payload: Payload;
      readonly version: number;
      /** The browser that the session lived in so far. */
      readonly from?: Buffer;
    } & SignInPlace)
  | {
      readonly act: 'move-people';
      readonly from: Buffer;
      readonly to: Buffer;
      readonly except: readonly string[];
    }
  | { readonly act: 'end-session'; readonly uid: string; readonly reason: string }
  | { readonly act: 'end-grants'; readonly ids: readonly string[] }
  | { readonly act: 'settle-device'; readonly reference: string; readonly how: 'claimed' | 'denied' }
  | { readonly act: 'progress'; readonly id: string; readonly progress: Payload }
  | { readonly act: 'along'; readonly clause: Clause; readonly waits: boolean };

interface Draft {
  readonly parts: string[];
  readonly requires: string[];
  readonly values: unknown[];
  readonly bind: Bind;
}

function openDraft(): Draft {
  return { parts: [], requires: [], ...openBinder() };
}

function keyOf(model: string, id: string): Buffer | string {
  if (artefactOf(model).key === 'id') return id;
  return deviceDigest(model, id) ?? digest(id);
}

/** The digest that a reference to a device's row is: what a pending request holds instead of the device code itself. */
export function deviceDigest(model: string, id: string): Buffer | undefined {
  return model === 'DeviceCode' && !maybeOfKind(model, id) ? Buffer.from(id, 'base64url') : undefined;
}

const keyColumn = (model: string) => artefactOf(model).key;
const keyType = (model: string) => (artefactOf(model).key === 'digest' ? 'bytea' : 'text');

function match(draft: Draft, model: string, id: string): string {
  const { slotted } = artefactOf(model);
  const slots = slotted ? ` AND ${inSlots('slot', draft.bind(liveSlots(), 'smallint[]'))}` : '';
  return `${keyColumn(model)} = ${draft.bind(keyOf(model, id), keyType(model))}${slots}`;
}

/** Kinds of which a second one with the same id, or the same code to type, is a conflict. */
const ONCE: ReadonlySet<string> = new Set(['ReplayDetection', 'DeviceCode']);

/* By kind and first place: a kind has few, and the text is the same each time. */
const inserts = new Map<string, string>();

function insertText(model: string, first: number): string {
  const known = inserts.get(`${model} ${first}`);
  if (known !== undefined) return known;
  const artefact = artefactOf(model);
  const columns = [
    { column: artefact.key, type: keyType(model) },
    ...artefact.columns,
    ...(artefact.slotted ? [{ column: 'slot', type: 'smallint' }] : []),
  ];
  const names = columns.map(({ column }) => column).join(', ');
  const bound = columns.map(({ type }, i) => `$${first + i}::${type}`).join(', ');
  const once = ONCE.has(model) ? ' ON CONFLICT DO NOTHING RETURNING 1' : '';
  const text = ` AS (INSERT INTO ${artefact.table} (${names}) VALUES (${bound})${once})`;
  inserts.set(`${model} ${first}`, text);
  return text;
}

function insert(draft: Draft, part: string, model: string, id: string, payload: Payload): void {
  const artefact = artefactOf(model);
  draft.parts.push(part + insertText(model, draft.values.length + 1));
  draft.values.push(keyOf(model, id), ...columnValues(artefact, payload));
  if (artefact.slotted) draft.values.push(slotAt(Date.now()));
  const once = ONCE.has(model);
  if (once) draft.requires.push(`keyhold_require(EXISTS (SELECT FROM ${part}), '${conflictOf(model, id)}')`);
}

function update(draft: Draft, part: string, model: string, id: string, payload: Payload): void {
  const artefact = artefactOf(model);
  const values = columnValues(artefact, payload);
  const own = artefact.columns
    .map((c, i) => ({ ...c, value: values[i] }))
    .filter(c => !WRITTEN_ONCE.has(c.field) && (c.field !== 'progress' || payload.progress !== undefined));
  const sets = own.map(c => `${c.column} = ${draft.bind(c.value, c.type)}`);
  const found = match(draft, model, id);
  if (model === 'DeviceCode') return settle(draft, part, sets, found);
  draft.parts.push(`${part} AS (UPDATE ${artefact.table} SET ${sets.join(', ')} WHERE ${found})`);
}

/* A device is let in, or turned away, once and in time. */
function settle(draft: Draft, part: string, sets: readonly string[], found: string): void {
  draft.parts.push(`${part} AS (UPDATE device_codes SET ${sets.join(', ')} WHERE ${found} AND account_id IS NULL
    AND error IS NULL AND consumed_at IS NULL AND expires_at > extract(epoch FROM now()) RETURNING 1)`);
  draft.requires.push(`keyhold_require(EXISTS (SELECT FROM ${part}), 'DeviceCode')`);
}

type SessionWrite<Act extends Write['act']> = Extract<Write, { readonly act: Act }>;

function place(
  draft: Draft,
  { browser, known, arriving, there, origin, payload }: SignInPlace & { readonly payload: Payload },
) {
  const columns: [column: string, value: string][] = [];
  if (browser) columns.push(['browser', draft.bind(browser, 'bytea')]);
  if (origin) columns.push(['origin', draft.bind(origin, 'bytea')]);
  if (there) columns.push(['upstream', draft.bind(there, 'uuid')]);
  if (known && arriving) {
    columns.push(['device', arrivingDevice('device')], ['first_seen_at', arrivingDevice('first_seen_at')]);
  } else if (known) {
    const [account, name] = [draft.bind(payload['accountId'] ?? null, 'uuid'), draft.bind(known, 'bytea')];
    columns.push(['device', knownDevice('device', account, name)]);
    columns.push(['first_seen_at', knownDevice('first_seen_at', account, name)]);
  }
  return columns;
}

function insertSession(
  draft: Draft,
  part: string,
  entry: SessionWrite<'insert-session'>,
  keyring: Keyring,
): void {
  const values = sessionValues(entry.payload, keyring);
  const columns: string[] = SESSION_COLUMNS.map(([column]) => column);
  const bound = SESSION_COLUMNS.map(([, type], i) => draft.bind(values[i], type));
  for (const [column, value] of place(draft, entry)) {
    columns.push(column);
    bound.push(value);
  }
  draft.parts.push(`${part} AS (INSERT INTO sessions (${columns.join(', ')}) VALUES (${bound.join(', ')}))`);
}

/* An ended session is never revived; one that another request changed meanwhile keeps that request's clients too. */
function updateSession(
  draft: Draft,
  part: string,
  entry: SessionWrite<'update-session'>,
  keyring: Keyring,
): void {
  const values = sessionValues(entry.payload, keyring);
  const read = draft.bind(entry.version, 'integer');
  const sets = SESSION_COLUMNS.slice(1).map(([column, type], i) => {
    const value = draft.bind(values[i + 1], type);
    if (column !== 'authorizations') return `${column} = ${value}`;
    return `authorizations = CASE WHEN version = ${read} THEN ${value}
      ELSE coalesce(authorizations, '{}') || coalesce(${value}, '{}') END`;
  });
  const moves = entry.browser && entry.from ? { to: entry.browser, from: entry.from } : undefined;
  const placed = moves ? place(draft, entry).map(([column, value]) => `${column} = ${value}`) : [];
  if (moves) sets.push(...placed, 'browser_before = NULL');
  const there = moves ? ` AND browser = ${draft.bind(moves.from, 'bytea')}` : '';
  draft.parts.push(`${part} AS (UPDATE sessions SET ${sets.join(', ')}, version = version + 1
    WHERE uid = ${draft.bind(values[0], 'text')} AND ended_at IS NULL${there} RETURNING 1)`);
  draft.requires.push(`keyhold_require(EXISTS (SELECT FROM ${part}), 'Session')`);
}

/* Another tab that signs somebody in renames the browser as well: whoever comes later must come under the new name. */
function movePeople(draft: Draft, part: string, entry: SessionWrite<'move-people'>): void {
  const from = draft.bind(entry.from, 'bytea');
  const others = `browser = ${from} AND NOT uid = ANY (${draft.bind(entry.except, 'text[]')})`;
  draft.parts.push(
    `${part} AS (UPDATE sessions SET browser = ${draft.bind(entry.to, 'bytea')}, browser_before = browser,
      browser_moved_at = now() WHERE ${others} RETURNING 1)`,
  );
  draft.requires.push(`keyhold_require((SELECT count(*) FROM ${part}) = (SELECT count(*) FROM sessions WHERE ${others})
    AND NOT EXISTS (SELECT FROM sessions WHERE browser_before = ${from} AND browser_moved_at > now() - interval '10 seconds'),
    'Browser')`);
}

/* The grant is locked before what hangs on it, in the order of a revocation, so that the two never wait for each other. */
function consume(draft: Draft, part: string, model: string, id: string): void {
  const { table, columns } = artefactOf(model);
  const found = match(draft, model, id);
  const hangs = columns.some(column => column.field === 'grantId');
  /* A device that was turned away hangs on no grant. */
  const free =
    model === 'DeviceCode' ? ` OR EXISTS (SELECT FROM ${table} WHERE ${found} AND grant_id IS NULL)` : '';
  if (hangs) {
    draft.parts.push(`${part}_grant AS MATERIALIZED (SELECT 1 FROM grants
      WHERE id = (SELECT grant_id FROM ${table} WHERE ${found}) FOR KEY SHARE)`);
    draft.requires.push(`keyhold_require(EXISTS (SELECT FROM ${part}_grant)${free}, 'Grant')`);
  }
  const alive = hangs ? `AND (EXISTS (SELECT FROM ${part}_grant)${free})` : '';
  draft.parts.push(`${part} AS (UPDATE ${table} SET consumed_at = extract(epoch FROM now())::bigint
    WHERE ${found} AND consumed_at IS NULL ${alive} RETURNING 1)`);
  draft.requires.push(`keyhold_require(EXISTS (SELECT FROM ${part}), '${model}')`);
}

/*
 * Whom to tell and what to remove is read from the row as it ends, not as the request once read it: an app may have
 * joined since. What an app holds with `offline_access` is spared, as in `sessionEnding`.
 */
function endSession(draft: Draft, part: string, uid: string, reason: string): void {
  const job = draft.bind(JSON.stringify(jobSpec({ name: BACKCHANNEL_LOGOUT, payload: {} })), 'jsonb');
  draft.parts.push(
    `${part} AS (UPDATE sessions SET ended_at = now(), ended_reason = ${draft.bind(reason, 'text')}, state = NULL,
      version = version + 1 WHERE uid = ${draft.bind(uid, 'text')} AND ended_at IS NULL
      RETURNING account_id, authorizations)`,
    `${part}_apps AS (SELECT account_id, app.key AS client_id, app.value ->> 'sid' AS sid,
      app.value ->> 'grantId' AS grant_id, app.value -> 'persistsLogout' = 'true' AS kept
      FROM ${part}, jsonb_each(coalesce(authorizations, '{}')) AS app)`,
    `${part}_grants AS (DELETE FROM grants WHERE id IN (SELECT grant_id FROM ${part}_apps WHERE kept IS NOT TRUE))`,
  );
  draft.requires.push(`keyhold_add_jobs((SELECT jsonb_agg(${job} || jsonb_build_object('payload',
    jsonb_build_object('clientId', client_id, 'accountId', account_id, 'sid', sid)))
    FROM ${part}_apps WHERE account_id IS NOT NULL AND sid IS NOT NULL))`);
}

/* Whoever says first whether a device is theirs decides: for everybody else its code has ended. */
function settleDevice(draft: Draft, part: string, { reference, how }: SessionWrite<'settle-device'>): void {
  const set = how === 'claimed' ? 'in_flight = true' : `error = 'access_denied'`;
  const found = `${match(draft, 'DeviceCode', reference)} AND in_flight IS NOT TRUE`;
  settle(draft, part, [set], found);
}

function write(draft: Draft, part: string, entry: Write, keyring: Keyring): void {
  switch (entry.act) {
    case 'insert':
      return insert(draft, part, entry.model, entry.id, entry.payload);
    case 'update':
      return update(draft, part, entry.model, entry.id, entry.payload);
    case 'insert-session':
      return insertSession(draft, part, entry, keyring);
    case 'update-session':
      return updateSession(draft, part, entry, keyring);
    case 'move-people':
      return movePeople(draft, part, entry);
    case 'settle-device':
      return settleDevice(draft, part, entry);
    case 'consume':
      return consume(draft, part, entry.model, entry.id);
    case 'remove':
      draft.parts.push(
        `${part} AS (DELETE FROM ${artefactOf(entry.model).table} WHERE ${match(draft, entry.model, entry.id)} RETURNING 1)`,
      );
      if (entry.once) draft.requires.push(`keyhold_require(EXISTS (SELECT FROM ${part}), '${entry.model}')`);
      return;
    case 'end-session':
      return endSession(draft, part, entry.uid, entry.reason);
    case 'end-grants':
      draft.parts.push(`${part} AS (DELETE FROM grants WHERE id = ANY (${draft.bind(entry.ids, 'text[]')}))`);
      return;
    case 'progress':
      draft.parts.push(`${part} AS (UPDATE interactions SET progress = ${draft.bind(JSON.stringify(entry.progress), 'jsonb')}
        WHERE ${match(draft, 'Interaction', entry.id)})`);
      return;
    case 'along': {
      const { parts, selected = [] } = entry.clause(draft.bind);
      draft.parts.push(...parts);
      draft.requires.push(...selected);
      return;
    }
  }
}

/* Each value by itself: to take records apart again costs a third of what the row does. */
const FACT_COLUMNS = [
  ['id', 'uuid'],
  ['at', 'timestamptz'],
  ['type', 'text'],
  ['actor_kind', 'text'],
  ['actor_id', 'text'],
  ['account_id', 'uuid'],
  ['client_id', 'text'],
  ['detail', 'jsonb'],
  ['sealed', 'bytea'],
] as const satisfies readonly (readonly [keyof EventRow, string])[];

const FACT_NAMES = FACT_COLUMNS.map(([column]) => column).join(', ');

function leave(draft: Draft, facts: readonly EventRow[], jobs: readonly object[]): void {
  if (facts.length > 0) {
    const rows = facts.map(
      fact => `(${FACT_COLUMNS.map(([column, type]) => draft.bind(fact[column], type)).join(', ')})`,
    );
    draft.parts.push(`facts AS (INSERT INTO events (${FACT_NAMES}) VALUES ${rows.join(', ')})`);
  }
  if (jobs.length > 0) draft.requires.push(`keyhold_add_jobs(${draft.bind(JSON.stringify(jobs), 'jsonb')})`);
}

/*
 * What need not be on disk before the answer goes out: begun requests, and what somebody proved on the way of one, since their
 * session comes later, waits for the disk, and takes all along that was written before it (docs/decisions/0042).
 */
function mayBeLost(writes: readonly Write[], facts: readonly EventRow[], jobs: readonly object[]): boolean {
  if (jobs.length > 0) return false;
  if (facts.length === 0) return writes.every(w => w.act === 'insert' && w.model === 'Interaction');
  const notes = (w: Write) =>
    (w.act === 'along' && !w.waits) ||
    w.act === 'progress' ||
    (w.act === 'update' && w.model === 'Interaction');
  return facts.every(({ type }) => type === 'session.authenticated') && writes.every(notes);
}

/** All writes of a request, its facts and its jobs as one statement: all of it happens, or nothing and an error KH001. */
export function flushStatement(
  writes: readonly Write[],
  facts: readonly EventRow[],
  jobs: readonly object[],
  keyring: Keyring,
): NamedStatement {
  const draft = openDraft();
  writes.forEach((entry, i) => {
    write(draft, `w${i}`, entry, keyring);
  });
  leave(draft, facts, jobs);
  if (mayBeLost(writes, facts, jobs)) draft.requires.push(`set_config('synchronous_commit', 'off', true)`);
  const selected = draft.requires.length > 0 ? draft.requires.join(', ') : '1';
  const text =
    draft.parts.length > 0 ? `WITH ${draft.parts.join(',\n')}\nSELECT ${selected}` : `SELECT ${selected}`;
  return statement(text, draft.values);
}
