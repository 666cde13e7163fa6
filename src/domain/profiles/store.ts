import type { Db, Tx } from '../../platform/storage/db.js';
import { removeFirst, removeRows } from '../../platform/storage/removing.js';
import type { Attribute } from './attribute.js';

/** What an identity provider sent, by its id. */
export type FromProvider = `provider:${string}`;

/** Where a value came from. */
export type ProfileSource = 'person' | 'operator' | 'import' | 'imported' | FromProvider;

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
  /** Where the value comes from, or came from. */
  readonly source: ProfileSource;
}

const CHANGE_COLUMNS =
  'account_id, id, attribute, state, value, value_before, asked_at, effective_at, settled_at, undo_until, reason, source';

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
        ends_told_at: null,
      })),
    )
    .onConflict(['account_id', 'attribute'])
    .merge(['value', 'source', 'recorded_at', 'ends_told_at']);
}

/** Notes that values were given once more, and are the same. */
export async function confirmValues(
  tx: Tx,
  accountId: string,
  attributes: readonly string[],
  at: Date,
): Promise<void> {
  if (attributes.length === 0) return;
  await tx('profile_attributes')
    .where({ account_id: accountId })
    .whereIn('attribute', attributes)
    .update({ recorded_at: at, ends_told_at: null });
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

/** All that stands of somebody's profile, read at once: the values and the changes. */
export async function readProfile(
  db: Db,
  accountId: string,
): Promise<{ readonly values: ReadonlyMap<string, KeptValue>; readonly changes: readonly ChangeRow[] }> {
  const { rows } = await db.raw<{ rows: ReadRow[] }>(
    `SELECT 'value' AS what, attribute, value AS current, source, recorded_at AS at, NULL::uuid AS id, NULL AS state,
       NULL::bytea AS value, NULL::bytea AS value_before, NULL::timestamptz AS asked_at, NULL::timestamptz AS effective_at,
       NULL::timestamptz AS settled_at, NULL::timestamptz AS undo_until, NULL AS reason
     FROM profile_attributes WHERE account_id = :accountId
     UNION ALL (SELECT 'change', attribute, NULL, source, asked_at, id, state, value, value_before, asked_at, effective_at,
       settled_at, undo_until, reason FROM profile_changes WHERE account_id = :accountId
       ORDER BY asked_at DESC, id DESC LIMIT 1000)`,
    { accountId },
  );
  const values = rows.filter(({ what }) => what === 'value');
  return {
    values: new Map(
      values.map(({ attribute, current, source, at }) => [attribute, { value: current, source, at }]),
    ),
    changes: rows
      .filter(({ what }) => what === 'change')
      .map(row => ({ ...row, account_id: accountId }))
      .sort((a, b) => b.asked_at.getTime() - a.asked_at.getTime()),
  };
}

interface ReadRow extends Omit<ChangeRow, 'account_id'> {
  readonly what: 'value' | 'change';
  readonly current: unknown;
  readonly at: Date;
}

/** Adds changes. */
export async function insertChanges(tx: Tx, rows: readonly ChangeRow[]): Promise<void> {
  if (rows.length > 0) await tx('profile_changes').insert([...rows]);
}

/** How a change is settled: whose, from which states, and what of its row becomes what; the rest of it is emptied. */
export interface Settlement {
  readonly accountId: string;
  readonly id: string;
  readonly from: readonly ChangeState[];
  /** Only while it can still be undone at this moment. */
  readonly undoable?: Date;
  readonly to: Pick<ChangeRow, 'state'> &
    Partial<
      Pick<ChangeRow, 'value' | 'value_before' | 'effective_at' | 'settled_at' | 'undo_until' | 'reason'>
    >;
}

/** Settles a change, once; gives it as it was, or undefined when it is not in such a state. */
export async function settleChange(tx: Tx, settlement: Settlement): Promise<ChangeRow | undefined> {
  const { accountId, id, from, undoable = null, to } = settlement;
  const { rows } = await tx.raw<{ rows: ChangeRow[] }>(
    `UPDATE profile_changes c SET state = :state, value = :value, value_before = :value_before,
       effective_at = coalesce(:effective_at, c.effective_at), settled_at = :settled_at, undo_until = :undo_until, reason = :reason
     FROM (SELECT * FROM profile_changes WHERE account_id = :accountId AND id = :id FOR UPDATE) old
     WHERE c.account_id = old.account_id AND c.id = old.id AND old.state = ANY (:from)
       AND (:undoable::timestamptz IS NULL OR old.undo_until > :undoable::timestamptz)
     RETURNING ${CHANGE_COLUMNS.replaceAll(/\w+/g, 'old.$&')}`,
    {
      value: null,
      value_before: null,
      effective_at: null,
      settled_at: null,
      undo_until: null,
      reason: null,
      ...to,
      accountId,
      id,
      undoable,
      from: [...from],
    },
  );
  return rows[0];
}

/** Makes those changes of the same attribute undone that were made after this one. */
export async function undoLater(tx: Tx, row: ChangeRow): Promise<void> {
  await tx('profile_changes')
    .where({ account_id: row.account_id, attribute: row.attribute, state: 'done' })
    .where('settled_at', '>=', row.settled_at)
    .update({ state: 'undone', value_before: null, undo_until: null });
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

/** Whether somebody has made this change, in whatever state it is. */
export async function hasChange(db: Db, accountId: string, id: string): Promise<boolean> {
  return (await db('profile_changes').where({ account_id: accountId, id }).first('id')) !== undefined;
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

/** Which application of a declaration stands. */
export async function findStanding(db: Db): Promise<StandingRow | undefined> {
  return (await db('profile_schema').select<StandingRow[]>('source', 'version', 'applied_at'))[0];
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

/** Forgets values whose undo window is over; says how many. */
export async function forgetBefore(db: Db, at: Date, limit: number): Promise<number> {
  const { rowCount } = await db.raw<{ rowCount: number }>(
    `UPDATE profile_changes SET value_before = NULL WHERE ctid = ANY (ARRAY(
       SELECT ctid FROM profile_changes WHERE value_before IS NOT NULL AND undo_until <= ?
       ORDER BY undo_until LIMIT ? FOR UPDATE SKIP LOCKED))`,
    [at, limit],
  );
  return rowCount;
}

/** Removes settled changes that were asked for before a moment; says how many. */
export function deleteOldChanges(db: Db, before: Date, limit: number): Promise<number> {
  const settled = `state NOT IN ('waiting', 'scheduled') AND value_before IS NULL AND asked_at < ?`;
  return removeFirst(db, 'profile_changes', { where: settled, values: [before], by: 'asked_at' }, limit);
}

/** The attributes that anybody has a value of, found by stepping from one to the next in the index. */
export async function listAttributeNames(db: Db): Promise<readonly string[]> {
  const { rows } = await db.raw<{ rows: { name: string }[] }>(
    `WITH RECURSIVE names (name) AS (
       (SELECT attribute FROM profile_attributes ORDER BY attribute LIMIT 1)
       UNION ALL
       SELECT (SELECT attribute FROM profile_attributes WHERE attribute > names.name ORDER BY attribute LIMIT 1)
       FROM names WHERE names.name IS NOT NULL
     ) SELECT name FROM names WHERE name IS NOT NULL`,
  );
  return rows.map(({ name }) => name);
}

/** Removes for good, a batch at a time: all that is known about somebody. */
export function forgetProfile(tx: Tx, accountId: string, most: number): Promise<number> {
  return removeRows(tx, ['profile_changes', 'profile_pictures', 'profile_attributes'], accountId, most);
}
