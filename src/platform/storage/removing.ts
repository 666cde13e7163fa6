import type { Tx } from './db.js';

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
