import type { Db } from '../platform/storage/db.js';

/** A session of an account that has neither ended nor expired. */
export interface LiveSession {
  readonly uid: string;
  readonly accountId: string;
  /** Names the browser that it lives in: sessions of one browser have the same; undefined where nobody knows. */
  readonly browser: string | undefined;
  /** Since when the account is signed in there, however often its owner signed in anew. */
  readonly since: Date;
  /** The latest sign-in there. */
  readonly signedInAt: Date;
  /** About when it was used last: signed in, let an app in, or had an app fetch new tokens. */
  readonly lastSeenAt: Date;
  readonly acr: string | undefined;
  readonly amr: readonly string[];
  /** The apps that were signed in to with it. */
  readonly clientIds: readonly string[];
}

interface LiveRow {
  readonly uid: string;
  readonly browser: string | null;
  readonly issued_at: string;
  readonly login_ts: string;
  readonly seen: string;
  readonly acr: string | null;
  readonly amr: readonly string[] | null;
  readonly apps: readonly string[] | null;
}

/** A stretch of a list of sessions: as many as these at most, and those after this one. */
export interface Stretch {
  readonly limit: number;
  /** The last one that was read. */
  readonly after?: Pick<LiveSession, 'uid' | 'signedInAt'> | undefined;
}

/** The statement behind `listLiveSessions`. */
export const LIST_LIVE_SESSIONS = `
  SELECT s.uid, encode(s.browser, 'hex') AS browser, s.issued_at, s.login_ts, s.acr, s.amr,
    (SELECT array_agg(app ORDER BY app) FROM jsonb_object_keys(s.authorizations) app) AS apps,
    greatest(s.login_ts,
      (SELECT max(greatest(g.issued_at, (SELECT max(t.issued_at) FROM refresh_tokens t WHERE t.grant_id = g.id)))
       FROM jsonb_each(s.authorizations) app JOIN grants g ON g.id = app.value ->> 'grantId')) AS seen
  FROM sessions s
  WHERE s.account_id = :accountId::uuid AND s.ended_at IS NULL AND s.expires_at > extract(epoch FROM now())
    AND (s.login_ts, s.uid) < (:from::bigint, :uid)
  ORDER BY s.login_ts DESC, s.uid DESC LIMIT :limit`;

const MOST = 200;
/* After every session that there can be. */
const ALL = { signedInAt: new Date(8.64e15), uid: '' };

/** The live sessions of an account, the latest sign-in first. */
export async function listLiveSessions(
  db: Db,
  accountId: string,
  { limit, after = ALL }: Stretch = { limit: MOST },
): Promise<readonly LiveSession[]> {
  const { rows } = await db.raw<{ rows: LiveRow[] }>(LIST_LIVE_SESSIONS, {
    accountId,
    from: Math.floor(after.signedInAt.getTime() / 1000),
    uid: after.uid,
    limit: Math.min(limit, MOST),
  });
  return rows.map(row => ({
    uid: row.uid,
    accountId,
    browser: row.browser ?? undefined,
    since: seconds(row.issued_at),
    signedInAt: seconds(row.login_ts),
    lastSeenAt: seconds(row.seen),
    acr: row.acr ?? undefined,
    amr: row.amr ?? [],
    clientIds: row.apps ?? [],
  }));
}

const seconds = (at: string) => new Date(Number(at) * 1000);
