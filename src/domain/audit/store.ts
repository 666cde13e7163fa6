import type { Db, Tx } from '../../platform/storage/db.js';
import type { Block, KeptEvent, PublicJwk } from './block.js';

/* As JSON writes them: whatever the session's settings are, and whatever a date that somebody put there may be. */
const EVENT = `e.id::text, to_jsonb(e.at AT TIME ZONE 'UTC') #>> '{}' AS at, e.type, e.actor_kind, e.actor_id,
  e.account_id::text, e.client_id, e.detail::text, encode(e.sealed, 'hex') AS sealed`;

/* Held by whoever seals until its transaction ends: two never seal at once, in however many processes. */
const LOCK = 7_203_114;

/** Whether it is this transaction's turn to seal. */
export async function lockChain(tx: Tx): Promise<boolean> {
  const { rows } = await tx.raw<{ rows: { mine: boolean }[] }>(
    'SELECT pg_try_advisory_xact_lock(?) AS mine',
    [LOCK],
  );
  return rows[0]?.mine === true;
}

/**
 * Takes the marks off events that wait for the chain, the oldest first, and gives those events. Each is looked up by itself, whatever
 * the planner expects: where it had last seen no marks it would compare each mark with each, and of few events read all there are.
 */
export async function takeUnsealed(tx: Tx, limit: number): Promise<readonly KeptEvent[]> {
  const { rows } = await tx.raw<{ rows: KeptEvent[] }>(
    `WITH due AS (DELETE FROM unsealed_events WHERE id = ANY (ARRAY(
       SELECT u.id FROM unsealed_events u CROSS JOIN LATERAL (SELECT FROM events WHERE id = u.id LIMIT 1) kept
       ORDER BY u.id LIMIT ?)) RETURNING id)
     SELECT ${EVENT} FROM due CROSS JOIN LATERAL (SELECT * FROM events WHERE id = due.id LIMIT 1) e ORDER BY e.id`,
    [limit],
  );
  return rows;
}

/** Marks events as waiting for the chain. */
export async function markUnsealed(tx: Tx, ids: readonly string[]): Promise<void> {
  await tx.raw('INSERT INTO unsealed_events SELECT unnest(?::uuid[]) ON CONFLICT DO NOTHING', [[...ids]]);
}

/** These events, as they are kept. */
export async function listEvents(db: Db, ids: readonly string[]): Promise<readonly KeptEvent[]> {
  const { rows } = await db.raw<{ rows: KeptEvent[] }>(
    `SELECT ${EVENT} FROM events e WHERE e.id = ANY (?::uuid[])`,
    [[...ids]],
  );
  return rows;
}

interface BlockRow {
  readonly nr: string;
  readonly at: Date;
  readonly total: string;
  readonly ids: readonly string[];
  readonly leaves: Buffer;
  readonly hash: Buffer;
  readonly kid: string;
  readonly signature: Buffer;
}

const BLOCK = 'nr, at, total, ids, leaves, hash, kid, signature';
const blockOf = ({ nr, total, ...row }: BlockRow): Block => ({
  ...row,
  nr: Number(nr),
  total: Number(total),
});

/** The first block after this number. */
export async function findBlockAfter(db: Db, nr: number): Promise<Block | undefined> {
  const { rows } = await db.raw<{ rows: BlockRow[] }>(
    `SELECT ${BLOCK} FROM event_blocks WHERE nr > ? ORDER BY nr LIMIT 1`,
    [nr],
  );
  return rows[0] && blockOf(rows[0]);
}

/** What heads say of a block. */
export type BlockEnd = Pick<Block, 'nr' | 'at' | 'total' | 'hash'>;

const endOf = ({ nr, at, total, hash }: Pick<BlockRow, keyof BlockEnd>): BlockEnd => ({
  nr: Number(nr),
  at,
  total: Number(total),
  hash,
});

/** A block by its number, without its events; the last one where none is named. */
export async function findEnd(db: Db, nr?: number): Promise<BlockEnd | undefined> {
  const found = db('event_blocks').orderBy('nr', 'desc');
  if (nr !== undefined) void found.where({ nr });
  const row = await found.first<BlockRow | undefined>('nr', 'at', 'total', 'hash');
  return row && endOf(row);
}

/** Where the chain begins: the block before, as it was signed. */
export interface Checkpoint extends BlockEnd {
  readonly kid: string;
  readonly jws: string;
}

/** The last checkpoint; undefined where nothing was ever forgotten. */
export async function findCheckpoint(db: Db): Promise<Checkpoint | undefined> {
  type Row = Omit<BlockRow, 'ids' | 'leaves' | 'signature'> & { readonly jws: string };
  const row = await db('audit_checkpoints')
    .orderBy('nr', 'desc')
    .first<Row | undefined>('nr', 'at', 'total', 'hash', 'kid', 'jws');
  return row && { ...row, nr: Number(row.nr), total: Number(row.total) };
}

/** The first blocks of the chain that were sealed before a moment, and never the last one. */
export async function listForgettable(db: Db, before: Date, limit: number): Promise<readonly BlockEnd[]> {
  const { rows } = await db.raw<{ rows: BlockRow[] }>(
    `SELECT nr, at, total, hash FROM event_blocks
     WHERE nr < (SELECT max(nr) FROM event_blocks) ORDER BY nr LIMIT ?`,
    [limit],
  );
  const young = rows.findIndex(({ at }) => at >= before);
  return (young < 0 ? rows : rows.slice(0, young)).map(endOf);
}

/** Notes where the chain begins from now on. */
export async function insertCheckpoint(tx: Tx, { nr, at, total, hash, kid, jws }: Checkpoint): Promise<void> {
  await tx('audit_checkpoints').insert({ nr, at, total, hash, kid, jws }).onConflict('nr').ignore();
}

/** Removes the first block of the chain with its events, once; gives how many those were. */
export async function removeBlock(tx: Tx, nr: number): Promise<number> {
  const { rows } = await tx.raw<{ rows: { gone: number }[] }>('SELECT keyhold_forget_block(?) AS gone', [nr]);
  return rows[0]?.gone ?? 0;
}

/** Adds a block. */
export async function insertBlock(tx: Tx, block: Block, jwk: PublicJwk): Promise<void> {
  await tx.raw('INSERT INTO audit_keys (kid, jwk) VALUES (?, ?::jsonb) ON CONFLICT DO NOTHING', [
    block.kid,
    JSON.stringify(jwk),
  ]);
  const { nr, at, total, ids, leaves, hash, kid, signature } = block;
  const times = ids.map(timeOf);
  await tx('event_blocks').insert({
    nr,
    at,
    total,
    span: `[${Math.min(...times)},${Math.max(...times)}]`,
    ids: [...ids],
    leaves,
    hash,
    kid,
    signature,
  });
}

/* When an event happened, by its id (RFC 9562 §5.7). */
const timeOf = (id: string): number => Number.parseInt(id.replaceAll('-', '').slice(0, 12), 16);

/** The public halves of the keys that ever signed, by their names. */
export async function listAuditKeys(db: Db): Promise<ReadonlyMap<string, PublicJwk>> {
  const rows = await db('audit_keys').select<{ kid: string; jwk: PublicJwk }[]>('kid', 'jwk').limit(1_000);
  return new Map(rows.map(({ kid, jwk }) => [kid, jwk]));
}

/** The ids of the events after one, in their order. */
export async function listIds(db: Db, after: string, limit: number): Promise<readonly string[]> {
  return db('events').where('id', '>', after).orderBy('id').limit(limit).pluck('id');
}

/** Which of these events, which are in order, are neither in a block nor wait for one. */
export async function listLoose(db: Db, ids: readonly string[]): Promise<readonly string[]> {
  const [first, last] = [ids[0], ids.at(-1)];
  if (first === undefined || last === undefined) return [];
  const { rows } = await db.raw<{ rows: { id: string }[] }>(
    `SELECT p.id FROM unnest(CAST(:ids AS uuid[])) p (id)
       WHERE NOT EXISTS (SELECT FROM unsealed_events u WHERE u.id = p.id)
     EXCEPT SELECT s.id FROM event_blocks b, unnest(b.ids) s (id)
       WHERE b.span && int8range(:first, :last, '[]')
         AND s.id BETWEEN CAST(:low AS uuid) AND CAST(:high AS uuid)
     ORDER BY id`,
    { ids: [...ids], first: timeOf(first), last: timeOf(last), low: first, high: last },
  );
  return rows.map(({ id }) => id);
}

/** An event that waits for the chain and is not there. */
export async function findMissing(db: Db): Promise<string | undefined> {
  const { rows } = await db.raw<{ rows: { id: string }[] }>(
    `SELECT u.id FROM unsealed_events u WHERE NOT EXISTS (SELECT FROM events e WHERE e.id = u.id)
     ORDER BY u.id LIMIT 1`,
  );
  return rows[0]?.id;
}

/** Events from before the chain that nobody has marked yet: those after the one, up to the other. */
export interface Before {
  readonly after: string;
  readonly until: string;
}

/** What is still to be marked; undefined once all is. */
export async function findBefore(db: Db): Promise<Before | undefined> {
  return db('events_before').first<Before | undefined>('after', 'until');
}

/** Notes how far marking has come; all the way without `after`. */
export async function updateBefore(tx: Tx, after: string | undefined): Promise<void> {
  await (after === undefined ? tx('events_before').delete() : tx('events_before').update({ after }));
}

/** How many events wait for the chain, counted up to a thousand, and since when the first does. */
export async function findWaiting(
  db: Db,
): Promise<{ readonly count: number; readonly since: Date | undefined }> {
  const { rows } = await db.raw<{ rows: { count: number; first: string | null }[] }>(
    `SELECT count(*)::int AS count, (SELECT id FROM unsealed_events ORDER BY id LIMIT 1) AS first
     FROM (SELECT FROM unsealed_events LIMIT 1000) few`,
  );
  const { count = 0, first = null } = rows[0] ?? {};
  return { count, since: first === null ? undefined : new Date(timeOf(first)) };
}
