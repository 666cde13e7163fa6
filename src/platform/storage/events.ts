import type { Keyring } from '../crypto/keyring.js';
import type { Db } from './db.js';
import { type Origin, openOrigin } from './origin.js';

/** What happened about an account, as it is read back. */
export interface PastEvent {
  readonly id: string;
  readonly accountId: string;
  readonly at: Date;
  readonly type: string;
  readonly actorKind: string;
  readonly actorId: string | undefined;
  readonly clientId: string | undefined;
  readonly detail: Readonly<Record<string, unknown>>;
  /** Where it came from; nobody knows any more once the account's key is destroyed. */
  readonly origin: Origin | undefined;
}

interface PastRow {
  readonly id: string;
  readonly at: Date;
  readonly type: string;
  readonly actor_kind: string;
  readonly actor_id: string | null;
  readonly client_id: string | null;
  readonly detail: PastEvent['detail'];
  readonly sealed: Buffer | null;
  readonly key: Buffer | null;
}

/** Which events of an account are read. */
export interface EventFilter {
  readonly accountId: string;
  /** These types alone. */
  readonly only?: readonly string[] | undefined;
  /** Every type but these. */
  readonly except?: readonly string[] | undefined;
  readonly from?: Date | undefined;
  /** Before this instant, which is not included. */
  readonly to?: Date | undefined;
  /** The id of the last one that was read. */
  readonly before?: string | undefined;
}

/** When something of a type last happened about each of these accounts. */
export async function lastEvents(
  db: Db,
  accountIds: readonly string[],
  type: string,
): Promise<ReadonlyMap<string, Date>> {
  const { rows } = await db.raw<{ rows: { id: string; at: Date }[] }>(
    `SELECT a.id, e.at FROM unnest(?::uuid[]) AS a(id), LATERAL (SELECT at FROM events
       WHERE account_id = a.id AND type = ? ORDER BY id DESC LIMIT 1) e`,
    [[...accountIds], type],
  );
  return new Map(rows.map(({ id, at }) => [id, at]));
}

const MOST = 500;
const FIRST_ID = '00000000-0000-0000-0000-000000000000';
const LAST_ID = 'ffffffff-ffff-ffff-ffff-ffffffffffff';

/** The lowest id that an event of this instant can have: a UUIDv7 begins with its time (RFC 9562 §5.7). */
export function idAt(at: Date): string {
  const ms = Math.min(Math.max(Math.trunc(at.getTime()), 0), 2 ** 48 - 1);
  const hex = ms.toString(16).padStart(12, '0');
  return `${hex.slice(0, 8)}-${hex.slice(8)}-0000-0000-000000000000`;
}

/*
 * The types that the account has at all, each found by one step in the index; and of each the newest few. However many rows
 * of other types lie between, none of them is read.
 */
const KINDS = `
  WITH RECURSIVE kind (type) AS (
    (SELECT e.type FROM events e WHERE e.account_id = :accountId ORDER BY e.type LIMIT 1)
    UNION ALL
    SELECT (SELECT e.type FROM events e WHERE e.account_id = :accountId AND e.type > kind.type ORDER BY e.type LIMIT 1)
    FROM kind WHERE kind.type IS NOT NULL
  ), wanted AS (
    SELECT type FROM kind WHERE type IS NOT NULL AND type <> ALL (CAST(:except AS text[]))
      AND (CAST(:only AS text[]) IS NULL OR type = ANY (CAST(:only AS text[])))
  )`;

const newest = (low: string, high: string, limit: string) => `
  SELECT found.id FROM wanted CROSS JOIN LATERAL (
    SELECT e.id FROM events e
    WHERE e.account_id = :accountId AND e.type = wanted.type AND e.id > ${low} AND e.id < ${high}
    ORDER BY e.id DESC LIMIT ${limit}
  ) AS found ORDER BY found.id DESC LIMIT ${limit}`;

const COLUMNS = `e.id, e.at, e.type, e.actor_kind, e.actor_id, e.client_id, e.detail, e.sealed,
  (SELECT k.sealed FROM subject_keys k WHERE k.account_id = :accountId) AS key`;

/** The statement behind `readEvents`; the test that looks at its plan takes it from here. */
export const READ_EVENTS = `${KINDS}, page AS (${newest('CAST(:low AS uuid)', 'CAST(:high AS uuid)', ':limit')})
  SELECT ${COLUMNS} FROM page JOIN events e ON e.id = page.id ORDER BY e.id DESC`;

/** What happened about an account, newest first. */
export async function readEvents(
  db: Db,
  keyring: Keyring,
  { limit = 50, ...filter }: EventFilter & { readonly limit?: number },
): Promise<readonly PastEvent[]> {
  const { accountId, before = LAST_ID, from, to } = filter;
  const high = to === undefined ? before : [before, idAt(to)].sort()[0];
  const { rows } = await db.raw<{ rows: PastRow[] }>(READ_EVENTS, {
    ...typesOf(filter),
    accountId,
    low: from === undefined ? FIRST_ID : idAt(from),
    high: high ?? LAST_ID,
    limit: Math.min(limit, MOST),
  });
  return rows.map(row => presented(keyring, accountId, row));
}

/** What happened about several accounts of one person, newest first. */
export async function readEventsOf(
  db: Db,
  keyring: Keyring,
  accountIds: readonly string[],
  filter: Omit<EventFilter, 'accountId'> & { readonly limit?: number },
): Promise<readonly PastEvent[]> {
  const read = await Promise.all(
    accountIds.map(accountId => readEvents(db, keyring, { ...filter, accountId })),
  );
  const [first = [], ...others] = read;
  if (others.length === 0) return first;
  const all = read.flat().sort((a, b) => (a.id < b.id ? 1 : -1));
  return all.slice(0, Math.min(filter.limit ?? 50, MOST));
}

/** Finds one event of an account; somebody else's is none. */
export async function findEvent(
  db: Db,
  keyring: Keyring,
  { accountId, id }: { readonly accountId: string; readonly id: string },
): Promise<PastEvent | undefined> {
  const { rows } = await db.raw<{ rows: PastRow[] }>(
    `SELECT ${COLUMNS} FROM events e WHERE e.id = CAST(:id AS uuid) AND e.account_id = :accountId`,
    { accountId, id },
  );
  return rows[0] && presented(keyring, accountId, rows[0]);
}

/** Events between two others, and not those: `after` is the older one; without either the list ends there. */
export interface Gap {
  readonly after?: string | undefined;
  readonly before?: string | undefined;
}

/** What lies in a gap: the newest, and how many; `more` when there are more than were counted. */
export interface Run {
  readonly newest: PastEvent;
  readonly count: number;
  readonly more: boolean;
}

interface RunFilter extends Pick<EventFilter, 'only'> {
  readonly most: number;
  readonly gaps: readonly Gap[];
}

/** The statement behind `readRuns`. */
export const READ_RUNS = `${KINDS}, run AS (
    SELECT gap.nr, count(*) AS count, (array_agg(lain.id ORDER BY lain.id DESC))[1] AS id
    FROM unnest(CAST(:lows AS uuid[]), CAST(:highs AS uuid[])) WITH ORDINALITY AS gap (low, high, nr)
    CROSS JOIN LATERAL (${newest('gap.low', 'gap.high', ':limit')}) AS lain
    GROUP BY gap.nr)
  SELECT run.nr, run.count, ${COLUMNS} FROM run JOIN events e ON e.id = run.id`;

/** What lies in each of these gaps, counted up to `most`; undefined where there is nothing. */
export async function readRuns(
  db: Db,
  keyring: Keyring,
  { most, gaps, ...filter }: RunFilter & Pick<EventFilter, 'accountId'>,
): Promise<readonly (Run | undefined)[]> {
  const { accountId } = filter;
  const { rows } = await db.raw<{ rows: (PastRow & { nr: string; count: string })[] }>(READ_RUNS, {
    ...typesOf(filter),
    accountId,
    lows: gaps.map(({ after = FIRST_ID }) => after),
    highs: gaps.map(({ before = LAST_ID }) => before),
    limit: most + 1,
  });
  return gaps.map((_, index) => {
    const row = rows.find(({ nr }) => Number(nr) === index + 1);
    if (!row) return undefined;
    const count = Number(row.count);
    return {
      newest: presented(keyring, accountId, row),
      count: Math.min(count, most),
      more: count > most,
    };
  });
}

/** The same of several accounts of one person, counted together. */
export async function readRunsOf(
  db: Db,
  keyring: Keyring,
  accountIds: readonly string[],
  filter: RunFilter,
): Promise<readonly (Run | undefined)[]> {
  const read = await Promise.all(
    accountIds.map(accountId => readRuns(db, keyring, { ...filter, accountId })),
  );
  return filter.gaps.map((_, index) => {
    const runs = read.map(each => each[index]).filter(run => run !== undefined);
    const [newest] = runs.map(run => run.newest).sort((a, b) => (a.id < b.id ? 1 : -1));
    const count = runs.reduce((sum, run) => sum + run.count, 0);
    const more = count > filter.most || runs.some(run => run.more);
    return newest && { newest, count: Math.min(count, filter.most), more };
  });
}

function typesOf({ only, except = [] }: Pick<EventFilter, 'only' | 'except'>) {
  return { only: only === undefined ? null : [...only], except: [...except] };
}

function presented(keyring: Keyring, accountId: string, row: PastRow): PastEvent {
  const { id, at, type, detail, sealed, key } = row;
  return {
    id,
    accountId,
    at,
    type,
    actorKind: row.actor_kind,
    actorId: row.actor_id ?? undefined,
    clientId: row.client_id ?? undefined,
    detail,
    origin: sealed && key ? openOrigin(keyring, { id, accountId, sealed, key }) : undefined,
  };
}
