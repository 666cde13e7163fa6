import type { Db, Tx } from '../../platform/storage/db.js';
import { removeFirst, removeRows } from '../../platform/storage/removing.js';
import type { Move, MoveKind, MoveState } from './move.js';

const COLUMNS = `account_id, id, state, started_at, until, proved_at, ended_at, session_uid, remembered, started_from, browser,
  claimed_from, claimed_at, numbers, number, kind, bound, bound_at`;

interface MoveRow {
  readonly account_id: string;
  readonly id: string;
  readonly state: MoveState;
  readonly started_at: Date;
  readonly until: Date;
  readonly proved_at: Date;
  readonly ended_at: Date | null;
  readonly session_uid: string | null;
  readonly remembered: Buffer | null;
  readonly started_from: Buffer;
  readonly browser: Buffer | null;
  readonly claimed_from: Buffer | null;
  readonly claimed_at: Date | null;
  readonly numbers: readonly number[] | null;
  readonly number: number | null;
  readonly kind: MoveKind | null;
  readonly bound: string | null;
  readonly bound_at: Date | null;
}

function present(row: MoveRow): Move {
  return {
    accountId: row.account_id,
    id: row.id,
    state: row.state,
    startedAt: row.started_at,
    until: row.until,
    provedAt: row.proved_at,
    endedAt: row.ended_at ?? undefined,
    sessionUid: row.session_uid ?? undefined,
    remembered: row.remembered ?? undefined,
    startedFrom: row.started_from,
    browser: row.browser ?? undefined,
    claimedFrom: row.claimed_from ?? undefined,
    claimedAt: row.claimed_at ?? undefined,
    numbers: row.numbers ?? [],
    number: row.number ?? undefined,
    kind: row.kind ?? undefined,
    bound: row.bound ?? undefined,
    boundAt: row.bound_at ?? undefined,
  };
}

/** One move of an account. */
export async function findMove(db: Db, accountId: string, id: string): Promise<Move | undefined> {
  const { rows } = await db.raw<{ rows: MoveRow[] }>(
    `SELECT ${COLUMNS} FROM moves WHERE account_id = ? AND id = ?`,
    [accountId, id],
  );
  return rows[0] && present(rows[0]);
}

/** The move of an account that was begun last. */
export async function findLatestMove(db: Db, accountId: string): Promise<Move | undefined> {
  const { rows } = await db.raw<{ rows: MoveRow[] }>(
    `SELECT ${COLUMNS} FROM moves WHERE account_id = ? ORDER BY id DESC LIMIT 1`,
    [accountId],
  );
  return rows[0] && present(rows[0]);
}

/** The move that a link leads to. */
export async function findMoveByDigest(db: Db, digest: Buffer): Promise<Move | undefined> {
  const { rows } = await db.raw<{ rows: { account_id: string; move_id: string }[] }>(
    'SELECT account_id, move_id FROM move_links WHERE digest = ?',
    [digest],
  );
  return rows[0] && findMove(db, rows[0].account_id, rows[0].move_id);
}

/** The open move of an account, of which there is at most one. */
export async function findOpenMove(db: Db, accountId: string): Promise<Move | undefined> {
  const { rows } = await db.raw<{ rows: MoveRow[] }>(
    `SELECT ${COLUMNS} FROM moves WHERE account_id = ? AND ended_at IS NULL`,
    [accountId],
  );
  return rows[0] && present(rows[0]);
}

/** A move as it begins. */
export interface NewMove
  extends Pick<
    Move,
    'accountId' | 'id' | 'startedAt' | 'until' | 'provedAt' | 'sessionUid' | 'remembered' | 'startedFrom'
  > {
  readonly digest: Buffer;
}

/** Adds a move with the digest of its link. */
export async function insertMove(tx: Tx, move: NewMove): Promise<void> {
  await tx('moves').insert({
    account_id: move.accountId,
    id: move.id,
    state: 'waiting',
    started_at: move.startedAt,
    until: move.until,
    proved_at: move.provedAt,
    session_uid: move.sessionUid ?? null,
    remembered: move.remembered ?? null,
    started_from: move.startedFrom,
  });
  await tx('move_links').insert({ digest: move.digest, account_id: move.accountId, move_id: move.id });
}

/** What a step writes beside the state. */
export interface StepWrites {
  readonly until?: Date;
  readonly provedAt?: Date;
  readonly endedAt?: Date;
  readonly browser?: Buffer;
  readonly claimedFrom?: Buffer;
  readonly claimedAt?: Date;
  readonly numbers?: readonly number[];
  readonly number?: number;
  readonly kind?: MoveKind;
  readonly bound?: string;
  readonly boundAt?: Date;
}

/** Takes a move on, in one conditional statement: gives it as it is now, or nothing where it was not in such a state in time. */
export async function updateState(
  tx: Tx,
  step: {
    readonly accountId: string;
    readonly id: string;
    readonly from: readonly MoveState[];
    readonly to: MoveState;
    readonly at: Date;
  },
  writes: StepWrites,
): Promise<Move | undefined> {
  const [row] = await tx('moves')
    .where({ account_id: step.accountId, id: step.id })
    .whereIn('state', [...step.from])
    .where('until', '>', step.at)
    .update({
      state: step.to,
      ...(writes.until && { until: writes.until }),
      ...(writes.provedAt && { proved_at: writes.provedAt }),
      ...(writes.endedAt && { ended_at: writes.endedAt }),
      ...(writes.browser && { browser: writes.browser }),
      ...(writes.claimedFrom && { claimed_from: writes.claimedFrom }),
      ...(writes.claimedAt && { claimed_at: writes.claimedAt }),
      ...(writes.numbers && { numbers: [...writes.numbers] }),
      ...(writes.number !== undefined && { number: writes.number }),
      ...(writes.kind && { kind: writes.kind }),
      ...(writes.bound && { bound: writes.bound }),
      ...(writes.boundAt && { bound_at: writes.boundAt }),
    })
    .returning<MoveRow[]>(COLUMNS.split(/,\s*/));
  return row && present(row);
}

/** Ends up to `limit` open moves whose time is over; gives what they were. */
export async function endOverdue(
  tx: Tx,
  at: Date,
  limit: number,
): Promise<readonly { readonly accountId: string; readonly id: string; readonly was: MoveState }[]> {
  const { rows } = await tx.raw<{ rows: { account_id: string; id: string; was: MoveState }[] }>(
    `WITH overdue AS (
       SELECT account_id, id, state FROM moves WHERE ended_at IS NULL AND until <= :at
       ORDER BY until LIMIT :limit FOR UPDATE SKIP LOCKED)
     UPDATE moves m SET state = CASE o.state WHEN 'tested' THEN 'finished' ELSE 'expired' END, ended_at = :at
     FROM overdue o WHERE m.account_id = o.account_id AND m.id = o.id
     RETURNING m.account_id, m.id, o.state AS was`,
    { at, limit },
  );
  return rows.map(({ account_id: accountId, id, was }) => ({ accountId, id, was }));
}

/** Removes up to `limit` moves that ended before; says how many. */
export function removeEnded(tx: Tx, before: Date, limit: number): Promise<number> {
  return removeFirst(tx, 'moves', { where: 'ended_at < ?', values: [before], by: 'ended_at' }, limit);
}

/** Removes for good, a batch at a time: every move to another phone. */
export function forgetMoves(tx: Tx, accountId: string, most: number): Promise<number> {
  return removeRows(tx, ['moves'], accountId, most);
}
