import type { Knex } from 'knex';
import type { Db, Tx } from './db.js';

/**
 * Removes rows of an account from these tables, one table after the other and `most` of them in all; says how many. Fewer
 * than `most` were the last there are. Done twice it is as done once.
 */
export async function removeRows(
  tx: Tx,
  tables: readonly string[],
  accountId: string,
  most: number,
): Promise<number> {
  let removed = 0;
  for (const table of tables) {
    if (removed >= most) break;
    const { rowCount } = await tx.raw<{ rowCount: number }>(
      `DELETE FROM ?? WHERE ctid = ANY (ARRAY(SELECT ctid FROM ?? WHERE account_id = ?::uuid LIMIT ? FOR UPDATE))`,
      [table, table, accountId, most - removed],
    );
    removed += rowCount;
  }
  return removed;
}

/** Which rows may go: a condition, its values, and the column by which the first go first. */
export interface Ended {
  readonly where: string;
  readonly values?: readonly Knex.RawBinding[];
  readonly by: string;
}

/**
 * Removes the first `most` rows of a table that have ended and that nobody is at; says how many. Rows are taken by where they lie:
 * of a table that was nearly empty a moment ago the planner may expect one row, and would compare each with each.
 */
export async function removeFirst(
  db: Db | Tx,
  table: string,
  { where, values = [], by }: Ended,
  most: number,
): Promise<number> {
  const { rowCount } = await db.raw<{ rowCount: number }>(
    `DELETE FROM ${table} WHERE ctid = ANY (ARRAY(
       SELECT ctid FROM ${table} WHERE ${where} ORDER BY ${by} LIMIT ? FOR UPDATE SKIP LOCKED))`,
    [...values, most],
  );
  return rowCount;
}
