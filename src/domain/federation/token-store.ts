import type { Db, Tx } from '../../platform/storage/db.js';

/** Tokens as they are kept: those of one link at its provider. */
export interface KeptTokens {
  readonly linkId: string;
  readonly providerId: string;
  readonly sealed: Buffer;
  readonly keptAt: Date;
}

interface TokensRow {
  readonly link_id: string;
  readonly provider_id: string;
  readonly sealed: Buffer;
  readonly kept_at: Date;
}

const COLUMNS = 'link_id, provider_id, sealed, kept_at';

const present = (row: TokensRow): KeptTokens => ({
  linkId: row.link_id,
  providerId: row.provider_id,
  sealed: row.sealed,
  keptAt: row.kept_at,
});

/** Keeps the tokens of a link, in the place of those before. */
export async function upsertTokens(tx: Tx, accountId: string, tokens: KeptTokens): Promise<void> {
  await tx.raw(
    `INSERT INTO federated_tokens (account_id, ${COLUMNS}) VALUES (:accountId, :linkId, :providerId, :sealed, :keptAt)
     ON CONFLICT (account_id, link_id) DO UPDATE SET sealed = excluded.sealed, kept_at = excluded.kept_at`,
    { accountId, ...tokens },
  );
}

/** What is kept of an account at a provider, the latest first. */
export async function listTokens(
  db: Db,
  accountId: string,
  providerId: string,
): Promise<readonly KeptTokens[]> {
  const { rows } = await db.raw<{ rows: TokensRow[] }>(
    `SELECT ${COLUMNS} FROM federated_tokens WHERE account_id = ? AND provider_id = ? ORDER BY kept_at DESC, link_id LIMIT 100`,
    [accountId, providerId],
  );
  return rows.map(present);
}

/** Takes away what is kept of an account, of one link alone where it is named, a batch at a time; gives what that was. */
export async function takeTokens(
  tx: Tx,
  { accountId, linkId }: { readonly accountId: string; readonly linkId?: string },
  most: number,
): Promise<readonly KeptTokens[]> {
  const { rows } = await tx.raw<{ rows: TokensRow[] }>(
    `DELETE FROM federated_tokens WHERE account_id = :accountId AND link_id IN (SELECT link_id FROM federated_tokens
       WHERE account_id = :accountId AND (CAST(:linkId AS uuid) IS NULL OR link_id = :linkId) LIMIT :most FOR UPDATE)
     RETURNING ${COLUMNS}`,
    { accountId, linkId: linkId ?? null, most },
  );
  return rows.map(present);
}
