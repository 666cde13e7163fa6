import type { Db } from '../platform/storage/db.js';
import type { Work } from '../platform/storage/work.js';
import { type EndReason, sessionEnding } from './session-ending.js';

interface EndedRow {
  readonly uid: string;
  readonly account_id: string | null;
  readonly authorizations: object | null;
}

const HERE = 'EXISTS (SELECT FROM living WHERE uid = :but)';
const ENDED = 'RETURNING s.uid, s.account_id, s.authorizations';
const END_LIVING = `UPDATE sessions s SET ended_at = :at, ended_reason = :reason, state = NULL, version = version + 1
  FROM living WHERE s.uid = living.uid`;

/* Locked in the order of their uids, so that two who end each other's sessions never wait for each other. */
const living = (condition: string) => `
  WITH living AS MATERIALIZED (SELECT uid FROM sessions WHERE ${condition} AND ended_at IS NULL ORDER BY uid FOR UPDATE)`;

const LIVING_ONE = living('uid = :uid');
const LIVING_NAMED = living('uid = ANY (:uids::text[]) AND account_id = :accountId::uuid');
const LIVING_CAME_BY = living('account_id = :accountId::uuid AND upstream = ANY (:upstream::uuid[])');
const LIVING_ALL = living('account_id = :accountId::uuid');
const LIVING_OTHERS = living(
  'account_id = :accountId::uuid AND (:only::text[] IS NULL OR uid = ANY (:only) OR uid = :but)',
);
const END_OTHERS = `${LIVING_OTHERS},
  ended AS (${END_LIVING} AND s.uid <> :but AND ${HERE} ${ENDED})
  SELECT ${HERE} AS here, coalesce((SELECT jsonb_agg(to_jsonb(ended)) FROM ended), '[]') AS ended`;

async function endThem(
  work: Work,
  them: string,
  { reason, ...named }: { readonly reason: EndReason; readonly [name: string]: string | readonly string[] },
): Promise<number> {
  const bound = { ...named, reason, at: work.at };
  const { rows } = await work.tx.raw<{ rows: EndedRow[] }>([them, END_LIVING, ENDED].join(' '), bound);
  if (rows.length > 0) await leaveEnded(work, rows, reason);
  return rows.length;
}

/* What hangs on sessions that have just ended: their grants with all tokens, a logout token for each app, a fact each. */
async function leaveEnded(work: Work, ended: readonly EndedRow[], reason: EndReason): Promise<void> {
  const endings = ended.map(({ uid, account_id, authorizations }) =>
    sessionEnding(
      { uid, accountId: account_id ?? undefined, authorizations: authorizations ?? undefined },
      reason,
    ),
  );
  const grantIds = endings.flatMap(ending => ending.grantIds);
  const uids = reason === 'signed-out' ? [] : ended.map(({ uid }) => uid);
  if (grantIds.length + uids.length > 0) {
    /* An app that was allowed more meanwhile may hold a token for offline use on a grant that the session knows no more. */
    await work.tx.raw(
      `DELETE FROM grants g WHERE g.account_id = :accountId::uuid AND (g.id = ANY (:grantIds::text[])
         OR EXISTS (SELECT FROM refresh_tokens r WHERE r.grant_id = g.id AND r.session_uid = ANY (:uids::text[])))`,
      { grantIds, uids, accountId: ended[0]?.account_id ?? null },
    );
  }
  for (const { jobs, fact } of endings) {
    for (const job of jobs) work.enqueue(job);
    work.record(fact);
  }
}

/**
 * Ends a session: the session itself, its tokens and grants, and a logout token for each of its apps, all in the work's
 * transaction. Says whether there was anything to end; a session that has ended is never revived.
 */
export async function endSession(work: Work, uid: string, reason: EndReason): Promise<boolean> {
  return (await endThem(work, LIVING_ONE, { uid, reason })) > 0;
}

/** Ends those of these sessions that are the account's and live; says how many. Nobody else's is touched, whatever is named. */
export async function endTheseSessionsOf(
  work: Work,
  accountId: string,
  uids: readonly string[],
  reason: EndReason,
): Promise<number> {
  if (uids.length === 0) return 0;
  return endThem(work, LIVING_NAMED, { uids, accountId, reason });
}

/** Ends those sessions of an account that came by one of these sessions at an identity provider; says how many. */
export async function endSessionsCameBy(
  work: Work,
  accountId: string,
  upstream: readonly string[],
  reason: EndReason,
): Promise<number> {
  if (upstream.length === 0) return 0;
  return endThem(work, LIVING_CAME_BY, { accountId, upstream, reason });
}

/** Ends all sessions of an account, and all that its apps still hold of it, also from sessions that are over. */
export async function endSessionsOf(work: Work, accountId: string, reason: EndReason): Promise<void> {
  await endThem(work, LIVING_ALL, { accountId, reason });
  await work.tx('grants').where({ account_id: accountId }).delete();
}

/**
 * Ends every session of an account but one, and all that apps hold which is not of that one; or those that are named, `only`.
 * Says how many there were. Of two sessions that end each other at once the second finds that it has ended: undefined then,
 * and nothing happened, so that one of them stays.
 */
export async function endOtherSessionsOf(
  work: Work,
  accountId: string,
  {
    but,
    only,
    reason,
  }: { readonly but: string; readonly only?: readonly string[]; readonly reason: EndReason },
): Promise<number | undefined> {
  const named = { accountId, but, only: only ? [...only] : null, reason, at: work.at };
  const { rows } = await work.tx.raw<{ rows: { here: boolean; ended: EndedRow[] }[] }>(END_OTHERS, named);
  const { here = false, ended = [] } = rows[0] ?? {};
  if (!here) return undefined;
  if (ended.length > 0) await leaveEnded(work, ended, reason);
  if (!only) await endGrantsBut(work, accountId, but);
  return ended.length;
}

/* What an app holds for offline use from a session that is long over is signed in elsewhere as well. */
async function endGrantsBut(work: Work, accountId: string, uid: string): Promise<void> {
  await work.tx.raw(
    `DELETE FROM grants g WHERE g.account_id = :accountId::uuid
       AND NOT EXISTS (SELECT FROM sessions s, jsonb_each(s.authorizations) app
         WHERE s.uid = :uid AND app.value ->> 'grantId' = g.id)
       AND NOT EXISTS (SELECT FROM refresh_tokens r WHERE r.grant_id = g.id AND r.session_uid = :uid)`,
    { accountId, uid },
  );
}

/** A session as it stands. */
export interface SessionState {
  readonly accountId: string;
  readonly signedInAt: Date;
  /** Why it ended, if it has. */
  readonly ended: EndReason | undefined;
}

/** Whose session this is, and whether it lives; undefined when there is none of that kind (any more). */
export async function findSessionState(db: Db, uid: string): Promise<SessionState | undefined> {
  const row = await db('sessions')
    .select('account_id', 'login_ts', 'ended_at', 'ended_reason')
    .where({ uid })
    .first<{ account_id: string | null; login_ts: string; ended_at: Date | null; ended_reason: EndReason }>();
  if (!row?.account_id) return undefined;
  const signedInAt = new Date(Number(row.login_ts) * 1000);
  return { accountId: row.account_id, signedInAt, ended: row.ended_at ? row.ended_reason : undefined };
}

/** The live sessions of an account, newest first. */
export async function listSessions(db: Db, accountId: string): Promise<{ uid: string; signedInAt: Date }[]> {
  const rows = await db('sessions')
    .select('uid', 'login_ts')
    .where({ account_id: accountId })
    .whereNull('ended_at')
    .orderBy('login_ts', 'desc')
    .limit(100);
  return rows.map(row => ({ uid: String(row.uid), signedInAt: new Date(Number(row.login_ts) * 1000) }));
}
