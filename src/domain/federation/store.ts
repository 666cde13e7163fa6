import type { Db, Tx } from '../../platform/storage/db.js';
import { type IdentityProvider, mappingSchema, type ProviderKind } from './provider.js';

interface ProviderRow {
  readonly id: string;
  readonly kind: ProviderKind;
  readonly state: 'enabled' | 'disabled';
  readonly name: string;
  readonly preset: string | null;
  readonly place: number;
  readonly settings: Readonly<Record<string, unknown>>;
  readonly mapping: unknown;
  readonly origins: readonly string[];
  readonly version: string;
  readonly updated_at: Date;
}

const COLUMNS = 'id, kind, state, name, preset, place, settings, mapping, origins, version, updated_at';

/** So many providers there may be. */
export const MOST_PROVIDERS = 200;

function present({ preset, mapping, version, updated_at, ...row }: ProviderRow): IdentityProvider {
  return {
    ...row,
    preset: preset ?? undefined,
    mapping: mappingSchema.parse(mapping),
    version: Number(version),
    updatedAt: updated_at,
  };
}

/** Every provider, in the order of their buttons. */
export async function listProviders(db: Db): Promise<readonly IdentityProvider[]> {
  const { rows } = await db.raw<{ rows: ProviderRow[] }>(
    `SELECT ${COLUMNS} FROM identity_providers ORDER BY place, id LIMIT ${MOST_PROVIDERS}`,
  );
  return rows.map(present);
}

/** A provider as it stands at this moment. */
export async function findProvider(db: Db, id: string): Promise<IdentityProvider | undefined> {
  const { rows } = await db.raw<{ rows: ProviderRow[] }>(
    `SELECT ${COLUMNS} FROM identity_providers WHERE id = ?`,
    [id],
  );
  return rows[0] && present(rows[0]);
}

/** The same with what is secret about it, sealed. */
export async function findWithSecrets(
  db: Db,
  id: string,
): Promise<{ readonly provider: IdentityProvider; readonly sealed: Buffer | undefined } | undefined> {
  const { rows } = await db.raw<{ rows: (ProviderRow & { secrets: Buffer | null })[] }>(
    `SELECT ${COLUMNS}, secrets FROM identity_providers WHERE id = ?`,
    [id],
  );
  const [row] = rows;
  if (!row) return undefined;
  const { secrets, ...rest } = row;
  return { provider: present(rest), sealed: secrets ?? undefined };
}

/** What is written of a provider. */
export interface WrittenProvider {
  readonly id: string;
  readonly kind: ProviderKind;
  readonly state: 'enabled' | 'disabled';
  readonly name: string;
  readonly preset: string | undefined;
  readonly place: number;
  readonly settings: object;
  readonly mapping: object;
  /** Undefined leaves those that are there. */
  readonly secrets: Buffer | undefined;
  readonly at: Date;
}

/* One that comes back under its name is another one to whoever is still on a trip that began before it went. */
const NEW_VERSION = 'CAST(extract(epoch FROM clock_timestamp()) * 1000 AS bigint)';

/** Keeps a provider or what it is now; says which, or that nothing is different. What is sealed anew counts as different. */
export async function upsertProvider(
  tx: Tx,
  written: WrittenProvider,
): Promise<'inserted' | 'updated' | 'unchanged'> {
  const { rows } = await tx.raw<{ rows: { inserted: boolean }[] }>(
    `INSERT INTO identity_providers AS p
       (id, kind, state, name, preset, place, settings, mapping, secrets, version, created_at, updated_at)
     VALUES (:id, :kind, :state, :name, :preset, :place, CAST(:settings AS jsonb), CAST(:mapping AS jsonb),
       CAST(:secrets AS bytea), ${NEW_VERSION}, :at, :at)
     ON CONFLICT (id) DO UPDATE SET kind = excluded.kind, state = excluded.state, name = excluded.name,
       preset = excluded.preset, place = excluded.place, settings = excluded.settings, mapping = excluded.mapping,
       secrets = coalesce(excluded.secrets, p.secrets), origins = '{}', version = p.version + 1, updated_at = excluded.updated_at
     WHERE (p.kind, p.state, p.name, p.preset, p.place, p.settings, p.mapping)
       IS DISTINCT FROM (excluded.kind, excluded.state, excluded.name, excluded.preset, excluded.place, excluded.settings,
         excluded.mapping) OR excluded.secrets IS NOT NULL
     RETURNING p.xmax = 0 AS inserted`,
    {
      ...written,
      preset: written.preset ?? null,
      settings: JSON.stringify(written.settings),
      mapping: JSON.stringify(written.mapping),
      secrets: written.secrets ?? null,
    },
  );
  if (!rows[0]) return 'unchanged';
  return rows[0].inserted ? 'inserted' : 'updated';
}

/** Enables or disables a provider; false when it was so already, or there is none. */
export async function updateProviderState(
  tx: Tx,
  id: string,
  state: 'enabled' | 'disabled',
  at: Date,
): Promise<boolean> {
  const { rowCount } = await tx.raw<{ rowCount: number }>(
    `UPDATE identity_providers SET state = :state, version = version + 1, updated_at = :at
     WHERE id = :id AND state <> :state`,
    { id, state, at },
  );
  return rowCount === 1;
}

/** Notes where the pages of a provider were found; that is no change of it. */
export async function addOrigin(tx: Tx, id: string, origin: string): Promise<void> {
  await tx.raw(
    `UPDATE identity_providers SET origins = array_append(origins, CAST(:origin AS text))
     WHERE id = :id AND NOT CAST(:origin AS text) = ANY (origins) AND cardinality(origins) < 10`,
    { id, origin },
  );
}

/** Removes a provider; false when there is none. */
export async function removeProvider(tx: Tx, id: string): Promise<boolean> {
  return (await tx('identity_providers').where({ id }).delete()) === 1;
}
