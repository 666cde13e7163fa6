import type { Db, Tx } from '../../platform/storage/db.js';

/** Left with the end of the work in which somebody arrived. */
export const INSERT_SESSION = `
  INSERT INTO federated_sessions (account_id, id, provider_id, link_id, name_digest, index_digest, sealed, began_at)
  SELECT account_id, id, provider_id, link_id, decode(name_digest, 'hex'), decode(index_digest, 'hex'),
    CASE WHEN name_digest IS NOT NULL THEN sealed END, began_at
  FROM jsonb_to_recordset(?::jsonb) AS n(account_id uuid, id uuid, provider_id text, link_id uuid, name_digest text,
    index_digest text, sealed bytea, began_at timestamptz)`;

/** A session at a provider, with how it is named there, and the account's key that opens that. */
export interface KeptSession {
  readonly providerId: string;
  readonly sealed: Buffer | undefined;
  readonly key: Buffer | undefined;
}

/** The session of an account at a provider. */
export async function findSession(db: Db, accountId: string, id: string): Promise<KeptSession | undefined> {
  const { rows } = await db.raw<{
    rows: { provider_id: string; sealed: Buffer | null; key: Buffer | null }[];
  }>(
    `SELECT s.provider_id, s.sealed, k.sealed AS key FROM federated_sessions s
     LEFT JOIN subject_keys k ON k.account_id = s.account_id WHERE s.account_id = :accountId AND s.id = :id`,
    { accountId, id },
  );
  const [row] = rows;
  return row && { providerId: row.provider_id, sealed: row.sealed ?? undefined, key: row.key ?? undefined };
}

/** Whose session it is at a provider. */
export interface NamedSession {
  readonly accountId: string;
  readonly id: string;
}

/** Whether what somebody came by stands as it did then: the link, and its provider, enabled and unchanged (C03). */
export async function sessionStands(db: Db, { accountId, id }: NamedSession): Promise<boolean> {
  const { rows } = await db.raw<{ rows: object[] }>(
    `SELECT 1 FROM federated_sessions s
     JOIN federated_links l ON l.account_id = s.account_id AND l.id = s.link_id
     JOIN identity_providers p ON p.id = s.provider_id AND p.state = 'enabled' AND p.updated_at <= s.began_at
     WHERE s.account_id = :accountId AND s.id::text = :id`,
    { accountId, id },
  );
  return rows.length === 1;
}

/** The sessions of somebody that a provider names, the latest first; all of theirs where it names none. */
export async function listNamedSessions(
  db: Db,
  providerId: string,
  nameDigest: Buffer,
  indexDigests: readonly Buffer[],
): Promise<readonly NamedSession[]> {
  const { rows } = await db.raw<{ rows: { account_id: string; id: string }[] }>(
    `SELECT account_id, id FROM federated_sessions WHERE provider_id = :providerId AND name_digest = :nameDigest
       AND (:all OR index_digest = ANY (:indexDigests::bytea[])) ORDER BY began_at DESC, id LIMIT 200`,
    { providerId, nameDigest, indexDigests: [...indexDigests], all: indexDigests.length === 0 },
  );
  return rows.map(row => ({ accountId: row.account_id, id: row.id }));
}

/** The sessions that came by a link of an account. */
export async function listSessionsOfLink(
  db: Db,
  accountId: string,
  linkId: string,
): Promise<readonly string[]> {
  const { rows } = await db.raw<{ rows: { id: string }[] }>(
    `SELECT id FROM federated_sessions WHERE account_id = :accountId AND link_id = :linkId
     ORDER BY began_at DESC, id LIMIT 1000`,
    { accountId, linkId },
  );
  return rows.map(row => row.id);
}

/** Forgets sessions that began before this; so many at most. */
export async function removeOldSessions(tx: Tx, before: Date, most: number): Promise<number> {
  const { rowCount } = await tx.raw<{ rowCount: number }>(
    `DELETE FROM federated_sessions WHERE ctid = ANY (ARRAY(SELECT ctid FROM federated_sessions
     WHERE began_at < :before LIMIT :most))`,
    { before, most },
  );
  return rowCount;
}
