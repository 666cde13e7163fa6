import type { Db } from '../platform/storage/db.js';
import type { Work } from '../platform/storage/work.js';
import { BACKCHANNEL_LOGOUT } from './session-ending.js';

/* Sessions are taken before grants, as where one ends; by their ids, so that two who do this never wait for each other. */
const END_ACCESS = `WITH held AS MATERIALIZED (
    SELECT uid, authorizations -> CAST(:clientId AS text) ->> 'sid' AS sid FROM sessions
    WHERE account_id = :accountId AND ended_at IS NULL AND jsonb_exists(authorizations, :clientId) ORDER BY uid FOR UPDATE),
  left_behind AS (UPDATE sessions s SET authorizations = s.authorizations - CAST(:clientId AS text), version = version + 1
    FROM held WHERE s.uid = held.uid),
  gone AS (DELETE FROM grants WHERE account_id = :accountId AND client_id = :clientId)
  SELECT sid FROM held WHERE sid IS NOT NULL`;

/**
 * Ends all that an app holds about somebody, in the caller's transaction: grants with their codes and tokens, of all sessions
 * and devices and those that outlive sessions; no session knows the app any more, so that the next request is answered as
 * the first was; and the app is told that the sign-ins to it are over.
 */
export async function endAppAccess(work: Work, accountId: string, clientId: string): Promise<void> {
  const { rows } = await work.tx.raw<{ rows: { sid: string }[] }>(END_ACCESS, { accountId, clientId });
  for (const { sid } of rows) {
    work.enqueue({ name: BACKCHANNEL_LOGOUT, payload: { clientId, accountId, sid } });
  }
}

/* More apps than that hold nothing of one person. */
const MOST_APPS = 2_000;

/** The apps that hold a grant of somebody; `name` undefined for one that is gone. */
export async function listApps(
  db: Db,
  accountId: string,
): Promise<readonly { readonly clientId: string; readonly name: string | undefined }[]> {
  const { rows } = await db.raw<{ rows: { clientId: string; name: string | null }[] }>(
    `SELECT g.client_id AS "clientId", n.name FROM (SELECT DISTINCT client_id FROM grants WHERE account_id = ?
       ORDER BY client_id LIMIT ${MOST_APPS}) g LEFT JOIN client_names n ON n.client_id = g.client_id`,
    [accountId],
  );
  return rows.map(({ clientId, name }) => ({ clientId, name: name ?? undefined }));
}
