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
