import { AsyncLocalStorage } from 'node:async_hooks';
import type { Keyring } from '../platform/crypto/keyring.js';
import { type NamedStatement, type StatementPool, statement } from '../platform/storage/db.js';
import { type SubjectKeyRow, sealOrigins, sealVisit } from '../platform/storage/origin.js';
import {
  type Actor,
  type EventRow,
  eventRow,
  type Fact,
  type Job,
  jobSpec,
} from '../platform/storage/work.js';
import type { Payload } from './artefacts.js';
import { copyOf } from './copy.js';
import { flushStatement, type Write } from './flush-statement.js';
import {
  type AccountSnapshot,
  artefactKey,
  type BrowserMarks,
  type ConsentSnapshot,
  consentKey,
  type Memory,
  openMemory,
  type ReadAlong,
  toldKey,
} from './memory.js';
import { openPendingWrites, type PendingWrites } from './pending-writes.js';
import { type Hints, openReading } from './reading.js';
import { SUBJECT_KEYS_READ } from './reads.js';
import { sessionEnding } from './session-ending.js';
import { originContext } from './session-row.js';

export { type AccountSnapshot, acting, type ConsentSnapshot } from './memory.js';
export type { Hints } from './reading.js';

/** A one-time artefact was used by somebody else in the meantime, or the session or grant was ended. */
export class FlushConflict extends Error {
  readonly model: string;
  constructor(model: string, cause: unknown) {
    super(`${model} conflict`, { cause });
    this.name = 'FlushConflict';
    this.model = model;
  }
}

/** A pending request that somebody just signed in to; `named` where their browser came by a name. */
export interface GoesOn {
  readonly interactionId: string;
  readonly accountId: string;
  readonly to: string;
  readonly named: boolean;
}

/** One request's view of the protocol's storage: reads are remembered, writes wait for `flush`. */
export interface RequestScope {
  /** An artefact or, under `Session`, a session by its id; the caller may change what it gets. */
  find(model: string, id: string): Promise<Payload | undefined>;
  sessionByUid(uid: string): Promise<Payload | undefined>;
  account(id: string): Promise<AccountSnapshot | undefined>;
  consent(accountId: string, clientId: string): Promise<ConsentSnapshot | undefined>;
  /** What somebody allowed an app, as far as the request has read it along. */
  consentInHand(accountId: string, clientId: string): ConsentSnapshot | undefined;
  /** The hashes of what an app was told last about somebody in one way, as far as the request has read it along. */
  knownAnswers(accountId: string, clientId: string, way: string): readonly string[];
  progress(interactionId: string): Payload;
  /** Reads what a query on the pending request (`i`) finds with it; `found` once that was read. */
  readonly along: ReadAlong;
  /** Whether a pending request was begun in the browser that asks. */
  begunHere(interactionId: string): boolean;
  /** By which session at an identity provider a session that was read came, and whose it is. */
  cameBy(uid: string): { readonly accountId: string; readonly id: string } | undefined;
  people(silent: boolean): Promise<readonly string[]>;
  resume(interactionId: string): Promise<string | undefined>;
  /** Changes what the engine will find of a pending request, in this request only. */
  rewrite(interactionId: string, change: Payload): void;
  readonly browser: BrowserMarks;
  /** The pending request that somebody just signed in to, with all that its resumption needs already read; and where that is. */
  goesOn?: GoesOn;
  /** Grants that once reached further than what their person allows now. */
  readonly narrowed: Set<string>;
  readonly writes: PendingWrites;
  record(fact: Fact, actor: Actor): void;
  enqueue(job: Job): void;
  /**
   * Remembers what waits so far: what comes is tried, and may be taken back, by a failure of the flush as well. Then `otherwise`
   * answers. What was read meanwhile stays as the attempt left it.
   */
  attempt(otherwise: () => void): void;
  /** Takes back what came since the attempt began; false where there was none. */
  takeBack(): boolean;
  /** Drops what waits: the request failed and nothing of it shall stay. */
  discard(): void;
  /** Writes all that waits in one statement; throws `FlushConflict` when a condition did not hold, and nothing is written. */
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

/** Opens the scope of one request on the pool of hot statements. */
export function openScope(pool: StatementPool, keyring: Keyring, hints: Hints): RequestScope {
  const memory = openMemory();
  const reading = openReading(pool, keyring, memory, hints);
  const writes = openPendingWrites(memory);
  let facts: EventRow[] = [];
  let jobs: object[] = [];
  let before: (() => void) | undefined;
  const scope: RequestScope = {
    find: async (model, id) =>
      copyOf(await (model === 'Session' ? reading.session(id) : reading.find(model, id))),
    sessionByUid: async uid => copyOf(await reading.sessionByUid(uid)),
    account: reading.account,
    consent: reading.consent,
    consentInHand: (accountId, clientId) => memory.consents.get(consentKey(accountId, clientId)),
    knownAnswers: (accountId, clientId, way) => memory.told.get(toldKey(accountId, clientId, way)) ?? [],
    progress: id => memory.progress.get(id) ?? {},
    along: memory.along,
    begunHere: id => {
      const begunIn = memory.begunIn.get(id);
      return begunIn !== undefined && begunIn === memory.browser.form?.toString('hex');
    },
    cameBy: uid => {
      const { payload, upstream: id } = memory.sessions.get(uid) ?? {};
      const accountId = payload?.['accountId'];
      return id !== undefined && typeof accountId === 'string' ? { accountId, id } : undefined;
    },
    people: reading.people,
    resume: reading.resume,
    rewrite: (id, change) => {
      const key = artefactKey('Interaction', id);
      const known = memory.artefacts.get(key);
      if (known) memory.artefacts.set(key, { ...known, ...change });
    },
    browser: memory.browser,
    narrowed: new Set(),
    writes,
    record: (fact, actor) => void facts.push(eventRow(fact, actor, new Date())),
    enqueue: job => void jobs.push(jobSpec(job)),
    attempt: otherwise => {
      const [waiting, happened, enqueued] = [writes.waiting(), [...facts], [...jobs]];
      const { renamed, arriving } = memory.browser;
      before = () => {
        writes.putBack(waiting);
        facts = happened;
        jobs = enqueued;
        Object.assign(memory.browser, { renamed, arriving });
        otherwise();
      };
    },
    takeBack: () => {
      const back = before;
      before = undefined;
      back?.();
      return back !== undefined;
    },
    discard: () => {
      writes.take();
      facts = [];
      jobs = [];
    },
    flush: async () => {
      endSessions(scope, memory);
      const taken = writes.take();
      for (const { fact, actor } of appsEntered(taken, memory)) scope.record(fact, actor);
      const [happened, enqueued] = [facts, jobs];
      scope.discard();
      const readKeys = (ids: readonly string[]) => keysOf(pool, ids);
      const placed = await Promise.all(taken.map(write => withOrigin(write, readKeys)));
      const pending = [placed, await sealOrigins(happened, readKeys), enqueued] as const;
      if (pending.some(waiting => waiting.length > 0)) await run(pool, flushStatement(...pending, keyring));
    },
  };
  return scope;
}

/* A session that comes to live in a browser says from where; who it is about was read along, and so was their key. */
async function withOrigin(write: Write, readKeys: Parameters<typeof sealVisit>[1]): Promise<Write> {
  if (write.act !== 'insert-session' && write.act !== 'update-session') return write;
  const { accountId, uid } = write.payload;
  if (!write.browser || typeof accountId !== 'string') return write;
  const origin = await sealVisit({ accountId, context: originContext(String(uid)) }, readKeys);
  return { ...write, ...(origin !== undefined && { origin }) };
}

/* That a session ends is recorded; its statement takes the grants along and tells the apps. */
function endSessions(scope: RequestScope, memory: Memory): void {
  for (const uid of scope.writes.ending()) {
    const session = memory.sessions.get(uid)?.payload;
    if (!session) continue;
    const { fact } = sessionEnding(session, 'signed-out');
    const id = session['accountId'] as string | undefined;
    scope.record(fact, { kind: 'person', ...(id !== undefined && { id }) });
  }
}

/* Seconds: whoever signs in and then reads what an app wants to know is still signing in to it. */
const SIGNING_IN = 600;

/*
 * An app was let in by a sign-in that was there already: nothing else would tell its person of that. Once for each app and
 * session; the sign-in itself is told by its own fact.
 */
function appsEntered(taken: readonly Write[], memory: Memory): readonly { fact: Fact; actor: Actor }[] {
  const resumed = [...memory.artefacts.keys()].some(key => key.startsWith('Interaction'));
  return taken.flatMap(write => {
    if (write.act !== 'update-session') return [];
    const { payload } = write;
    const before = memory.sessions.get(String(payload['uid']))?.payload;
    const accountId = payload['accountId'] as string | undefined;
    const same = before?.['accountId'] === accountId && before?.['loginTs'] === payload['loginTs'];
    const justNow = resumed && Date.now() / 1000 - Number(payload['loginTs']) < SIGNING_IN;
    if (accountId === undefined || !same || justNow) return [];
    const known = Object.keys((before?.['authorizations'] ?? {}) as object);
    return Object.keys((payload['authorizations'] ?? {}) as object)
      .filter(clientId => !known.includes(clientId))
      .map(clientId => ({
        fact: { type: 'app.entered', accountId, clientId },
        actor: { kind: 'person', id: accountId },
      }));
  });
}

const FOREIGN_KEY_VIOLATION = '23503';
const CONDITION_FAILED = 'KH001';

const DEADLOCK = '40P01';

/* Whoever loses a deadlock has written nothing, and the other is through by then: once more is safe, and enough. */
async function run(pool: StatementPool, statement: NamedStatement, retries = 1): Promise<void> {
  try {
    await pool.query(statement);
  } catch (error) {
    const { code, message } = error as { code?: string; message: string };
    if (code === DEADLOCK && retries > 0) return run(pool, statement, retries - 1);
    if (code === CONDITION_FAILED) throw new FlushConflict(message, error);
    /* What hangs on a grant came too late: the grant was removed meanwhile. */
    if (code === FOREIGN_KEY_VIOLATION) throw new FlushConflict('Grant', error);
    throw error;
  }
}

async function keysOf(pool: StatementPool, ids: readonly string[]): Promise<readonly SubjectKeyRow[]> {
  const { rows } = await pool.query<SubjectKeyRow>(statement(SUBJECT_KEYS_READ, [ids]));
  return rows;
}
