import type { Keyring } from '../crypto/keyring.js';
import type { Db } from './db.js';
import { type Origin, openOrigin } from './origin.js';

/** What happened about an account, as it is read back. */
export interface PastEvent {
  readonly id: string;
  readonly at: Date;
  readonly type: string;
  readonly actorKind: string;
  readonly clientId: string | undefined;
  readonly detail: Readonly<Record<string, unknown>>;
  /** Where it came from; nobody knows any more once the account's key is destroyed. */
  readonly origin: Origin | undefined;
}

interface PastRow {
  readonly id: string;
  readonly at: Date;
  readonly type: string;
  readonly actor_kind: string;
  readonly client_id: string | null;
  readonly detail: PastEvent['detail'];
  readonly sealed: Buffer | null;
  readonly key: Buffer | null;
}

const MOST = 200;

/** What happened about an account, newest first; `before` is the id of the last one that was read. */
export async function readEvents(
  db: Db,
  keyring: Keyring,
  { accountId, before, limit = 50 }: { accountId: string; before?: string; limit?: number },
): Promise<readonly PastEvent[]> {
  const { rows } = await db.raw<{ rows: PastRow[] }>(
    `SELECT e.id, e.at, e.type, e.actor_kind, e.client_id, e.detail, e.sealed, k.sealed AS key
     FROM events e LEFT JOIN subject_keys k ON k.account_id = e.account_id
     WHERE e.account_id = :accountId AND (:before::uuid IS NULL OR e.id < :before::uuid)
     ORDER BY e.id DESC LIMIT :limit`,
    { accountId, before: before ?? null, limit: Math.min(limit, MOST) },
  );
  return rows.map(({ id, at, type, actor_kind, client_id, detail, sealed, key }) => ({
    id,
    at,
    type,
    actorKind: actor_kind,
    clientId: client_id ?? undefined,
    detail,
    origin: sealed && key ? openOrigin(keyring, { id, accountId, sealed, key }) : undefined,
  }));
}
