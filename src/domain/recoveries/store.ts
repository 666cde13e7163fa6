import type { Db, Tx } from '../../platform/storage/db.js';
import { removeFirst, removeRows } from '../../platform/storage/removing.js';
import { RECOVERY_EDGES, type Recovery, type RecoveryState, type RecoveryStep } from './recovery.js';

interface Row {
  readonly account_id: string;
  readonly id: string;
  readonly state: RecoveryState;
  readonly asked_from: Buffer;
  readonly started_at: Date;
  readonly ready_at: Date;
  readonly expires_at: Date;
  readonly ended_at: Date | null;
  readonly added_app: string | null;
  readonly added_passkey: string | null;
}

const COLUMNS =
  'account_id, id, state, asked_from, started_at, ready_at, expires_at, ended_at, added_app, added_passkey';

const present = (row: Row): Recovery => ({
  accountId: row.account_id,
  id: row.id,
  state: row.state,
  askedFrom: row.asked_from,
  startedAt: row.started_at,
  readyAt: row.ready_at,
  expiresAt: row.expires_at,
  endedAt: row.ended_at ?? undefined,
  addedApp: row.added_app ?? undefined,
  addedPasskey: row.added_passkey ?? undefined,
});

/** A recovery of an account. */
export async function findRecovery(db: Db, accountId: string, id: string): Promise<Recovery | undefined> {
  const { rows } = await db.raw<{ rows: Row[] }>(
    `SELECT ${COLUMNS} FROM recoveries WHERE account_id = ? AND id = ?`,
    [accountId, id],
  );
  return rows[0] && present(rows[0]);
}

/** The recovery of an account that waits, if there is one. */
export async function findWaiting(db: Db, accountId: string): Promise<Recovery | undefined> {
  const { rows } = await db.raw<{ rows: Row[] }>(
    `SELECT ${COLUMNS} FROM recoveries WHERE account_id = ? AND state = 'waiting'`,
    [accountId],
  );
  return rows[0] && present(rows[0]);
}

/** When the latest recovery was stopped or undone. */
export async function findStoppedAt(db: Db, accountId: string): Promise<Date | undefined> {
  const { rows } = await db.raw<{ rows: { at: Date | null }[] }>(
    `SELECT max(ended_at) AS at FROM recoveries WHERE account_id = ? AND state IN ('stopped', 'undone')`,
    [accountId],
  );
  return rows[0]?.at ?? undefined;
}

/** Begins one that waits; false when there is one already, also one that was as quick. */
export async function insertRecovery(
  tx: Tx,
  recovery: Recovery & { readonly lookAt: Date },
): Promise<boolean> {
  const { rowCount } = await tx.raw<{ rowCount: number }>(
    `INSERT INTO recoveries (account_id, id, state, asked_from, started_at, ready_at, expires_at, look_at)
     VALUES (:accountId, :id, :state, :askedFrom, :startedAt, :readyAt, :expiresAt, :lookAt)
     ON CONFLICT (account_id) WHERE state = 'waiting' DO NOTHING`,
    { ...recovery },
  );
  return rowCount === 1;
}

/** What a step leaves beside the state. */
export interface Left {
  readonly settlesAt?: Date;
  readonly addedApp?: string;
  readonly addedPasskey?: string;
}

/** Takes a step if it is legal now, once: of two at the same moment one wins, and the other finds nothing. */
export async function takeStep(
  tx: Tx,
  { accountId, id, step, at }: { accountId: string; id: string; step: RecoveryStep; at: Date },
  { settlesAt, addedApp, addedPasskey }: Left = {},
): Promise<Recovery | undefined> {
  const { from, to, since, until } = RECOVERY_EDGES[step];
  const condition = `${since ? `AND ${since} <= :at` : ''} ${until ? `AND ${until} > :at` : ''}`;
  const { rows } = await tx.raw<{ rows: Row[] }>(
    `UPDATE recoveries SET state = :to, look_at = :settlesAt, settles_at = coalesce(:settlesAt, settles_at),
       ended_at = CASE WHEN state = 'waiting' OR :to = 'undone' THEN :at ELSE ended_at END,
       added_app = coalesce(:addedApp, added_app), added_passkey = coalesce(:addedPasskey, added_passkey)
     WHERE account_id = :accountId AND id = :id AND state = :from ${condition} RETURNING ${COLUMNS}`,
    {
      accountId,
      id,
      from,
      to,
      at,
      settlesAt: settlesAt ?? null,
      addedApp: addedApp ?? null,
      addedPasskey: addedPasskey ?? null,
    },
  );
  return rows[0] && present(rows[0]);
}

/** Those about which there is something to do by now, the longest due first. */
export async function listDue(db: Db, at: Date, limit: number): Promise<readonly Recovery[]> {
  const { rows } = await db.raw<{ rows: Row[] }>(
    `SELECT ${COLUMNS} FROM recoveries WHERE look_at <= ? ORDER BY look_at LIMIT ?`,
    [at, limit],
  );
  return rows.map(present);
}

/** One of them, if there is something to do about it still. */
export async function findDue(
  db: Db,
  { accountId, id }: Pick<Recovery, 'accountId' | 'id'>,
  at: Date,
): Promise<Recovery | undefined> {
  const { rows } = await db.raw<{ rows: Row[] }>(
    `SELECT ${COLUMNS} FROM recoveries WHERE account_id = ? AND id = ? AND look_at <= ?`,
    [accountId, id, at],
  );
  return rows[0] && present(rows[0]);
}

/** Looks at one that waits again at that time. */
export async function updateLook(tx: Tx, { accountId, id }: Recovery, lookAt: Date): Promise<void> {
  await tx('recoveries').where({ account_id: accountId, id, state: 'waiting' }).update({ look_at: lookAt });
}

/** How many wait, and for how many of them the waiting time is over. */
export async function countWaiting(
  db: Db,
  at: Date,
): Promise<{ readonly waiting: number; readonly ready: number }> {
  const { rows } = await db.raw<{ rows: { waiting: number; ready: number }[] }>(
    `SELECT count(*)::int AS waiting, (count(*) FILTER (WHERE ready_at <= ?))::int AS ready
     FROM recoveries WHERE look_at IS NOT NULL AND state = 'waiting'`,
    [at],
  );
  return rows[0] ?? { waiting: 0, ready: 0 };
}

/** Removes for good, a batch at a time: every recovery of a lost phone. */
export function forgetRecoveries(tx: Tx, accountId: string, most: number): Promise<number> {
  return removeRows(tx, ['recoveries'], accountId, most);
}

/** Removes up to `limit` recoveries that ended before a moment; says how many. What can be undone has not ended. */
export function removeEnded(tx: Tx, before: Date, limit: number): Promise<number> {
  const ended = { where: 'ended_at < ? AND look_at IS NULL', values: [before], by: 'ended_at' };
  return removeFirst(tx, 'recoveries', ended, limit);
}
