import type { Db, Tx } from '../../platform/storage/db.js';
import { removeFirst } from '../../platform/storage/removing.js';
import type { Command, CommandName } from './command.js';

/** A command that this process tells now. */
export interface Due
  extends Pick<Command, 'id' | 'clientId' | 'command' | 'attempts' | 'round' | 'askedAt' | 'until'> {
  readonly sealed: Buffer;
  readonly refusals: number;
  /** The app has not answered lately. */
  readonly doubtful: boolean;
}

/** What a process takes next. */
export interface Claim {
  readonly at: Date;
  /** Until when nobody else takes it. */
  readonly lease: Date;
  /** Until when an app that takes it may answer later. */
  readonly callbackUntil: Date;
  readonly most: number;
  /** How many at a time one app is told. */
  readonly width: number;
  /** Apps that have not answered lately, or the others. */
  readonly doubtful: boolean;
  /** By app, how many this process is telling it. */
  readonly underWay: Readonly<Record<string, number>>;
}

interface DueRow {
  readonly id: string;
  readonly client_id: string;
  readonly command: CommandName;
  readonly attempts: number;
  readonly refusals: number;
  readonly round: number;
  readonly asked_at: Date;
  readonly until: Date;
  readonly sealed: Buffer;
}

/* What other processes take at this moment is passed over. */
const OTHERS = 48;

/*
 * One step in the index for each app that something waits for; of each the few that are due first. So an app with a long queue
 * of its own holds up no other, and one that is left alone costs a step. Only what is taken is locked.
 */
const CLAIM = `WITH RECURSIVE recipient (client_id) AS (
    (SELECT client_id FROM commands WHERE state = 'waiting' ORDER BY client_id LIMIT 1)
    UNION ALL
    SELECT (SELECT c.client_id FROM commands c WHERE c.state = 'waiting' AND c.client_id > r.client_id
      ORDER BY c.client_id LIMIT 1)
    FROM recipient r WHERE r.client_id IS NOT NULL
  ), candidate AS MATERIALIZED (
    SELECT first.id FROM recipient r LEFT JOIN command_recipients b ON b.client_id = r.client_id
    CROSS JOIN LATERAL (
      SELECT c.id, c.due_at FROM commands c
      WHERE c.state = 'waiting' AND c.client_id = r.client_id AND c.due_at <= :at AND c.until > :at
      ORDER BY c.due_at, c.id
      LIMIT greatest(0, CAST(:width AS int) - coalesce(CAST(CAST(:underWay AS jsonb) ->> r.client_id AS int), 0))) AS first
    WHERE r.client_id IS NOT NULL AND (b.client_id IS NOT NULL) = :doubtful
      AND coalesce(b.left_alone_until, '-infinity') <= :at
    ORDER BY first.due_at LIMIT CAST(:most AS int) + ${OTHERS}
  ), picked AS MATERIALIZED (
    SELECT c.id FROM commands c
    WHERE c.id = ANY (ARRAY (SELECT id FROM candidate)) AND c.state = 'waiting' AND c.due_at <= :at AND c.until > :at
    ORDER BY c.due_at LIMIT :most FOR UPDATE SKIP LOCKED
  ), taken AS (
    UPDATE commands c SET attempts = c.attempts + 1, due_at = :lease, sent_at = :at, callback_until = :callbackUntil
    FROM picked WHERE c.id = picked.id
    RETURNING c.id, c.client_id, c.command, c.attempts, c.refusals, c.round, c.asked_at, c.until, c.sealed
  )
  SELECT taken.*, (SELECT count(*)::int FROM candidate) AS candidates FROM (VALUES (true)) AS always LEFT JOIN taken ON true`;

/** What was taken; `passedOver` where there was more that is due, and somebody else had it in hand. */
export interface Claimed {
  readonly due: readonly Due[];
  readonly passedOver: boolean;
}

/** Takes what is due, so that no other process does for a while; a process that dies lets it go when its time is over. */
export async function claimDue(db: Db, claim: Claim): Promise<Claimed> {
  if (claim.most <= 0) return { due: [], passedOver: false };
  const { rows } = await db.raw<{ rows: (DueRow & { candidates: number })[] }>(CLAIM, {
    ...claim,
    underWay: JSON.stringify(claim.underWay),
  });
  const taken = rows.filter(({ id }) => id !== null);
  const due = taken.map(row => ({
    id: row.id,
    clientId: row.client_id,
    command: row.command,
    attempts: row.attempts,
    refusals: row.refusals,
    round: row.round,
    askedAt: row.asked_at,
    until: row.until,
    sealed: row.sealed,
    doubtful: claim.doubtful,
  }));
  return { due, passedOver: due.length < Math.min(claim.most, rows[0]?.candidates ?? 0) };
}

/** Lets a command be told again later, unless it was settled, or is being told again already. */
export async function putOff(
  tx: Tx,
  { id, attempts }: Pick<Due, 'id' | 'attempts'>,
  { dueAt, answer, refused }: { readonly dueAt: Date; readonly answer: string; readonly refused: boolean },
): Promise<void> {
  await tx.raw(
    `UPDATE commands SET due_at = ?, answer = ?, refusals = refusals + ? WHERE id = ? AND state = 'waiting' AND attempts = ?`,
    [dueAt, answer, refused ? 1 : 0, id, attempts],
  );
}

/** Puts on record that an app did not answer; it is left alone after some failures in a row, longer each time. */
export async function noteFailure(
  tx: Tx,
  clientId: string,
  leftAlone: (failures: number) => Date | undefined,
): Promise<void> {
  const { rows } = await tx.raw<{ rows: { failures: number }[] }>(
    `INSERT INTO command_recipients AS r (client_id, failures) VALUES (?, 1)
     ON CONFLICT (client_id) DO UPDATE SET failures = least(r.failures + 1, 1000) RETURNING failures`,
    [clientId],
  );
  const until = leftAlone(rows[0]?.failures ?? 1);
  if (until)
    await tx('command_recipients').where({ client_id: clientId }).update({ left_alone_until: until });
}

/** Puts on record that an app answers. */
export async function noteAnswer(tx: Tx, clientId: string): Promise<void> {
  await tx('command_recipients').where({ client_id: clientId }).delete();
}

/** Up to `limit` commands whose time is over: those that could not be told, and those whose app did not answer later. */
export async function listOverdue(
  db: Db,
  at: Date,
  limit: number,
): Promise<readonly { readonly id: string; readonly state: 'waiting' | 'accepted' }[]> {
  const { rows } = await db.raw<{ rows: { id: string; state: 'waiting' | 'accepted' }[] }>(
    `(SELECT id, state FROM commands WHERE state = 'waiting' AND until <= :at ORDER BY until, id LIMIT :limit)
     UNION ALL
     (SELECT id, state FROM commands WHERE state = 'accepted' AND callback_until <= :at ORDER BY callback_until, id LIMIT :limit)`,
    { at, limit },
  );
  return rows;
}

/** Forgets, of up to `limit` commands that ended before, by what apps know the person; says how many. */
export async function forgetEnded(tx: Tx, before: Date, limit: number): Promise<number> {
  const { rowCount } = await tx.raw<{ rowCount: number }>(
    `UPDATE commands SET sealed = NULL WHERE ctid = ANY (ARRAY(
       SELECT ctid FROM commands WHERE ended_at < ? AND sealed IS NOT NULL ORDER BY ended_at LIMIT ? FOR UPDATE SKIP LOCKED))`,
    [before, limit],
  );
  return rowCount;
}

/** Removes up to `limit` commands that ended before; says how many. */
export function removeEnded(tx: Tx, before: Date, limit: number): Promise<number> {
  return removeFirst(tx, 'commands', { where: 'ended_at < ?', values: [before], by: 'ended_at' }, limit);
}

/** Which secret an app's webhooks are signed with, and since when; the first, since ever, unless it was replaced. */
export async function findGeneration(
  db: Db | Tx,
  clientId: string,
): Promise<{ readonly generation: number; readonly since: Date | undefined }> {
  const row = await db('webhook_keys')
    .where({ client_id: clientId })
    .first<{ generation: number; rotated_at: Date } | undefined>('generation', 'rotated_at');
  return row ? { generation: row.generation, since: row.rotated_at } : { generation: 1, since: undefined };
}

/** Lets an app's webhooks be signed with another secret from now on; gives which. */
export async function nextGeneration(tx: Tx, clientId: string, at: Date): Promise<number> {
  const [row] = await tx('webhook_keys')
    .insert({ client_id: clientId, generation: 2, rotated_at: at })
    .onConflict('client_id')
    .merge({ generation: tx.raw('webhook_keys.generation + 1'), rotated_at: at })
    .returning<{ generation: number }[]>('generation');
  return row?.generation ?? 2;
}
