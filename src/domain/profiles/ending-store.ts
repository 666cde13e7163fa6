import type { Db, Tx } from '../../platform/storage/db.js';

/** Which values have come to their end. */
export interface Expired {
  readonly attribute: string;
  /** They were given before this moment. */
  readonly before: Date;
  /** And their people were told before this one; undefined where nobody is told. */
  readonly toldBefore: Date | undefined;
}

/** Removes values that have come to their end, and changes of them; says whose. */
export async function deleteExpired(
  tx: Tx,
  { attribute, before, toldBefore }: Expired,
  limit: number,
): Promise<readonly string[]> {
  const { rows } = await tx.raw<{ rows: { account_id: string }[] }>(
    `WITH gone AS (
       DELETE FROM profile_attributes WHERE ctid = ANY (ARRAY(
         SELECT ctid FROM profile_attributes WHERE attribute = :attribute AND recorded_at < :before
           AND (CAST(:toldBefore AS timestamptz) IS NULL OR ends_told_at <= :toldBefore)
         ORDER BY recorded_at LIMIT :limit FOR UPDATE SKIP LOCKED))
       RETURNING account_id
     ), left_behind AS (
       DELETE FROM profile_changes c USING gone WHERE c.account_id = gone.account_id AND c.attribute = :attribute
     ) SELECT account_id FROM gone`,
    { attribute, before, toldBefore: toldBefore ?? null, limit },
  );
  return rows.map(({ account_id }) => account_id);
}

/** Notes of values that were given before a moment that their people are told that they end; says whose, each once. */
export async function noteTold(
  tx: Tx,
  ends: readonly { readonly attribute: string; readonly before: Date }[],
  at: Date,
  limit: number,
): Promise<ReadonlyMap<string, readonly string[]>> {
  const { rows } = await tx.raw<{ rows: { account_id: string; attribute: string }[] }>(
    `WITH ending AS (SELECT * FROM unnest(CAST(:attributes AS text[]), CAST(:befores AS timestamptz[])) AS e (attribute, before)),
     whose AS (SELECT DISTINCT account_id FROM (SELECT p.account_id FROM ending e
       CROSS JOIN LATERAL (SELECT account_id FROM profile_attributes p WHERE p.attribute = e.attribute
         AND p.recorded_at < e.before AND p.ends_told_at IS NULL ORDER BY p.recorded_at LIMIT :limit) p) found LIMIT :limit)
     UPDATE profile_attributes p SET ends_told_at = :at FROM ending e, whose w
     WHERE p.account_id = w.account_id AND p.attribute = e.attribute AND p.recorded_at < e.before AND p.ends_told_at IS NULL
     RETURNING p.account_id, p.attribute`,
    {
      attributes: ends.map(({ attribute }) => attribute),
      befores: ends.map(({ before }) => before),
      at,
      limit,
    },
  );
  const byAccount = Map.groupBy(rows, ({ account_id }) => account_id);
  return new Map([...byAccount].map(([id, own]) => [id, own.map(({ attribute }) => attribute).sort()]));
}

/** How many values of an attribute were given before a moment, counted up to `most`. */
export async function countBefore(db: Db, attribute: string, before: Date, most: number): Promise<number> {
  const { rows } = await db.raw<{ rows: { count: number }[] }>(
    `SELECT count(*)::int AS count FROM (SELECT FROM profile_attributes
       WHERE attribute = ? AND recorded_at < ? LIMIT ?) found`,
    [attribute, before, most],
  );
  return rows[0]?.count ?? 0;
}

/** How many people have a value of each attribute; reads all there is, so for reports alone. */
export async function countHeld(tx: Tx): Promise<ReadonlyMap<string, number>> {
  const { rows } = await tx.raw<{ rows: { attribute: string; people: number }[] }>(
    'SELECT attribute, count(*)::int AS people FROM profile_attributes GROUP BY attribute',
  );
  return new Map(rows.map(({ attribute, people }) => [attribute, people]));
}

/** Removes values and every change of them, also one that waits; says which of them there were. */
export async function deleteHeld(
  tx: Tx,
  accountId: string,
  attributes: readonly string[],
): Promise<readonly string[]> {
  const own = (table: string) => tx(table).where({ account_id: accountId }).whereIn('attribute', attributes);
  await own('profile_changes').delete();
  const gone = await own('profile_attributes').delete().returning<{ attribute: string }[]>('attribute');
  return gone.map(({ attribute }) => attribute).sort();
}
