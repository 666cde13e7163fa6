import type { Db } from '../platform/storage/db.js';
import type { Work } from '../platform/storage/work.js';
import { type EndReason, sessionEnding } from './session-ending.js';

/**
 * Ends a session: the session itself, its tokens and grants, and a logout token for each of its apps, all in the work's
 * transaction. Says whether there was anything to end; a session that has ended is never revived.
 */
export async function endSession(work: Work, uid: string, reason: EndReason): Promise<boolean> {
  const ended = await work
    .tx('sessions')
    .where({ uid })
    .whereNull('ended_at')
    .update({ ended_at: work.at, ended_reason: reason, state: null, version: work.tx.raw('version + 1') })
    .returning<{ uid: string; account_id: string | null; authorizations: object | null }[]>([
      'uid',
      'account_id',
      'authorizations',
    ]);
  const row = ended[0];
  if (!row) return false;
  const ending = sessionEnding(
    { uid, accountId: row.account_id ?? undefined, authorizations: row.authorizations ?? undefined },
    reason,
  );
  if (reason !== 'signed-out') await endOlderGrants(work, uid, row.account_id);
  if (ending.grantIds.length > 0)
    await work
      .tx('grants')
      .whereIn('id', [...ending.grantIds])
      .delete();
  for (const job of ending.jobs) work.enqueue(job);
  work.record(ending.fact);
  return true;
}

/* An app that was allowed more meanwhile may hold a token for offline use on a grant that the session knows no more. */
async function endOlderGrants(work: Work, uid: string, accountId: string | null): Promise<void> {
  await work.tx.raw(
    `DELETE FROM grants g WHERE g.account_id = ?::uuid
       AND EXISTS (SELECT FROM refresh_tokens r WHERE r.grant_id = g.id AND r.session_uid = ?)`,
    [accountId, uid],
  );
}

/** Ends all sessions of an account, and all that its apps still hold of it, also from sessions that are over. */
export async function endSessionsOf(work: Work, accountId: string, reason: EndReason): Promise<void> {
  const uids = await work
    .tx('sessions')
    .where({ account_id: accountId })
    .whereNull('ended_at')
    .orderBy('uid')
    .pluck('uid');
  for (const uid of uids) await endSession(work, String(uid), reason);
  await work.tx('grants').where({ account_id: accountId }).delete();
}

/** Ends every session of an account but one; says how many there were. */
export async function endOtherSessionsOf(
  work: Work,
  accountId: string,
  { but, reason }: { readonly but: string; readonly reason: EndReason },
): Promise<number> {
  const uids = await work
    .tx('sessions')
    .where({ account_id: accountId })
    .whereNull('ended_at')
    .whereNot({ uid: but })
    .orderBy('uid')
    .pluck('uid');
  for (const uid of uids) await endSession(work, String(uid), reason);
  return uids.length;
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
