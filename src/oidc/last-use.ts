import type { Db } from '../platform/storage/db.js';
import { lastEvents } from '../platform/storage/events.js';

/**
 * When each of these accounts was last used, as far as anybody can tell: signed in, let an app in, or had an app fetch new
 * tokens. Read from what is there anyway, so that no request writes for it; nothing for who never was.
 */
export async function lastUses(db: Db, accountIds: readonly string[]): Promise<ReadonlyMap<string, Date>> {
  const { rows } = await db.raw<{ rows: { id: string; seconds: string | null }[] }>(
    `SELECT a.id, greatest(
       (SELECT max(s.login_ts) FROM sessions s WHERE s.account_id = a.id),
       (SELECT max(g.issued_at) FROM grants g WHERE g.account_id = a.id),
       (SELECT max(t.issued_at) FROM grants g JOIN refresh_tokens t ON t.grant_id = g.id WHERE g.account_id = a.id)
     ) AS seconds FROM unnest(?::uuid[]) AS a(id)`,
    [[...accountIds]],
  );
  const signedIn = await lastEvents(db, accountIds, 'session.authenticated');
  const uses = new Map(signedIn);
  for (const { id, seconds } of rows) {
    const at = new Date(Number(seconds ?? 0) * 1000);
    if (at > (uses.get(id) ?? new Date(0))) uses.set(id, at);
  }
  return uses;
}

/** An app that somebody uses or used, and when last, as far as anybody can tell. */
export interface UsedApp {
  readonly clientId: string;
  readonly name: string;
  /** It is the organisation's own. */
  readonly firstParty: boolean;
  readonly hasLogo: boolean;
  readonly usedAt: Date;
}

/* So many sign-ins are looked at: the apps of somebody who signs in oftener are known by what they hold. */
const RECENT = 500;

/** The statement behind `lastUsesByApp`. */
export const USES_BY_APP = `WITH held AS (
    SELECT g.client_id, greatest(g.issued_at, t.issued_at) AS seconds FROM grants g
    LEFT JOIN LATERAL (SELECT max(r.issued_at) AS issued_at FROM refresh_tokens r WHERE r.grant_id = g.id) t ON true
    WHERE g.account_id = :accountId
  ), happened AS (
    ${['session.authenticated', 'app.entered']
      .map(
        type => `(SELECT client_id, at FROM events WHERE account_id = :accountId AND type = '${type}'
      ORDER BY id DESC LIMIT ${RECENT})`,
      )
      .join(' UNION ALL ')}
  ), used AS (
    SELECT client_id, max(at) AS at FROM (
      SELECT client_id, to_timestamp(seconds) AS at FROM held UNION ALL SELECT client_id, at FROM happened
    ) each WHERE CAST(:clientId AS text) IS NULL OR client_id = CAST(:clientId AS text) GROUP BY client_id
  )
  SELECT u.client_id AS "clientId", n.name, n.first_party AS "firstParty", n.has_logo AS "hasLogo", u.at AS "usedAt"
  FROM used u JOIN client_names n ON n.client_id = u.client_id ORDER BY n.name, u.client_id LIMIT ${RECENT}`;

/**
 * The apps that somebody signed in to, or that fetched new tokens, and when each last did: of all, or of one. Read from what
 * is there anyway; of one that only asks with the tokens that it has, this is when it got them.
 */
export async function lastUsesByApp(
  db: Db,
  accountId: string,
  clientId?: string,
): Promise<readonly UsedApp[]> {
  const { rows } = await db.raw<{ rows: UsedApp[] }>(USES_BY_APP, { accountId, clientId: clientId ?? null });
  return rows;
}
