import { v7 as uuidv7 } from 'uuid';
import type { Db, Tx } from './db.js';
import { type Personal, type SubjectKeyRow, sealOrigins, sealPersonal } from './origin.js';

/** Who does it. `id` is an account id, a client id or an operator's account id. */
export interface Actor {
  readonly kind: 'person' | 'client' | 'operator' | 'system';
  readonly id?: string;
}

/** Something that happened, in identifiers and codes only: never a secret, never personal data in clear. */
export interface Fact {
  /** `<noun>.<past participle>`, as listed in the catalogue of its room. */
  readonly type: string;
  readonly accountId?: string;
  readonly clientId?: string;
  readonly detail?: Readonly<Record<string, string | number | boolean | null | readonly string[]>>;
}

/** Something to be done after the commit, at least once. */
export interface Job {
  readonly name: string;
  readonly payload: Readonly<Record<string, unknown>>;
  /** Not before this time. */
  readonly runAt?: Date;
  /** Of several under one key that wait, the last takes the place of those before. */
  readonly key?: string;
  /** Takes its turn when nothing waits that somebody is waiting for. */
  readonly yields?: boolean;
}

/* Of jobs that are due the least comes first, and 0 is what a job has that says nothing. */
const YIELDING = 10;

/** A row that a room leaves with the last statement of a work, where it costs no round trip of its own. */
export interface LeftRow {
  /** The room's own `INSERT`, reading all rows that were left for it as `jsonb_to_recordset(?::jsonb)`. */
  readonly into: string;
  readonly row: Readonly<Record<string, unknown>>;
  /** What is personal about it: sealed under the account's key into the row's `sealed`. */
  readonly personal: Personal;
}

/** One transaction, one actor, one instant, and the facts, rows and jobs it leaves. */
export interface Work {
  readonly tx: Tx;
  readonly actor: Actor;
  readonly at: Date;
  record(fact: Fact): void;
  enqueue(job: Job): void;
  leave(left: LeftRow): void;
}

/** What a fact becomes in the append-only `events` table. */
export interface EventRow {
  readonly id: string;
  readonly at: string;
  readonly type: string;
  readonly actor_kind: string;
  readonly actor_id: string | null;
  readonly account_id: string | null;
  readonly client_id: string | null;
  readonly detail: object;
  /** Where it came from, sealed under the key of the account it is about. */
  readonly sealed: string | null;
}

/** Turns a fact into its row. */
export function eventRow(fact: Fact, actor: Actor, at: Date): EventRow {
  return {
    id: uuidv7(),
    at: at.toISOString(),
    type: fact.type,
    actor_kind: actor.kind,
    actor_id: actor.id ?? null,
    account_id: fact.accountId ?? null,
    client_id: fact.clientId ?? null,
    detail: fact.detail ?? {},
    sealed: null,
  };
}

/** Turns a job into what `graphile_worker.add_jobs` takes. */
export function jobSpec(job: Job): object {
  const { name: identifier, payload, runAt, key: jobKey, yields = false } = job;
  const priority = yields ? YIELDING : undefined;
  return { identifier, payload, run_at: runAt?.toISOString(), maxAttempts: 12, jobKey, priority };
}

const EVENTS_SQL = `
    INSERT INTO events (id, at, type, actor_kind, actor_id, account_id, client_id, detail, sealed)
    SELECT id, at, type, actor_kind, actor_id, account_id, client_id, detail, sealed
    FROM jsonb_to_recordset(?::jsonb) AS f(id uuid, at timestamptz, type text, actor_kind text, actor_id text,
      account_id uuid, client_id text, detail jsonb, sealed bytea)`;

/** Runs `act` in one transaction; what it recorded, left and enqueued is written just before the commit, or not at all. */
export async function openWork<T>(db: Db, actor: Actor, act: (work: Work) => Promise<T>): Promise<T> {
  const at = new Date();
  return db.transaction(async tx => {
    const facts: EventRow[] = [];
    const jobs = new Map<string | number, object>();
    const left: LeftRow[] = [];
    const result = await act({
      tx,
      actor,
      at,
      record: fact => void facts.push(eventRow(fact, actor, at)),
      enqueue: job => void jobs.set(job.key ?? jobs.size, jobSpec(job)),
      leave: row => void left.push(row),
    });
    await leaveAll(tx, facts, left, inOrder(jobs));
    return result;
  });
}

/* Those with keys by their keys, so that two works that enqueue the same never wait for each other in a ring. */
function inOrder(jobs: ReadonlyMap<string | number, object>): readonly object[] {
  const keys = [...jobs.keys()];
  const sorted = [...keys.filter(key => typeof key === 'number'), ...keys.filter(isKey).sort()];
  return sorted.flatMap(key => jobs.get(key) ?? []);
}

const isKey = (key: string | number) => typeof key === 'string';

/* One statement for all of it. */
async function leaveAll(
  tx: Tx,
  facts: readonly EventRow[],
  left: readonly LeftRow[],
  jobs: readonly object[],
): Promise<void> {
  if (facts.length + left.length + jobs.length === 0) return;
  const readKeys = (ids: readonly string[]) => keysOf(tx, ids);
  const events = await sealOrigins(facts, readKeys);
  const sealed = await sealPersonal(left, readKeys);
  const rows = new Map<string, object[]>();
  if (events.length > 0) rows.set(EVENTS_SQL, [...events]);
  left.forEach(({ into, row }, at) => {
    rows.set(into, [...(rows.get(into) ?? []), { ...row, sealed: sealed[at] }]);
  });
  const parts = [...rows.keys()].map((into, at) => `left${at} AS (${into})`);
  const bindings = [...rows.values(), jobs].map(each => JSON.stringify(each));
  const before = parts.length > 0 ? `WITH ${parts.join(',\n')}\n` : '';
  await tx.raw(`${before}SELECT keyhold_add_jobs(?::jsonb)`, bindings);
}

function keysOf(tx: Tx, accountIds: readonly string[]): Promise<SubjectKeyRow[]> {
  return tx('subject_keys').select('account_id', 'sealed').whereIn('account_id', accountIds);
}
