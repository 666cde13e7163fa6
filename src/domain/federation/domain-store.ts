import type { Db, Tx } from '../../platform/storage/db.js';
import type { DomainState, FederatedDomain, Realm } from './domain.js';

/** A domain with what its record is made from. */
export interface DomainRow extends FederatedDomain {
  readonly nonce: string;
}

const COLUMNS = `d.domain, d.provider_id AS "providerId", d.state, d.required, d.except_roles AS "exceptRoles", d.nonce,
  d.added_at AS "addedAt", d.verified_at AS "verifiedAt", d.seen_at AS "seenAt", d.checked_at AS "checkedAt"`;

type Named = Pick<FederatedDomain, 'domain' | 'providerId'>;

/** A claim of a provider to a domain. */
export async function findDomain(db: Db, { domain, providerId }: Named): Promise<DomainRow | undefined> {
  const { rows } = await db.raw<{ rows: DomainRow[] }>(
    `SELECT ${COLUMNS} FROM federated_domains d WHERE d.domain = ? AND d.provider_id = ?`,
    [domain, providerId],
  );
  return rows[0];
}

/** The claims to domains, by domain and provider; from after one on, or of one domain or provider. */
export async function listDomains(
  db: Db,
  which: {
    readonly domain?: string;
    readonly providerId?: string;
    readonly after?: Named;
    readonly limit: number;
  },
): Promise<readonly DomainRow[]> {
  const { rows } = await db.raw<{ rows: DomainRow[] }>(
    `SELECT ${COLUMNS} FROM federated_domains d
     WHERE (:domain::text IS NULL OR d.domain = :domain) AND (:provider::text IS NULL OR d.provider_id = :provider)
       AND (:after::text IS NULL OR (d.domain, d.provider_id) > (:after, :afterProvider))
     ORDER BY d.domain, d.provider_id LIMIT :limit`,
    {
      domain: which.domain ?? null,
      provider: which.providerId ?? null,
      after: which.after?.domain ?? null,
      afterProvider: which.after?.providerId ?? null,
      limit: which.limit,
    },
  );
  return rows;
}

/** Puts a claim down, or says anew what it demands; gives whether it is a new one. */
export async function upsertDomain(
  tx: Tx,
  {
    domain,
    providerId,
    required,
    exceptRoles,
    nonce,
    addedAt,
  }: Omit<DomainRow, 'state' | 'verifiedAt' | 'seenAt' | 'checkedAt'>,
): Promise<boolean> {
  const { rows } = await tx.raw<{ rows: { isNew: boolean }[] }>(
    `INSERT INTO federated_domains (domain, provider_id, state, required, except_roles, nonce, added_at)
     VALUES (?, ?, 'pending', ?, ?, ?, ?)
     ON CONFLICT (domain, provider_id) DO UPDATE SET required = excluded.required, except_roles = excluded.except_roles
     RETURNING xmax = 0 AS "isNew"`,
    [domain, providerId, required, [...exceptRoles], nonce, addedAt],
  );
  return rows[0]?.isNew === true;
}

/** Notes what looking for a record gave, of a claim in one of these states; false where it is in none of them, or gone. */
export async function updateDomain(
  tx: Tx,
  { domain, providerId }: Named,
  from: readonly DomainState[],
  to: Partial<Pick<FederatedDomain, 'state' | 'verifiedAt' | 'seenAt'>> & { readonly checkedAt: Date },
): Promise<boolean> {
  const { rowCount } = await tx.raw<{ rowCount: number }>(
    `UPDATE federated_domains SET state = coalesce(:state, state), verified_at = coalesce(:verifiedAt, verified_at),
       seen_at = coalesce(:seenAt, seen_at), checked_at = :checkedAt
     WHERE domain = :domain AND provider_id = :providerId AND state = ANY (:from)`,
    { state: null, verifiedAt: null, seenAt: null, ...to, domain, providerId, from: [...from] },
  );
  return rowCount > 0;
}

/** Takes a claim away; false where there is none. */
export async function deleteDomain(tx: Tx, { domain, providerId }: Named): Promise<boolean> {
  return (await tx('federated_domains').where({ domain, provider_id: providerId }).delete()) > 0;
}

/** Ends what is under way with a provider, since its word counts for less now: whoever came by it begins anew. */
export async function outdateTrips(tx: Tx, providerId: string): Promise<void> {
  await tx.raw('UPDATE identity_providers SET version = version + 1 WHERE id = ?', [providerId]);
}

/** The claims that are to be checked again: verified, and looked at last before this moment. */
export async function listUnchecked(db: Db, before: Date, limit: number): Promise<readonly DomainRow[]> {
  const { rows } = await db.raw<{ rows: DomainRow[] }>(
    `SELECT ${COLUMNS} FROM federated_domains d WHERE d.state = 'verified' AND coalesce(d.checked_at, d.added_at) < ?
     ORDER BY coalesce(d.checked_at, d.added_at), d.domain LIMIT ?`,
    [before, limit],
  );
  return rows;
}

/** So many are held in memory. */
export const MOST_REALMS = 10_000;

const REALMS = `SELECT d.domain, d.provider_id AS "providerId", d.required, d.except_roles AS "exceptRoles"
  FROM federated_domains d JOIN identity_providers p ON p.id = d.provider_id
  WHERE d.state = 'verified' AND p.state = 'enabled'`;

/** Where addresses of a domain lead at this moment. */
export async function findRealm(db: Db, domain: string): Promise<Realm | undefined> {
  const { rows } = await db.raw<{ rows: Realm[] }>(`${REALMS} AND d.domain = ?`, [domain]);
  return rows[0];
}

/** Every domain whose addresses lead somewhere. */
export async function listRealms(db: Db): Promise<readonly Realm[]> {
  const { rows } = await db.raw<{ rows: Realm[] }>(`${REALMS} ORDER BY d.domain LIMIT ${MOST_REALMS}`);
  return rows;
}
