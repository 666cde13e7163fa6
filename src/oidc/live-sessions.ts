import type { Keyring } from '../platform/crypto/keyring.js';
import type { Db } from '../platform/storage/db.js';
import { type Origin, openOrigin } from '../platform/storage/origin.js';
import { originContext } from './session-row.js';

/** A session of an account that has neither ended nor expired. */
export interface LiveSession {
  readonly uid: string;
  readonly accountId: string;
  /** Names the browser or phone that it lives in: the same after each sign-in there. */
  readonly device: string;
  /** A later sign-in on the same device made another session; this one was left behind. */
  readonly replaced: boolean;
  /** Names the browser that it lives in: everybody's sessions there have the same; undefined where nobody knows. */
  readonly browser: string | undefined;
  /** Since when the account knows the device, however often its owner signed in anew. */
  readonly since: Date;
  /** The latest sign-in there. */
  readonly signedInAt: Date;
  /** About when it was used last: signed in, let an app in, or had an app fetch new tokens. */
  readonly lastSeenAt: Date;
  /** From where the latest sign-in came; only with a keyring, and as long as the account has its key. */
  readonly origin: Origin | undefined;
  readonly acr: string | undefined;
  readonly amr: readonly string[];
  /** The apps that were signed in to with it. */
  readonly clientIds: readonly string[];
}

interface LiveRow {
  readonly uid: string;
  readonly device: string;
  readonly replaced: boolean;
  readonly browser: string | null;
  readonly first_seen_at: Date | null;
  readonly issued_at: string;
  readonly login_ts: string;
  readonly seen: string;
  readonly origin: Buffer | null;
  readonly key: Buffer | null;
  readonly acr: string | null;
  readonly amr: readonly string[] | null;
  readonly apps: readonly string[] | null;
}

/** Which live sessions are listed: as many as these at most, and those after this one. */
export interface Stretch {
  readonly limit?: number;
  /** The last one that was read. */
  readonly after?: Pick<LiveSession, 'uid' | 'signedInAt'> | undefined;
  /** Those of this device alone. */
  readonly device?: string;
  /** This one comes first, wherever it would lie. */
  readonly first?: string | undefined;
  readonly keyring?: Keyring;
}

const LIVES = 'ended_at IS NULL AND expires_at > extract(epoch FROM now())';

/** The statement behind `listLiveSessions`; from the index alone, however many there are. */
export const LIST_LIVE_SESSIONS = `
  WITH page AS (
    (SELECT * FROM sessions s WHERE s.uid = :first AND s.account_id = :accountId::uuid AND ${LIVES} AND :uid = '')
    UNION ALL
    (SELECT * FROM sessions s
     WHERE s.account_id = :accountId::uuid AND ${LIVES} AND (s.login_ts, s.uid) < (:from::bigint, :uid)
       AND s.uid IS DISTINCT FROM :first AND (:device::text IS NULL OR coalesce(s.device::text, s.uid) = :device)
     ORDER BY s.login_ts DESC, s.uid DESC LIMIT :limit))
  SELECT s.uid, coalesce(s.device::text, s.uid) AS device, encode(s.browser, 'hex') AS browser, s.first_seen_at, s.issued_at,
    s.login_ts, s.acr, s.amr, s.origin,
    (SELECT k.sealed FROM subject_keys k WHERE k.account_id = :accountId::uuid) AS key,
    EXISTS (SELECT FROM sessions n WHERE n.account_id = s.account_id AND n.device = s.device AND ${LIVES}
      AND (n.login_ts, n.uid) > (s.login_ts, s.uid)) AS replaced,
    (SELECT array_agg(app ORDER BY app) FROM jsonb_object_keys(s.authorizations) app) AS apps,
    greatest(s.login_ts,
      (SELECT max(used.at) FROM jsonb_each(s.authorizations) app CROSS JOIN LATERAL (
         SELECT greatest(g.issued_at, (SELECT max(t.issued_at) FROM refresh_tokens t WHERE t.grant_id = g.id)) AS at
         FROM grants g WHERE g.id = app.value ->> 'grantId' LIMIT 1) used)) AS seen
  FROM page s ORDER BY s.uid IS NOT DISTINCT FROM :first DESC, s.login_ts DESC, s.uid DESC LIMIT :limit`;

const MOST = 200;
/* After every session that there can be. */
const ALL = { signedInAt: new Date(8.64e15), uid: '' };

/** The live sessions of an account, the latest sign-in first. */
export async function listLiveSessions(
  db: Db,
  accountId: string,
  { limit = MOST, after = ALL, device, first, keyring }: Stretch = {},
): Promise<readonly LiveSession[]> {
  const { rows } = await db.raw<{ rows: LiveRow[] }>(LIST_LIVE_SESSIONS, {
    accountId,
    device: device ?? null,
    first: first ?? null,
    from: Math.floor(after.signedInAt.getTime() / 1000),
    uid: after.uid,
    limit: Math.min(limit, MOST),
  });
  return rows.map(row => presented(accountId, row, keyring));
}

function presented(accountId: string, row: LiveRow, keyring: Keyring | undefined): LiveSession {
  const { uid, device, replaced, browser, first_seen_at, issued_at, login_ts, seen, acr, amr, apps } = row;
  const { origin: sealed, key } = row;
  return {
    uid,
    accountId,
    device,
    replaced,
    browser: browser ?? undefined,
    since: first_seen_at ?? seconds(issued_at),
    signedInAt: seconds(login_ts),
    lastSeenAt: seconds(seen),
    origin:
      keyring && sealed && key
        ? openOrigin(keyring, { id: originContext(uid), accountId, sealed, key })
        : undefined,
    acr: acr ?? undefined,
    amr: amr ?? [],
    clientIds: apps ?? [],
  };
}

const seconds = (at: string) => new Date(Number(at) * 1000);
