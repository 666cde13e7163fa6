import type { Db, Tx } from '../../platform/storage/db.js';
import { removeRows } from '../../platform/storage/removing.js';
import { type Merge, type MergeState, MOST_MERGES, mergedLately } from './merge.js';

interface MergeRow {
  readonly id: string;
  readonly account_id: string;
  readonly gone_id: string;
  readonly state: MergeState;
  readonly made_at: Date;
  readonly undo_until: Date;
  readonly ended_at: Date | null;
}

const COLUMNS = 'id, account_id, gone_id, state, made_at, undo_until, ended_at';

const present = (row: MergeRow): Merge => ({
  id: row.id,
  accountId: row.account_id,
  goneId: row.gone_id,
  state: row.state,
  madeAt: row.made_at,
  undoUntil: row.undo_until,
  endedAt: row.ended_at ?? undefined,
});

/** Keeps a merge; two at once of the same account break the one or the other index. */
export async function insertMerge(
  tx: Tx,
  merge: Omit<Merge, 'state' | 'endedAt'>,
  sealed: Buffer,
): Promise<void> {
  const { id, accountId, goneId, madeAt, undoUntil } = merge;
  const row = { id, account_id: accountId, gone_id: goneId, made_at: madeAt, undo_until: undoUntil };
  await tx('merges')
    .insert({ ...row, state: 'open', sealed })
    .catch(refuseSecond);
}

const ONE = ['merges__one_at_a_time', 'merges__gone_once'];

function refuseSecond(error: unknown): never {
  if (error instanceof Error && 'constraint' in error && ONE.includes(String(error.constraint)))
    throw mergedLately(error);
  throw error;
}

/** The merge of an account, as the one that stays or the one that went, which is not over. */
export async function findStanding(db: Db, accountId: string): Promise<Merge | undefined> {
  const { rows } = await db.raw<{ rows: MergeRow[] }>(
    `SELECT ${COLUMNS} FROM merges WHERE account_id = :accountId AND state IN ('open', 'ending')
     UNION ALL SELECT ${COLUMNS} FROM merges WHERE gone_id = :accountId AND state IN ('open', 'ending') LIMIT 1`,
    { accountId },
  );
  return rows[0] && present(rows[0]);
}

/* Those of an account, and of one that became part of it just now. */
const MOST_GONE = 2 * MOST_MERGES;

/** The accounts that became part of one, those included that were part of such a one, newest first. */
export async function listGone(db: Db, accountId: string): Promise<readonly string[]> {
  const { rows } = await db.raw<{ rows: { gone_id: string }[] }>(
    `WITH direct AS (SELECT gone_id, made_at FROM merges WHERE account_id = :accountId AND state <> 'undone')
     SELECT gone_id FROM (SELECT gone_id, made_at FROM direct
       UNION ALL SELECT m.gone_id, m.made_at FROM direct d JOIN merges m ON m.account_id = d.gone_id AND m.state <> 'undone') g
     ORDER BY made_at DESC, gone_id LIMIT ${MOST_GONE}`,
    { accountId },
  );
  return rows.map(({ gone_id }) => gone_id);
}

/** Uses a merge up that can still be undone: gives it with what was kept; undefined when it is over. */
export async function useUndo(
  tx: Tx,
  { accountId, id }: Pick<Merge, 'accountId' | 'id'>,
  at: Date,
): Promise<{ readonly merge: Merge; readonly sealed: Buffer } | undefined> {
  const { rows } = await tx.raw<{ rows: (MergeRow & { was_sealed: Buffer })[] }>(
    `UPDATE merges m SET state = 'undone', ended_at = :at, sealed = NULL
     FROM (SELECT account_id, id, sealed FROM merges WHERE account_id = :accountId AND id = :id FOR UPDATE) was
     WHERE m.account_id = was.account_id AND m.id = was.id AND m.state = 'open' AND m.undo_until > :at
     RETURNING ${COLUMNS.replaceAll(/\w+/g, column => `m.${column}`)}, was.sealed AS was_sealed`,
    { accountId, id, at },
  );
  const [row] = rows;
  return row && { merge: present(row), sealed: row.was_sealed };
}

/** Merges that can be undone no more and are not finished, the oldest first. */
export async function listDue(db: Db, at: Date, limit: number): Promise<readonly Merge[]> {
  const { rows } = await db.raw<{ rows: MergeRow[] }>(
    `SELECT ${COLUMNS} FROM merges WHERE state IN ('open', 'ending') AND undo_until <= :at ORDER BY undo_until LIMIT :limit`,
    { at, limit },
  );
  return rows.map(present);
}

/** Lets a merge be undone no more: what was kept for that is gone. False when it was undone. */
export async function updateEnding(
  tx: Tx,
  { accountId, id }: Pick<Merge, 'accountId' | 'id'>,
): Promise<boolean> {
  const { rowCount } = await tx.raw<{ rowCount: number }>(
    `UPDATE merges SET state = 'ending', sealed = NULL
     WHERE account_id = :accountId AND id = :id AND state IN ('open', 'ending')`,
    { accountId, id },
  );
  return rowCount === 1;
}

/** Puts a merge down as finished; false when it was so. Accounts that were part of the one that went are part of the one that stays. */
export async function updateFinished(
  tx: Tx,
  { accountId, id, goneId }: Pick<Merge, 'accountId' | 'id' | 'goneId'>,
  at: Date,
): Promise<boolean> {
  const finished = await tx('merges')
    .where({ account_id: accountId, id, state: 'ending' })
    .update({ state: 'finished', ended_at: at });
  await tx('merges').where({ account_id: goneId, state: 'finished' }).update({ account_id: accountId });
  return finished === 1;
}

/** Removes for good, a batch at a time: which accounts became part of an account. */
export function removeMerges(tx: Tx, accountId: string, most: number): Promise<number> {
  return removeRows(tx, ['merges'], accountId, most);
}
