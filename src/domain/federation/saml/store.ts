import type { Db, Tx } from '../../../platform/storage/db.js';

/** A key as it is kept. */
export interface KeptKey {
  readonly use: 'signing' | 'encryption';
  readonly generation: number;
  readonly sealed: Buffer;
  readonly certificate: string;
  readonly createdAt: Date;
  readonly signsFrom: Date;
  readonly retiresAt: Date | undefined;
}

interface KeyRow {
  readonly use: KeptKey['use'];
  readonly generation: number;
  readonly sealed: Buffer;
  readonly certificate: string;
  readonly created_at: Date;
  readonly signs_from: Date;
  readonly retires_at: Date | null;
}

/** The keys towards a provider that have not retired, the newest first. */
export async function listKeys(db: Db, providerId: string, now: Date): Promise<readonly KeptKey[]> {
  const { rows } = await db.raw<{ rows: KeyRow[] }>(
    `SELECT use, generation, sealed, certificate, created_at, signs_from, retires_at FROM federated_saml_keys
     WHERE provider_id = :providerId AND (retires_at IS NULL OR retires_at > :now) ORDER BY generation DESC LIMIT 20`,
    { providerId, now },
  );
  return rows.map(({ created_at, signs_from, retires_at, ...row }) => ({
    ...row,
    createdAt: created_at,
    signsFrom: signs_from,
    retiresAt: retires_at ?? undefined,
  }));
}

/** Keeps a key, unless there is one of that generation already; says whether it did. */
export async function insertKey(
  db: Db | Tx,
  providerId: string,
  key: Omit<KeptKey, 'retiresAt'>,
): Promise<boolean> {
  const { rowCount } = await db.raw<{ rowCount: number }>(
    `INSERT INTO federated_saml_keys (provider_id, use, generation, sealed, certificate, created_at, signs_from)
     VALUES (:providerId, :use, :generation, :sealed, :certificate, :createdAt, :signsFrom) ON CONFLICT DO NOTHING`,
    { providerId, ...key },
  );
  return rowCount === 1;
}

/** Says when the keys before a generation retire, where nobody said so yet. */
export async function retireBefore(tx: Tx, providerId: string, generation: number, at: Date): Promise<void> {
  await tx.raw(
    `UPDATE federated_saml_keys SET retires_at = :at WHERE provider_id = :providerId AND generation < :generation
     AND retires_at IS NULL`,
    { providerId, generation, at },
  );
}

/** What a provider said about itself, as it is kept. */
export interface KeptMetadata {
  readonly providerId: string;
  readonly source: Buffer;
  readonly entityId: string;
  readonly said: object;
  readonly readAt: Date;
  readonly validUntil: Date | undefined;
  readonly refreshAt: Date | undefined;
  readonly failingSince: Date | undefined;
}

interface MetadataRow {
  readonly provider_id: string;
  readonly source: Buffer;
  readonly entity_id: string;
  readonly said: object;
  readonly read_at: Date;
  readonly valid_until: Date | null;
  readonly refresh_at: Date | null;
  readonly failing_since: Date | null;
}

const METADATA = 'provider_id, source, entity_id, said, read_at, valid_until, refresh_at, failing_since';

const presentMetadata = (row: MetadataRow): KeptMetadata => ({
  providerId: row.provider_id,
  source: row.source,
  entityId: row.entity_id,
  said: row.said,
  readAt: row.read_at,
  validUntil: row.valid_until ?? undefined,
  refreshAt: row.refresh_at ?? undefined,
  failingSince: row.failing_since ?? undefined,
});

/** What a provider said about itself, if it was read. */
export async function findMetadata(db: Db, providerId: string): Promise<KeptMetadata | undefined> {
  const { rows } = await db.raw<{ rows: MetadataRow[] }>(
    `SELECT ${METADATA} FROM federated_saml_metadata WHERE provider_id = :providerId`,
    { providerId },
  );
  return rows[0] && presentMetadata(rows[0]);
}

/** The providers whose metadata should be read again, the longest due first. */
export async function listDueMetadata(db: Db, now: Date): Promise<readonly KeptMetadata[]> {
  const { rows } = await db.raw<{ rows: MetadataRow[] }>(
    `SELECT ${METADATA} FROM federated_saml_metadata WHERE refresh_at <= :now ORDER BY refresh_at, provider_id LIMIT 50`,
    { now },
  );
  return rows.map(presentMetadata);
}

/** Keeps what a provider said last. */
export async function putMetadata(
  db: Db | Tx,
  { said, validUntil, refreshAt, ...kept }: Omit<KeptMetadata, 'failingSince'>,
): Promise<void> {
  await db.raw(
    `INSERT INTO federated_saml_metadata (provider_id, source, entity_id, said, read_at, valid_until, refresh_at)
     VALUES (:providerId, :source, :entityId, :said::jsonb, :readAt, :validUntil, :refreshAt)
     ON CONFLICT (provider_id) DO UPDATE SET source = excluded.source, entity_id = excluded.entity_id,
       said = excluded.said, read_at = excluded.read_at, valid_until = excluded.valid_until,
       refresh_at = excluded.refresh_at, failing_since = NULL`,
    { ...kept, said: JSON.stringify(said), validUntil: validUntil ?? null, refreshAt: refreshAt ?? null },
  );
}

/** Puts off reading again what could not be read, and says since when; true when it was well before. */
export async function noteMetadataFailure(
  tx: Tx,
  providerId: string,
  at: Date,
  again: Date,
): Promise<boolean> {
  const { rows } = await tx.raw<{ rows: { first: boolean }[] }>(
    `UPDATE federated_saml_metadata SET refresh_at = :again, failing_since = coalesce(failing_since, :at)
     WHERE provider_id = :providerId RETURNING failing_since = :at AS first`,
    { providerId, at, again },
  );
  return rows[0]?.first ?? false;
}

/** Remembers that a message came; false when it came before. */
export async function see(
  db: Db | Tx,
  providerId: string,
  idDigest: Buffer,
  expiresAt: Date,
): Promise<boolean> {
  const { rowCount } = await db.raw<{ rowCount: number }>(
    `INSERT INTO federated_saml_seen (provider_id, id_digest, expires_at) VALUES (:providerId, :idDigest, :expiresAt)
     ON CONFLICT DO NOTHING`,
    { providerId, idDigest, expiresAt },
  );
  return rowCount === 1;
}

/** Somebody on their way to sign out at a provider as well. */
export interface KeptLogout {
  readonly stateDigest: Buffer;
  readonly providerId: string;
  readonly returnTo: string;
  readonly expiresAt: Date;
}

/** Keeps where somebody goes on who is sent to sign out elsewhere. */
export async function insertLogout(db: Db | Tx, logout: KeptLogout): Promise<void> {
  await db.raw(
    `INSERT INTO federated_saml_logouts (state_digest, provider_id, return_to, expires_at)
     VALUES (:stateDigest, :providerId, :returnTo, :expiresAt)`,
    { ...logout },
  );
}

/** Where somebody goes on who comes back from signing out, once. */
export async function useLogout(
  db: Db | Tx,
  providerId: string,
  stateDigest: Buffer,
  now: Date,
): Promise<string | undefined> {
  const { rows } = await db.raw<{ rows: { return_to: string }[] }>(
    `UPDATE federated_saml_logouts SET used_at = :now WHERE state_digest = :stateDigest AND provider_id = :providerId
       AND used_at IS NULL AND expires_at > :now RETURNING return_to`,
    { stateDigest, providerId, now },
  );
  return rows[0]?.return_to;
}

/** Forgets so much of what has had its time, and no more; says how much that was. */
export async function removeOld(tx: Tx, now: Date, most: number): Promise<number> {
  let removed = 0;
  for (const [table, end] of ENDS) {
    const { rowCount } = await tx.raw<{ rowCount: number }>(
      'DELETE FROM ?? WHERE ctid = ANY (ARRAY(SELECT ctid FROM ?? WHERE ?? <= ? LIMIT ?))',
      [table, table, end, now, most - removed],
    );
    removed += rowCount;
  }
  return removed;
}

const ENDS = [
  ['federated_saml_seen', 'expires_at'],
  ['federated_saml_logouts', 'expires_at'],
  ['federated_saml_keys', 'retires_at'],
] as const;
