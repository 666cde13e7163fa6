import type { Delivery, Outgoing } from '../../platform/jobs/delivery.js';
import type { Db, Tx } from '../../platform/storage/db.js';
import { removeFirst, removeRows } from '../../platform/storage/removing.js';
import type { Agreed, Channel, Message, MessageFilter, MessageKind, MessageState } from './message.js';

/** How messages are left with the last statement of a work. */
export const INTO_MESSAGES = `
  INSERT INTO messages (account_id, id, channel, kind, template, template_version, language, topic, opt_in, sealed,
    queued_at, state, state_at)
  SELECT account_id, id, channel, kind, template, template_version, language, topic, opt_in, sealed, queued_at,
    state, queued_at
  FROM jsonb_to_recordset(?::jsonb) AS m(account_id uuid, id uuid, channel text, kind text, template text,
    template_version text, language text, topic text, opt_in uuid, sealed bytea, queued_at timestamptz, state text)`;

/** A message as it is kept. */
export interface KeptMessage extends Omit<Message, 'to' | 'subject'> {
  readonly sealed: Buffer | null;
  readonly key: Buffer | null;
}

interface MessageRow {
  readonly id: string;
  readonly channel: Channel;
  readonly kind: MessageKind;
  readonly template: string;
  readonly template_version: string;
  readonly language: string;
  readonly topic: string | null;
  readonly agreed: (Omit<Agreed, 'at'> & { readonly at: string }) | null;
  readonly queued_at: Date;
  readonly state: MessageState;
  readonly state_at: Date;
  readonly reason: string | null;
  readonly sealed: Buffer | null;
  readonly key: Buffer | null;
}

const COLUMNS = `m.id, m.channel, m.kind, m.template, m.template_version, m.language, m.topic, m.queued_at,
  m.state, m.state_at, m.reason, m.sealed,
  (SELECT jsonb_build_object('optIn', o.id, 'at', o.given_at, 'name', w.name, 'wording', w.opt_in) FROM opt_ins o
     JOIN topic_wordings w ON w.topic = o.topic AND w.version = o.version AND w.language = o.language
     WHERE o.account_id = m.account_id AND o.id = m.opt_in) AS agreed`;

const LAST = 'ffffffff-ffff-ffff-ffff-ffffffffffff';

/*
 * Each kind is a stretch of an index of its own: asked for as a stretch, not as a filter, the planner cannot take the way
 * through all the others, so that a page of few among many is as quick as one of all.
 */
function stretchOf(only: MessageFilter | undefined): string {
  const before = `coalesce(CAST(:before AS uuid), '${LAST}')`;
  if (only === undefined) return `AND m.id < ${before} ORDER BY m.id DESC`;
  if (only === 'undelivered') {
    return `AND m.state IN ('failed', 'refused', 'withheld') AND m.id < ${before} ORDER BY m.id DESC`;
  }
  return `AND m.kind >= :only AND (m.kind, m.id) < (:only, ${before}) ORDER BY m.kind DESC, m.id DESC`;
}

/** Which messages of an account are read. */
export interface Listed {
  readonly accountId: string;
  readonly only?: MessageFilter | undefined;
  /** The id of the last one that was read. */
  readonly before?: string | undefined;
  readonly limit: number;
}

/** The messages of an account, newest first. */
export async function listMessages(
  db: Db,
  { accountId, only, before, limit }: Listed,
): Promise<readonly KeptMessage[]> {
  const { rows } = await db.raw<{ rows: MessageRow[] }>(
    `SELECT ${COLUMNS}, (SELECT k.sealed FROM subject_keys k WHERE k.account_id = m.account_id) AS key
     FROM messages m WHERE m.account_id = :accountId ${stretchOf(only)} LIMIT :limit`,
    { accountId, before: before ?? null, limit, ...(only && { only }) },
  );
  return rows.map(row => ({
    id: row.id,
    channel: row.channel,
    kind: row.kind,
    template: row.template,
    templateVersion: row.template_version,
    language: row.language,
    topic: row.topic ?? undefined,
    agreed: row.agreed ? { ...row.agreed, at: new Date(row.agreed.at) } : undefined,
    queuedAt: row.queued_at,
    state: row.state,
    stateAt: row.state_at,
    reason: row.reason ?? undefined,
    sealed: row.sealed,
    key: row.key,
  }));
}

/** Where a message is on its way; whether there is an opt-in for it now, for one of a topic. */
export interface OnItsWay {
  readonly state: MessageState;
  readonly topic: string | undefined;
  /** What its topic is sent for. */
  readonly purpose: string | undefined;
  readonly wanted: boolean;
}

/** An opt-in counts while it is not withdrawn, its topic is there, and its wording is not one that is asked for again. */
export const LIVE = (optIn: string) => `${optIn}.withdrawn_at IS NULL AND EXISTS (SELECT FROM topics t
  WHERE t.topic = ${optIn}.topic AND t.retired_at IS NULL AND ${optIn}.channel = ANY (t.channels)
    AND ${optIn}.version >= t.counts_from)`;

/** A message on its way; undefined when there is none (any more). */
export async function findOnItsWay(db: Db, accountId: string, id: string): Promise<OnItsWay | undefined> {
  type Row = { state: MessageState; topic: string | null; purpose: string | null; wanted: boolean };
  const { rows } = await db.raw<{ rows: Row[] }>(
    `SELECT m.state, m.topic, (SELECT t.purpose FROM topics t WHERE t.topic = m.topic) AS purpose, m.topic IS NULL OR EXISTS (SELECT FROM opt_ins o WHERE o.account_id = m.account_id
       AND o.topic = m.topic AND o.channel = m.channel AND ${LIVE('o')}) AS wanted
     FROM messages m WHERE m.account_id = ? AND m.id = ?`,
    [accountId, id],
  );
  const [row] = rows;
  return row && { ...row, topic: row.topic ?? undefined, purpose: row.purpose ?? undefined };
}

/** Notes what became of a message; one that was sent stays so. Says whether that changed anything. */
export async function updateDelivery(
  tx: Tx,
  { id, accountId }: Outgoing,
  delivery: Delivery | { readonly state: 'withheld'; readonly tries: number; readonly reason: string },
): Promise<boolean> {
  const reason = delivery.state === 'sent' ? null : delivery.reason;
  const { rowCount } = await tx.raw<{ rowCount: number }>(
    `UPDATE messages SET state = ?, state_at = now(), reason = ?, tries = ?
     WHERE account_id = ?::uuid AND id = ? AND state <> 'sent'`,
    [delivery.state, reason, delivery.tries, accountId ?? null, id],
  );
  return rowCount === 1;
}

/** Removes for good, a batch at a time: what somebody was sent, and what they wanted to be sent. */
export function forgetMessages(tx: Tx, accountId: string, most: number): Promise<number> {
  return removeRows(tx, ['messages', 'opt_ins'], accountId, most);
}

/** Removes up to `limit` messages that were queued before a moment; says how many. */
export function removeOldMessages(tx: Tx, before: Date, limit: number): Promise<number> {
  return removeFirst(tx, 'messages', { where: 'queued_at < ?', values: [before], by: 'queued_at' }, limit);
}
