import type { Db, Tx } from '../../platform/storage/db.js';
import { removeRows } from '../../platform/storage/removing.js';
import type { FederatedLink, LinkCameBy } from './link.js';

interface LinkRow {
  readonly account_id: string;
  readonly id: string;
  readonly provider_id: string;
  readonly subject: string;
  readonly came_by: LinkCameBy;
  readonly linked_at: Date;
  readonly last_used_at: Date | null;
  readonly given: Readonly<Record<string, string>>;
}

const COLUMNS =
  'l.account_id, l.id, l.provider_id, l.subject, l.came_by, l.linked_at, l.last_used_at, l.given';

function present(row: LinkRow): FederatedLink {
  return {
    accountId: row.account_id,
    id: row.id,
    providerId: row.provider_id,
    subject: row.subject,
    cameBy: row.came_by,
    linkedAt: row.linked_at,
    lastUsedAt: row.last_used_at ?? undefined,
    given: row.given,
  };
}

/** The link of somebody at a provider. */
export async function findLink(
  db: Db,
  providerId: string,
  subject: string,
): Promise<FederatedLink | undefined> {
  const { rows } = await db.raw<{ rows: LinkRow[] }>(
    `SELECT ${COLUMNS} FROM federated_subjects s JOIN federated_links l ON l.account_id = s.account_id AND l.id = s.link_id
     WHERE s.provider_id = ? AND s.subject = ?`,
    [providerId, subject],
  );
  return rows[0] && present(rows[0]);
}

/** The links of an account, oldest first. */
export async function listLinks(db: Db, accountId: string): Promise<readonly FederatedLink[]> {
  const { rows } = await db.raw<{ rows: LinkRow[] }>(
    `SELECT ${COLUMNS} FROM federated_links l WHERE l.account_id = ? ORDER BY l.linked_at, l.id LIMIT 100`,
    [accountId],
  );
  return rows.map(present);
}

/** The same with what the provider said, sealed under the account's key, and that key. */
export async function listSealedLinks(
  db: Db,
  accountId: string,
): Promise<readonly (FederatedLink & { readonly sealed: Buffer | null; readonly key: Buffer | null })[]> {
  const { rows } = await db.raw<{ rows: (LinkRow & { sealed: Buffer | null; key: Buffer | null })[] }>(
    `SELECT ${COLUMNS}, l.sealed, k.sealed AS key FROM federated_links l
     LEFT JOIN subject_keys k ON k.account_id = l.account_id
     WHERE l.account_id = ? ORDER BY l.linked_at, l.id LIMIT 100`,
    [accountId],
  );
  return rows.map(row => ({ ...present(row), sealed: row.sealed, key: row.key }));
}

/** Says whose somebody at a provider is; false when they are somebody's already, also one's who was as quick. */
export async function insertSubject(
  tx: Tx,
  link: Pick<FederatedLink, 'accountId' | 'id' | 'providerId' | 'subject'>,
): Promise<boolean> {
  const { rowCount } = await tx.raw<{ rowCount: number }>(
    `INSERT INTO federated_subjects (provider_id, subject, account_id, link_id)
     VALUES (:providerId, :subject, :accountId, :id) ON CONFLICT (provider_id, subject) DO NOTHING`,
    { ...link },
  );
  return rowCount === 1;
}

/** A link as it is left with the end of a work; one that is there gets what was said last. */
export const INSERT_LINK = `
  INSERT INTO federated_links AS l (account_id, id, provider_id, subject, came_by, sealed, linked_at, last_used_at, given)
  SELECT account_id, id, provider_id, subject, came_by, sealed, linked_at, last_used_at, given
  FROM jsonb_to_recordset(?::jsonb) AS n(account_id uuid, id uuid, provider_id text, subject text, came_by text,
    sealed bytea, linked_at timestamptz, last_used_at timestamptz, given jsonb)
  ON CONFLICT (account_id, id) DO UPDATE SET sealed = excluded.sealed, last_used_at = excluded.last_used_at,
    given = excluded.given`;

/** Whether a link stands at this moment, which then stays until the transaction is over. */
export async function lockLink(tx: Tx, link: Pick<FederatedLink, 'accountId' | 'id'>): Promise<boolean> {
  const { rows } = await tx.raw<{ rows: object[] }>(
    'SELECT 1 FROM federated_links WHERE account_id = :accountId AND id = :id FOR UPDATE',
    { accountId: link.accountId, id: link.id },
  );
  return rows.length === 1;
}

/** Takes a link away; gives what it was, or undefined when it was not there. */
export async function deleteLink(tx: Tx, accountId: string, id: string): Promise<FederatedLink | undefined> {
  const { rows } = await tx.raw<{ rows: LinkRow[] }>(
    `DELETE FROM federated_links l WHERE l.account_id = :accountId AND l.id = :id RETURNING ${COLUMNS}`,
    { accountId, id },
  );
  if (rows[0]) {
    await tx('federated_subjects')
      .where({ provider_id: rows[0].provider_id, subject: rows[0].subject, account_id: accountId })
      .delete();
  }
  return rows[0] && present(rows[0]);
}

/** How many links of an account let its owner in now: those whose provider may be used. */
export async function countUsableLinks(db: Db, accountId: string): Promise<number> {
  const { rows } = await db.raw<{ rows: { count: number }[] }>(
    `SELECT count(*)::int AS count FROM federated_links l JOIN identity_providers p ON p.id = l.provider_id
     WHERE l.account_id = ? AND p.state = 'enabled'`,
    [accountId],
  );
  return rows[0]?.count ?? 0;
}

/** How many links there are by provider. */
export async function countLinks(db: Db): Promise<ReadonlyMap<string, number>> {
  const { rows } = await db.raw<{ rows: { provider_id: string; links: string }[] }>(
    'SELECT provider_id, count(*) AS links FROM federated_subjects GROUP BY provider_id LIMIT 1000',
  );
  return new Map(rows.map(({ provider_id, links }) => [provider_id, Number(links)]));
}

/** Removes for good, a batch at a time, every link of an account, its sessions at providers and every trip of it that is under way. */
export function forgetFederation(tx: Tx, accountId: string, most: number): Promise<number> {
  const tables = ['federated_requests', 'federated_sessions', 'federated_subjects', 'federated_links'];
  return removeRows(tx, tables, accountId, most);
}

/** Whether anybody is tied to a provider. */
export async function hasLinksTo(db: Db, providerId: string): Promise<boolean> {
  const { rows } = await db.raw<{ rows: unknown[] }>(
    'SELECT 1 FROM federated_subjects WHERE provider_id = ? LIMIT 1',
    [providerId],
  );
  return rows.length > 0;
}
