import type { Db, Tx } from '../../platform/storage/db.js';
import type { AccountState, Channel, Command, CommandName, CommandState } from './command.js';

const COLUMNS = `id, reason_kind, reason_id, client_id, command, account_id, state, channel, attempts, round, due_at, until, answer,
  account_state, note, asked_at, sent_at, ended_at, sealed IS NOT NULL AS tellable`;
const OPEN = `state IN ('waiting', 'accepted')`;
const STUCK = `state IN ('refused', 'unreachable') AND sealed IS NOT NULL`;

interface CommandRow {
  readonly id: string;
  readonly reason_kind: string;
  readonly reason_id: string;
  readonly client_id: string;
  readonly command: CommandName;
  readonly account_id: string | null;
  readonly state: CommandState;
  readonly channel: Channel | null;
  readonly attempts: number;
  readonly round: number;
  readonly due_at: Date;
  readonly until: Date;
  readonly answer: string | null;
  readonly account_state: AccountState | null;
  readonly note: string | null;
  readonly asked_at: Date;
  readonly sent_at: Date | null;
  readonly ended_at: Date | null;
  readonly tellable: boolean;
}

function present(row: CommandRow): Command {
  return {
    id: row.id,
    reason: { kind: row.reason_kind, id: row.reason_id },
    clientId: row.client_id,
    command: row.command,
    accountId: row.account_id ?? undefined,
    state: row.state,
    channel: row.channel ?? undefined,
    attempts: row.attempts,
    round: row.round,
    dueAt: row.due_at,
    until: row.until,
    answer: row.answer ?? undefined,
    accountState: row.account_state ?? undefined,
    note: row.note ?? undefined,
    askedAt: row.asked_at,
    sentAt: row.sent_at ?? undefined,
    endedAt: row.ended_at ?? undefined,
    tellable: row.tellable,
  };
}

/** A command as it begins. */
export interface NewCommand extends Pick<Command, 'id' | 'reason' | 'clientId' | 'command' | 'accountId'> {
  readonly sealed: Buffer;
  readonly wakes: string | undefined;
  readonly dueAt: Date;
  readonly until: Date;
  readonly callbackDigest: Buffer;
  readonly askedAt: Date;
}

/** Adds commands that were not asked for by the same reason before; gives the ids of those that are new. */
export async function insertCommands(tx: Tx, commands: readonly NewCommand[]): Promise<readonly string[]> {
  const rows = commands.map(({ reason, ...command }) => ({
    id: command.id,
    reason_kind: reason.kind,
    reason_id: reason.id,
    client_id: command.clientId,
    command: command.command,
    account_id: command.accountId ?? null,
    sealed: command.sealed,
    wakes: command.wakes ?? null,
    state: 'waiting',
    due_at: command.dueAt,
    until: command.until,
    callback_digest: command.callbackDigest,
    asked_at: command.askedAt,
  }));
  const added = await tx('commands')
    .insert(rows)
    .onConflict(['reason_kind', 'reason_id', 'client_id', 'command'])
    .ignore()
    .returning<{ id: string }[]>('id');
  return added.map(({ id }) => id);
}

/** One command. */
export async function findCommand(db: Db | Tx, id: string): Promise<Command | undefined> {
  const { rows } = await db.raw<{ rows: CommandRow[] }>(`SELECT ${COLUMNS} FROM commands WHERE id = ?`, [id]);
  return rows[0] && present(rows[0]);
}

/** Up to `limit` commands of a reason after one of them, by app and command. */
export async function listByReason(
  db: Db | Tx,
  reason: Command['reason'],
  after: Pick<Command, 'clientId' | 'command'> | undefined,
  limit: number,
): Promise<readonly Command[]> {
  const { rows } = await db.raw<{ rows: CommandRow[] }>(
    `SELECT ${COLUMNS} FROM commands WHERE reason_kind = ? AND reason_id = ? AND (client_id, command) > (?, ?)
     ORDER BY client_id, command LIMIT ?`,
    [reason.kind, reason.id, after?.clientId ?? '', after?.command ?? '', limit],
  );
  return rows.map(present);
}

/** Up to `limit` commands in one of these states, the stuck ones or all, after one of them; oldest first. */
export async function listCommands(
  db: Db | Tx,
  which: 'stuck' | 'open' | 'all',
  after: string | undefined,
  limit: number,
): Promise<readonly Command[]> {
  const condition = { stuck: STUCK, open: OPEN, all: 'true' }[which];
  const { rows } = await db.raw<{ rows: CommandRow[] }>(
    `SELECT ${COLUMNS} FROM commands WHERE ${condition} AND id > ? ORDER BY id LIMIT ?`,
    [after ?? '00000000-0000-0000-0000-000000000000', limit],
  );
  return rows.map(present);
}

/** How many commands are open and how many are stuck; counted up to ten thousand each. */
export async function countCommands(db: Db): Promise<{ readonly open: number; readonly stuck: number }> {
  const { rows } = await db.raw<{ rows: { open: number; stuck: number }[] }>(
    `SELECT (SELECT count(*)::int FROM (SELECT FROM commands WHERE ${OPEN} LIMIT 10000) AS counted) AS open,
       (SELECT count(*)::int FROM (SELECT FROM commands WHERE ${STUCK} LIMIT 10000) AS counted) AS stuck`,
  );
  return rows[0] ?? { open: 0, stuck: 0 };
}

/** How a command ends, or goes on; the subject is forgotten when nothing is left to be told. */
export interface Outcome {
  readonly state: Exclude<CommandState, 'waiting'>;
  readonly channel?: Channel;
  readonly answer: string;
  readonly accountState?: AccountState | undefined;
  readonly note?: string | undefined;
  /** Nothing could be told any more, so what the app knows the person by is forgotten. */
  readonly forgets?: boolean;
}

/** What a command was when it went on: what its ending has to be told to. */
export interface Settled extends Command {
  readonly wakes: string | undefined;
}

interface SettledRow extends CommandRow {
  readonly wakes: string | null;
}

/** Settles a command that is still open in one of these states; undefined when it was not. */
export async function settle(
  tx: Tx,
  id: string,
  from: readonly CommandState[],
  { state, channel, answer, accountState, note, forgets = isOver(state) }: Outcome,
  at: Date,
): Promise<Settled | undefined> {
  const { rows } = await tx.raw<{ rows: SettledRow[] }>(
    `UPDATE commands SET state = :state, channel = coalesce(:channel, channel), answer = :answer,
       account_state = :accountState, note = :note,
       ended_at = CASE WHEN :state = 'accepted' THEN NULL ELSE CAST(:at AS timestamptz) END,
       sealed = CASE WHEN :forgets THEN NULL ELSE sealed END
     WHERE id = :id AND state = ANY (:from) RETURNING ${COLUMNS}, wakes`,
    {
      id,
      from: [...from],
      state,
      channel: channel ?? null,
      answer,
      accountState: accountState ?? null,
      note: note ?? null,
      forgets,
      at,
    },
  );
  const [row] = rows;
  return row && { ...present(row), wakes: row.wakes ?? undefined };
}

const isOver = (state: CommandState) => state === 'confirmed' || state === 'kept' || state === 'received';

/** How a command begins anew. */
export interface Anew {
  /** The round that is over. */
  readonly round: number;
  readonly callbackDigest: Buffer;
  readonly at: Date;
  readonly until: Date;
}

/** Lets a command that can still be told be told from the start; undefined when it cannot, or somebody else began it. */
export async function beginAnew(
  tx: Tx,
  id: string,
  { round, callbackDigest, at, until }: Anew,
): Promise<Command | undefined> {
  const { rows } = await tx.raw<{ rows: CommandRow[] }>(
    `WITH found AS MATERIALIZED (
       UPDATE commands SET state = 'waiting', attempts = 0, refusals = 0, round = round + 1, due_at = :at, until = :until,
         callback_digest = :callbackDigest, callback_until = NULL, callback_used_at = NULL, ended_at = NULL
       WHERE id = :id AND round = :round AND sealed IS NOT NULL RETURNING ${COLUMNS}),
     welcome AS (DELETE FROM command_recipients r USING found WHERE r.client_id = found.client_id)
     SELECT * FROM found`,
    { id, round, callbackDigest, at, until },
  );
  return rows[0] && present(rows[0]);
}

/** Forgets by what the app knows whom a command is about: it cannot be told any more. */
export async function forgetSubject(tx: Tx, id: string): Promise<void> {
  await tx('commands').where({ id }).update({ sealed: null });
}

/** What is still to be told an app about somebody, or could be told again, by one command: held against every other writer. */
export async function lockTellable(
  tx: Tx,
  { accountId, clientId, command }: Pick<Command, 'clientId' | 'command'> & { readonly accountId: string },
): Promise<readonly { readonly id: string; readonly sealed: Buffer }[]> {
  return tx('commands')
    .where({ account_id: accountId, client_id: clientId, command })
    .whereNotNull('sealed')
    .orderBy('id')
    .forUpdate()
    .select('id', 'sealed');
}

/** Has a command tell something else. */
export async function updateSealed(tx: Tx, id: string, sealed: Buffer): Promise<void> {
  await tx('commands').where({ id }).update({ sealed });
}

/**
 * Forgets which account commands were about. Those that apps have to delete, or are asked about, keep what the app knows it by
 * until they are told; the other open ones end.
 */
export async function forgetAccount(tx: Tx, accountId: string, at: Date): Promise<void> {
  await tx.raw(
    `UPDATE commands SET account_id = NULL,
       sealed = CASE WHEN command IN ('delete', 'audit') THEN sealed END,
       state = CASE WHEN ${OPEN} AND command NOT IN ('delete', 'audit') THEN 'unreachable' ELSE state END,
       answer = CASE WHEN ${OPEN} AND command NOT IN ('delete', 'audit') THEN 'overtaken' ELSE answer END,
       ended_at = CASE WHEN ${OPEN} AND command NOT IN ('delete', 'audit') THEN CAST(:at AS timestamptz) ELSE ended_at END
     WHERE account_id = :accountId`,
    { accountId, at },
  );
}

/** A command by the token with which its app answers later. */
export interface Awaited extends Command {
  readonly sealed: Buffer | undefined;
  readonly callbackUntil: Date | undefined;
  readonly callbackUsedAt: Date | undefined;
}

interface AwaitedRow extends CommandRow {
  readonly sealed: Buffer | null;
  readonly callback_until: Date | null;
  readonly callback_used_at: Date | null;
}

/** The command that a token is for. */
export async function findByCallback(db: Db | Tx, callbackDigest: Buffer): Promise<Awaited | undefined> {
  const { rows } = await db.raw<{ rows: AwaitedRow[] }>(
    `SELECT ${COLUMNS}, sealed, callback_until, callback_used_at FROM commands WHERE callback_digest = ?`,
    [callbackDigest],
  );
  const [row] = rows;
  if (!row) return undefined;
  return {
    ...present(row),
    sealed: row.sealed ?? undefined,
    callbackUntil: row.callback_until ?? undefined,
    callbackUsedAt: row.callback_used_at ?? undefined,
  };
}

/** Uses a token, once and while it is good; false when it was not. */
export async function useCallback(tx: Tx, callbackDigest: Buffer, at: Date): Promise<boolean> {
  const { rowCount } = await tx.raw<{ rowCount: number }>(
    `UPDATE commands SET callback_used_at = :at
     WHERE callback_digest = :callbackDigest AND callback_used_at IS NULL AND callback_until > :at AND ${OPEN}`,
    { callbackDigest, at },
  );
  return rowCount > 0;
}
