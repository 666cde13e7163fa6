import { AsyncLocalStorage } from 'node:async_hooks';
import type pg from 'pg';
import type { Keyring } from '../platform/crypto/keyring.js';
import { digest } from '../platform/crypto/tokens.js';
import { type Actor, type EventRow, eventRow, type Fact, type Job, jobSpec } from '../platform/storage/work.js';
import { artefactOf, liveSlots, type Payload, payloadOf } from './artefacts.js';
import { flushStatement, statement, type Write } from './flush-statement.js';
import * as reads from './reads.js';
import { sessionEnding } from './session-ending.js';
import { type KnownSession, sameSession, sessionOf } from './session-row.js';

/** What an account's snapshot says. */
export interface AccountSnapshot {
  readonly account_id: string;
  readonly state: string;
  readonly language: string;
  readonly updated_at: number;
  readonly profile: Readonly<Record<string, unknown>> | null;
  readonly email: { readonly address: string; readonly verified: boolean } | null;
}

/** What a consent's snapshot says. */
export interface ConsentSnapshot {
  readonly account_id: string;
  readonly client_id: string;
  readonly scopes: readonly string[];
  readonly claims: readonly string[];
  readonly refused_scopes: readonly string[];
  readonly refused_claims: readonly string[];
  readonly resources: Readonly<Record<string, string>>;
}

/** What the request already tells about its reads. */
export interface Hints {
  readonly clientId?: string | undefined;
  /** The pending request that resumes here. */
  readonly resuming?: string | undefined;
}

/** A one-time artefact was used by somebody else in the meantime, or the session was ended. */
export class FlushConflict extends Error {
  readonly model: string;
  constructor(model: string, cause: unknown) {
    super(`${model} conflict`, { cause });
    this.name = 'FlushConflict';
    this.model = model;
  }
}

const FOREIGN_KEY_VIOLATION = '23503';

type Row = Partial<Record<'artefact' | 'grant' | 'session' | 'account' | 'consent', Payload | null>>;

/** One request's view of the protocol's storage: reads are remembered, writes wait for `flush`. */
export interface RequestScope {
  find(model: string, id: string): Promise<Payload | undefined>;
  sessionByUid(uid: string): Promise<Payload | undefined>;
  account(id: string): Promise<AccountSnapshot | undefined>;
  consent(accountId: string, clientId: string): Promise<ConsentSnapshot | undefined>;
  progress(interactionId: string): Payload;
  put(model: string, id: string, payload: Payload): void;
  putSession(payload: Payload): void;
  setProgress(interactionId: string, progress: Payload): void;
  consume(model: string, id: string): void;
  remove(model: string, id: string): void;
  endGrants(ids: readonly string[]): void;
  forgetSessionId(id: string): void;
  record(fact: Fact, actor: Actor): void;
  enqueue(job: Job): void;
  /** Drops what waits: the request failed and nothing of it shall stay. */
  discard(): void;
  flush(): Promise<void>;
}

const store = new AsyncLocalStorage<RequestScope>();

/** The scope of the request that is being served. */
export function requestScope(): RequestScope {
  const scope = store.getStore();
  if (!scope) throw new Error('outside of a request');
  return scope;
}

/** Serves a request within a scope. */
export function withinScope<T>(scope: RequestScope, serve: () => Promise<T>): Promise<T> {
  return store.run(scope, serve);
}

interface Known {
  readonly artefacts: Map<string, Payload | undefined>;
  readonly sessions: Map<string, KnownSession | undefined>;
  readonly uids: Map<string, string>;
  readonly accounts: Map<string, AccountSnapshot | undefined>;
  readonly consents: Map<string, ConsentSnapshot | undefined>;
}

function learn(known: Known, row: Row, keyring: Keyring): void {
  const { session, grant, account, consent } = row;
  if (session) {
    const found = sessionOf(session, keyring);
    known.sessions.set(String(session['uid']), found);
    known.uids.set(String(found.payload['jti']), String(session['uid']));
  }
  if (grant) {
    const id = String(grant['id']);
    known.artefacts.set(`Grant ${id}`, payloadOf(artefactOf('Grant'), id, grant));
  }
  if (account) known.accounts.set(String(account['account_id']), account as unknown as AccountSnapshot);
  if (consent) {
    const snapshot = consent as unknown as ConsentSnapshot;
    known.consents.set(`${snapshot.account_id} ${snapshot.client_id}`, snapshot);
  }
}

/* What a join looked for and did not find is known to be absent: asking again would be a wasted trip. */
function learnAbsences(known: Known, row: Row, clientId: string | undefined): void {
  const source = row.artefact;
  const uid = source?.['session_uid'] ?? (source?.['session'] as Payload | null)?.['uid'];
  if (typeof uid === 'string' && !known.sessions.has(uid)) known.sessions.set(uid, undefined);
  const grantId = source?.['grant_id'];
  if (typeof grantId === 'string' && 'grant' in row && source?.['prompt'] === undefined) {
    if (!known.artefacts.has(`Grant ${grantId}`)) known.artefacts.set(`Grant ${grantId}`, undefined);
  }
  const accountId = row.account?.['account_id'];
  const client = clientId ?? (source?.['params'] as Payload | undefined)?.['client_id'];
  if (typeof accountId === 'string' && typeof client === 'string' && 'consent' in row) {
    const key = `${accountId} ${client}`;
    if (!known.consents.has(key)) known.consents.set(key, undefined);
  }
}

/** Opens the scope of one request on the pool of hot statements. */
export function openScope(pool: pg.Pool, keyring: Keyring, hints: Hints): RequestScope {
  const known: Known = {
    artefacts: new Map(),
    sessions: new Map(),
    uids: new Map(),
    accounts: new Map(),
    consents: new Map(),
  };
  const progresses = new Map<string, Payload>();
  let writes: Write[] = [];
  let facts: EventRow[] = [];
  let jobs: object[] = [];
  const inserted = new Set<string>();

  const read = async (text: string, values: unknown[], clientId?: string): Promise<Row | undefined> => {
    const result = await pool.query<Row>(statement(text, values));
    const row = result.rows[0];
    if (row) {
      learn(known, row, keyring);
      learnAbsences(known, row, clientId);
    }
    return row;
  };

  const keep = (model: string, id: string, row: Row | undefined): Payload | undefined => {
    const found = row?.artefact ? payloadOf(artefactOf(model), id, row.artefact) : undefined;
    if (found && model === 'Interaction') {
      progresses.set(id, (found['progress'] as Payload | undefined) ?? {});
      delete found['progress'];
    }
    known.artefacts.set(`${model} ${id}`, found);
    return found;
  };

  const readArtefact = async (model: string, id: string): Promise<Payload | undefined> => {
    if (model === 'Grant') {
      await read(reads.GRANT_READ, [id]);
      return known.artefacts.get(`Grant ${id}`);
    }
    if (model === 'Interaction') {
      return keep(model, id, await read(reads.INTERACTION_READ, [id, liveSlots(Date.now())]));
    }
    if (model === 'ReplayDetection') return keep(model, id, await read(reads.REPLAY_READ, [id]));
    const slots = artefactOf(model).slotted ? [liveSlots(Date.now())] : [];
    return keep(model, id, await read(reads.tokenRead(model), [digest(id), ...slots]));
  };

  const readSession = async (id: string): Promise<Payload | undefined> => {
    if (hints.resuming) {
      const values = [hints.resuming, liveSlots(Date.now()), digest(id)];
      keep('Interaction', hints.resuming, await read(reads.RESUME_READ, values));
    }
    if (!known.uids.has(id)) await read(reads.SESSION_READ, [digest(id), hints.clientId ?? null], hints.clientId);
    const uid = known.uids.get(id);
    return uid === undefined ? undefined : known.sessions.get(uid)?.payload;
  };

  const scope: RequestScope = {
    find: async (model, id) => {
      if (model === 'Session') {
        const uid = known.uids.get(id);
        return clone(uid === undefined ? await readSession(id) : known.sessions.get(uid)?.payload);
      }
      const key = `${model} ${id}`;
      return clone(known.artefacts.has(key) ? known.artefacts.get(key) : await readArtefact(model, id));
    },
    sessionByUid: async uid => {
      if (!known.sessions.has(uid)) {
        await read(reads.SESSION_BY_UID_READ, [uid, hints.clientId ?? null], hints.clientId);
      }
      return clone(known.sessions.get(uid)?.payload);
    },
    account: async id => {
      if (!known.accounts.has(id)) {
        await read(reads.ACCOUNT_READ, [id]);
        if (!known.accounts.has(id)) known.accounts.set(id, undefined);
      }
      return known.accounts.get(id);
    },
    consent: async (accountId, clientId) => {
      const key = `${accountId} ${clientId}`;
      if (!known.consents.has(key)) {
        await read(reads.CONSENT_READ, [accountId, clientId]);
        if (!known.consents.has(key)) known.consents.set(key, undefined);
      }
      return known.consents.get(key);
    },
    progress: id => progresses.get(id) ?? {},
    put: (model, id, payload) => {
      const key = `${model} ${id}`;
      const isNew = !known.artefacts.get(key) || inserted.has(key);
      writes = writes.filter(w => !('id' in w && 'model' in w && w.model === model && w.id === id && 'payload' in w));
      if (isNew) inserted.add(key);
      writes.push({ act: isNew ? 'insert' : 'update', model, id, payload });
      known.artefacts.set(key, clone(payload));
    },
    putSession: payload => {
      const uid = String(payload['uid']);
      const before = known.sessions.get(uid);
      const isNew = !before || inserted.has(`Session ${uid}`);
      writes = writes.filter(w => !concernsSession(w, uid));
      if (isNew) inserted.add(`Session ${uid}`);
      else if (sameSession(before.payload, payload)) return;
      writes.push(
        isNew
          ? { act: 'insert-session', payload }
          : { act: 'update-session', payload, version: before.version },
      );
      known.uids.set(String(payload['jti']), uid);
      if (isNew) known.sessions.set(uid, { payload: clone(payload) ?? {}, version: 1 });
    },
    setProgress: (id, progress) => {
      progresses.set(id, progress);
      writes = writes.filter(w => !(w.act === 'progress' && w.id === id));
      writes.push({ act: 'progress', id, progress });
    },
    consume: (model, id) => void writes.push({ act: 'consume', model, id }),
    remove: (model, id) => {
      writes = writes.filter(w => !('id' in w && 'model' in w && w.model === model && w.id === id));
      if (!inserted.has(`${model} ${id}`)) writes.push({ act: 'remove', model, id });
      if (model === 'Interaction') writes = writes.filter(w => !(w.act === 'progress' && w.id === id));
      known.artefacts.set(`${model} ${id}`, undefined);
    },
    endGrants: ids => {
      const fresh = ids.filter(id => !writes.some(w => w.act === 'end-grants' && w.ids.includes(id)));
      if (fresh.length > 0) writes.push({ act: 'end-grants', ids: fresh });
      for (const id of fresh) known.artefacts.set(`Grant ${id}`, undefined);
    },
    forgetSessionId: id => {
      const uid = known.uids.get(id);
      if (uid !== undefined) writes.push({ act: 'end-session', uid, reason: 'signed-out' });
    },
    record: (fact, actor) => void facts.push(eventRow(fact, actor, new Date())),
    enqueue: job => void jobs.push(jobSpec(job)),
    discard: () => {
      writes = [];
      facts = [];
      jobs = [];
    },
    flush: async () => {
      if (writes.length === 0 && facts.length === 0 && jobs.length === 0) return;
      for (const entry of writes) {
        const session = entry.act === 'end-session' ? known.sessions.get(entry.uid)?.payload : undefined;
        if (!session) continue;
        const ending = sessionEnding(session, 'signed-out');
        scope.endGrants(ending.grantIds);
        ending.jobs.forEach(scope.enqueue);
        const id = session['accountId'] as string | undefined;
        scope.record(ending.fact, { kind: 'person', ...(id !== undefined && { id }) });
      }
      const pending = flushStatement(withProgress(writes), facts, jobs, keyring);
      scope.discard();
      try {
        await pool.query(pending);
      } catch (error) {
        const { code, message } = error as { code?: string; message: string };
        if (code === 'KH001') throw new FlushConflict(message, error);
        if (code === FOREIGN_KEY_VIOLATION) throw new FlushConflict('Grant', error);
        throw error;
      }
    },
  };
  return scope;
}

/* Saving a session under a new id first removes the old id: both are about one row. */
function concernsSession(write: Write, uid: string): boolean {
  if (write.act === 'end-session') return write.uid === uid;
  return (write.act === 'insert-session' || write.act === 'update-session') && write.payload['uid'] === uid;
}

/* One statement may touch a row once: a request's progress rides with the request's own write. */
function withProgress(writes: readonly Write[]): Write[] {
  const steps = writes.filter(w => w.act === 'progress');
  return writes
    .filter(w => w.act !== 'progress' || !writes.some(other => isRequest(other, w.id)))
    .map(w => {
      const step = steps.find(s => isRequest(w, s.id));
      return step && 'payload' in w ? ({ ...w, payload: { ...w.payload, progress: step.progress } } as Write) : w;
    });
}

function isRequest(write: Write, id: string): boolean {
  return (write.act === 'insert' || write.act === 'update') && write.model === 'Interaction' && write.id === id;
}

function clone<T>(value: T): T {
  return value === undefined ? value : structuredClone(value);
}
