import type Koa from 'koa';
import type Provider from 'oidc-provider';
import type { Db } from '../platform/storage/db.js';
import type { Work } from '../platform/storage/work.js';
import { type AccountSnapshot, requestScope } from './request-scope.js';
import { type EndReason, sessionEnding } from './session-ending.js';

/** Somebody who is signed in in this browser. */
export interface Person {
  readonly sessionUid: string;
  readonly accountId: string;
  readonly acr: string | undefined;
  readonly signedInAt: Date;
  readonly account: AccountSnapshot;
}

/** Who is signed in in the browser that asks; nobody, when the session ended or the account may not act. */
export async function whoIsHere(provider: Provider, ctx: Koa.Context): Promise<Person | undefined> {
  const engineContext = provider.createContext(ctx.req, ctx.res);
  const session = await provider.Session.get(engineContext as never);
  if (!session.accountId) return undefined;
  const account = await requestScope().account(session.accountId);
  if (account?.state !== 'active') return undefined;
  return {
    sessionUid: session.uid,
    accountId: session.accountId,
    acr: session.acr,
    signedInAt: new Date((session.loginTs ?? 0) * 1000),
    account,
  };
}

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
  if (ending.grantIds.length > 0)
    await work
      .tx('grants')
      .whereIn('id', [...ending.grantIds])
      .delete();
  for (const job of ending.jobs) work.enqueue(job);
  work.record(ending.fact);
  return true;
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
