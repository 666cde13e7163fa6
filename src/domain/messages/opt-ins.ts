import { v7 as uuidv7 } from 'uuid';
import type { Db } from '../../platform/storage/db.js';
import type { Work } from '../../platform/storage/work.js';
import type { Channel } from './message.js';
import { LIVE } from './store.js';
import { type Topic, wordsOf } from './topic.js';

/** Where somebody said so: on the page of preferences, by an app of theirs, or by the link of a message. */
export type OptInPlace = 'preferences' | 'api' | 'unsubscribe-link';

/** What somebody opted in to, and under which words. */
export interface OptIn {
  readonly id: string;
  readonly topic: string;
  readonly channel: Channel;
  readonly version: number;
  readonly language: string;
  /** What they agreed to, word for word. */
  readonly wording: string;
  readonly givenAt: Date;
  readonly place: OptInPlace;
  /** It counts: it is not withdrawn, and its wording is not asked for again. */
  readonly live: boolean;
  readonly withdrawnAt: Date | undefined;
  /** It was ended by the link of a message not long ago, and "That was a mistake" brings it back. */
  readonly mistakable: boolean;
}

/** So long "That was a mistake" works after an unsubscription by link. */
const MISTAKE_DAYS = 30;

/** Whose opt-in to what. */
export interface OptInChange {
  readonly accountId: string;
  readonly topic: string;
  readonly channel: Channel;
}

interface OptInRow extends Omit<OptIn, 'givenAt' | 'withdrawnAt'> {
  readonly given_at: Date;
  readonly withdrawn_at: Date | null;
}

const MISTAKABLE = (optIn: string) => `coalesce(${optIn}.withdrawn_at_place = 'unsubscribe-link'
  AND ${optIn}.restored_at IS NULL AND ${optIn}.withdrawn_at > now() - make_interval(days => ${MISTAKE_DAYS}), false)`;

const COLUMNS = `o.id, o.topic, o.channel, o.version, o.language, o.given_at, o.given_at_place AS place, o.withdrawn_at,
  (SELECT w.opt_in FROM topic_wordings w WHERE w.topic = o.topic AND w.version = o.version AND w.language = o.language)
    AS wording, ${LIVE('o')} AS live, ${MISTAKABLE('o')} AS mistakable`;

const present = ({ given_at, withdrawn_at, ...row }: OptInRow): OptIn => ({
  ...row,
  givenAt: given_at,
  withdrawnAt: withdrawn_at ?? undefined,
});

/** The opt-ins of an account that are not withdrawn. */
export async function listOptIns(db: Db, accountId: string): Promise<readonly OptIn[]> {
  const { rows } = await db.raw<{ rows: OptInRow[] }>(
    `SELECT ${COLUMNS} FROM opt_ins o WHERE o.account_id = ? AND o.withdrawn_at IS NULL
     ORDER BY o.topic, o.channel LIMIT 1000`,
    [accountId],
  );
  return rows.map(present);
}

/** The latest opt-in of an account to a topic by a channel, withdrawn or not. */
export async function findOptIn(
  db: Db,
  { accountId, topic, channel }: OptInChange,
): Promise<OptIn | undefined> {
  const { rows } = await db.raw<{ rows: OptInRow[] }>(
    `SELECT ${COLUMNS} FROM opt_ins o WHERE o.account_id = ? AND o.topic = ? AND o.channel = ?
     ORDER BY o.withdrawn_at IS NULL DESC, o.id DESC LIMIT 1`,
    [accountId, topic, channel],
  );
  return rows[0] && present(rows[0]);
}

/** Somebody opts in to a topic by a channel, in the words of a language; false when they had, in words that count. */
export async function giveOptIn(
  work: Work,
  accountId: string,
  topic: Topic,
  given: { readonly channel: Channel; readonly language: string; readonly place: OptInPlace },
): Promise<boolean> {
  const { channel, place } = given;
  const { language } = wordsOf(topic, given.language);
  const { version } = topic;
  await work.tx.raw(
    `UPDATE opt_ins o SET withdrawn_at = ?, withdrawn_at_place = 'replaced'
     WHERE o.account_id = ? AND o.topic = ? AND o.channel = ? AND o.withdrawn_at IS NULL AND NOT (${LIVE('o')})`,
    [work.at, accountId, topic.topic, channel],
  );
  const { rows } = await work.tx.raw<{ rows: object[] }>(
    `INSERT INTO opt_ins (account_id, id, topic, channel, version, language, given_at, given_at_place)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (account_id, topic, channel) WHERE withdrawn_at IS NULL DO NOTHING
     RETURNING 1`,
    [accountId, uuidv7(), topic.topic, channel, version, language, work.at, place],
  );
  if (rows.length === 0) return false;
  const detail = { topic: topic.topic, channel, version, language, place };
  work.record({ type: 'opt_in.given', accountId, detail });
  return true;
}

/** Somebody wants no more of a topic by a channel; false when they had no opt-in. */
export async function withdrawOptIn(
  work: Work,
  { accountId, topic, channel }: OptInChange,
  place: OptInPlace,
): Promise<boolean> {
  const { rowCount } = await work.tx.raw<{ rowCount: number }>(
    `UPDATE opt_ins SET withdrawn_at = ?, withdrawn_at_place = ?
     WHERE account_id = ? AND topic = ? AND channel = ? AND withdrawn_at IS NULL`,
    [work.at, place, accountId, topic, channel],
  );
  if (rowCount > 0) work.record({ type: 'opt_in.withdrawn', accountId, detail: { topic, channel, place } });
  return rowCount > 0;
}

/**
 * Takes back an unsubscription by link: the opt-in stands again as it was given. Only what such a link ended, only the
 * latest, within a month and once: whoever holds the link makes us send two mails with it and no more. False when there is nothing
 * of that kind.
 */
export async function restoreOptIn(work: Work, { accountId, topic, channel }: OptInChange): Promise<boolean> {
  const { rowCount } = await work.tx.raw<{ rowCount: number }>(
    `UPDATE opt_ins o SET withdrawn_at = NULL, withdrawn_at_place = NULL, restored_at = :at
     WHERE o.account_id = :accountId AND o.id = (SELECT l.id FROM opt_ins l WHERE l.account_id = :accountId
         AND l.topic = :topic AND l.channel = :channel ORDER BY l.id DESC LIMIT 1 FOR UPDATE)
       AND ${MISTAKABLE('o')}`,
    { accountId, topic, channel, at: work.at },
  );
  if (rowCount > 0) work.record({ type: 'opt_in.restored', accountId, detail: { topic, channel } });
  return rowCount > 0;
}
