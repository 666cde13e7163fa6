import type { Db, Tx } from '../../platform/storage/db.js';
import type { Attribute } from './attribute.js';

/** Where a value came from. */
export type ProfileSource = 'person' | 'operator' | 'import';

/** A value with where it came from and since when it is so. */
export interface KeptValue {
  readonly value: unknown;
  readonly source: ProfileSource;
  readonly at: Date;
}

/** waiting: for an operator · scheduled: for its day · done · undone · refused by an operator · withdrawn by the person. */
export type ChangeState = 'waiting' | 'scheduled' | 'done' | 'undone' | 'refused' | 'withdrawn';

/** A row of `profile_changes`. */
export interface ChangeRow {
  readonly account_id: string;
  readonly id: string;
  readonly attribute: string;
  readonly state: ChangeState;
  readonly value: Buffer | null;
  readonly value_before: Buffer | null;
  readonly asked_at: Date;
  readonly effective_at: Date | null;
  readonly settled_at: Date | null;
  readonly undo_until: Date | null;
  readonly reason: string | null;
}

const CHANGE_COLUMNS =
  'account_id, id, attribute, state, value, value_before, asked_at, effective_at, settled_at, undo_until, reason';

/** The values of somebody, by attribute. */
export async function listValues(db: Db, accountId: string): Promise<ReadonlyMap<string, KeptValue>> {
  const rows = await db('profile_attributes')
    .select('attribute', 'value', 'source', 'recorded_at')
    .where({ account_id: accountId })
    .limit(200);
  return new Map(
    rows.map(({ attribute, value, source, recorded_at }) => [
      attribute as string,
      { value: value as unknown, source: source as ProfileSource, at: recorded_at as Date },
    ]),
  );
}

/** Keeps values, each with where it came from. */
export async function upsertValues(
  tx: Tx,
  accountId: string,
  values: readonly (readonly [attribute: string, kept: KeptValue])[],
): Promise<void> {
  if (values.length === 0) return;
  await tx('profile_attributes')
    .insert(
      values.map(([attribute, { value, source, at }]) => ({
        account_id: accountId,
        attribute,
        value: JSON.stringify(value),
        source,
        recorded_at: at,
      })),
    )
    .onConflict(['account_id', 'attribute'])
    .merge(['value', 'source', 'recorded_at']);
}

/** Removes values. */
export async function deleteValues(tx: Tx, accountId: string, attributes: readonly string[]): Promise<void> {
  if (attributes.length === 0) return;
  await tx('profile_attributes').where({ account_id: accountId }).whereIn('attribute', attributes).delete();
}

/** Somebody's changes that count for a limit or of which something is still to be said, newest first. */
export async function listChanges(
  db: Db,
  accountId: string,
  attributes?: readonly string[],
): Promise<readonly ChangeRow[]> {
  const { rows } = await db.raw<{ rows: ChangeRow[] }>(
    `SELECT ${CHANGE_COLUMNS} FROM profile_changes
     WHERE account_id = :accountId AND (:attributes::text[] IS NULL OR attribute = ANY (:attributes::text[]))
     ORDER BY asked_at DESC, id DESC LIMIT 1000`,
    { accountId, attributes: attributes ? [...attributes] : null },
  );
  return rows;
}

/** Adds changes. */
export async function insertChanges(tx: Tx, rows: readonly ChangeRow[]): Promise<void> {
  if (rows.length > 0) await tx('profile_changes').insert([...rows]);
}

/** Settles a change that is in one of the states `from`, once; gives it as it was. */
export async function settleChange(
  tx: Tx,
  {
    accountId,
    id,
    from,
    to,
  }: { accountId: string; id: string; from: readonly ChangeState[]; to: Partial<ChangeRow> },
): Promise<ChangeRow | undefined> {
  const { rows } = await tx.raw<{ rows: ChangeRow[] }>(
    `UPDATE profile_changes c SET state = coalesce(:state, c.state), value = :value, value_before = :before,
       effective_at = coalesce(:effective, c.effective_at), settled_at = :settled, undo_until = :undo, reason = :reason
     FROM (SELECT * FROM profile_changes WHERE account_id = :accountId AND id = :id FOR UPDATE) old
     WHERE c.account_id = old.account_id AND c.id = old.id AND old.state = ANY (:from)
     RETURNING ${CHANGE_COLUMNS.split(', ')
       .map(column => `old.${column}`)
       .join(', ')}`,
    {
      accountId,
      id,
      from: [...from],
      state: to.state ?? null,
      value: to.value ?? null,
      before: to.value_before ?? null,
      effective: to.effective_at ?? null,
      settled: to.settled_at ?? null,
      undo: to.undo_until ?? null,
      reason: to.reason ?? null,
    },
  );
  return rows[0];
}

/** The changes that wait for an operator, oldest first. */
export async function listWaiting(
  db: Db,
  after: string | undefined,
  limit: number,
): Promise<readonly ChangeRow[]> {
  const { rows } = await db.raw<{ rows: ChangeRow[] }>(
    `SELECT ${CHANGE_COLUMNS} FROM profile_changes
     WHERE state = 'waiting' AND (:after::uuid IS NULL OR id > :after::uuid) ORDER BY id LIMIT :limit`,
    { after: after ?? null, limit },
  );
  return rows;
}

/** A change that waits for an operator. */
export async function findWaiting(db: Db, id: string): Promise<ChangeRow | undefined> {
  const { rows } = await db.raw<{ rows: ChangeRow[] }>(
    `SELECT ${CHANGE_COLUMNS} FROM profile_changes WHERE state = 'waiting' AND id = ?`,
    [id],
  );
  return rows[0];
}

/** The changes whose day has come. */
export async function listDue(db: Db, at: Date, limit: number): Promise<readonly ChangeRow[]> {
  const { rows } = await db.raw<{ rows: ChangeRow[] }>(
    `SELECT ${CHANGE_COLUMNS} FROM profile_changes
     WHERE state = 'scheduled' AND effective_at <= ? ORDER BY effective_at LIMIT ?`,
    [at, limit],
  );
  return rows;
}

/** How many values of an attribute there are, counted up to `most`. */
export async function countValues(db: Db, attribute: string, most: number): Promise<number> {
  const { rows } = await db.raw<{ rows: { count: number }[] }>(
    'SELECT count(*)::int AS count FROM (SELECT 1 FROM profile_attributes WHERE attribute = ? LIMIT ?) found',
    [attribute, most],
  );
  return rows[0]?.count ?? 0;
}

/** The declaration that stands, as it was applied. */
export interface StandingRow {
  readonly source: 'shipped' | 'operator';
  readonly version: number;
  readonly applied_at: Date;
}

/** Which application of a declaration stands; locked until the end where a transaction asks. */
export async function findStanding(db: Db, lock = false): Promise<StandingRow | undefined> {
  const found = db('profile_schema').select<StandingRow[]>('source', 'version', 'applied_at');
  return (await (lock ? found.forUpdate() : found))[0];
}

/** The declared attributes, in the order of the file. */
export async function listDeclarations(db: Db): Promise<readonly Attribute[]> {
  const rows = await db('profile_declarations').select('declaration').orderBy('position').limit(200);
  return rows.map(({ declaration }) => declaration as Attribute);
}

/** Makes these the attributes that are declared, and says which application stands. */
export async function replaceDeclarations(
  tx: Tx,
  attributes: readonly Attribute[],
  standing: StandingRow,
): Promise<void> {
  await tx('profile_declarations').delete();
  await tx('profile_declarations').insert(
    attributes.map((attribute, position) => ({
      name: attribute.name,
      position,
      purpose: attribute.purpose,
      declaration: JSON.stringify(attribute),
    })),
  );
  await tx('profile_schema').insert(standing).onConflict('only_one').merge();
}
