import { Refusal } from '../../platform/errors.js';
import type { Db, Tx } from '../../platform/storage/db.js';
import type { Client } from './client.js';
import type { ClientMetadata } from './metadata.js';

const COLUMNS = [
  'client_id',
  'metadata',
  'secret_digest',
  'previous_secret_digest',
  'previous_secret_until',
  'first_party',
  'verified',
  'state',
  'logo_type',
  'created_at',
  'updated_at',
  'version',
] as const;

interface ClientRow {
  readonly client_id: string;
  readonly metadata: ClientMetadata;
  readonly secret_digest: Buffer | null;
  readonly previous_secret_digest: Buffer | null;
  readonly previous_secret_until: Date | null;
  readonly first_party: boolean;
  readonly verified: boolean;
  readonly state: 'active' | 'disabled';
  readonly logo_type: string | null;
  readonly created_at: Date;
  readonly updated_at: Date;
  readonly version: number;
}

/** A picture as it is served. */
export interface Logo {
  readonly type: string;
  readonly bytes: Buffer;
}

/** What an update may change. */
export interface ClientChange {
  readonly metadata?: ClientMetadata;
  readonly secretDigest?: Buffer | null;
  readonly previousSecretDigest?: Buffer | null;
  readonly previousSecretUntil?: Date | null;
  /** The picture is another one, or none. */
  readonly logo?: null;
  readonly state?: Client['state'];
  readonly verified?: boolean;
}

/** The client with this id. */
export async function find(db: Db | Tx, id: string): Promise<Client | undefined> {
  const row = await db('clients').where('client_id', id).first<ClientRow | undefined>(COLUMNS);
  return row && toClient(row);
}

/** Those of these clients that are there, by id. */
export async function findMany(db: Db | Tx, ids: readonly string[]): Promise<ReadonlyMap<string, Client>> {
  const rows: ClientRow[] = await db('clients')
    .select(COLUMNS)
    .whereIn('client_id', [...ids]);
  return new Map(rows.map(row => [row.client_id, toClient(row)]));
}

/** The client with this id, held against other writers until the transaction ends. */
export async function lock(tx: Tx, id: string): Promise<Client | undefined> {
  const row = await tx('clients').where('client_id', id).forUpdate().first<ClientRow | undefined>(COLUMNS);
  return row && toClient(row);
}

/** The client that is registered under this entity id of SAML. */
export async function findByEntity(db: Db | Tx, entityId: string): Promise<Client | undefined> {
  const row = await db('clients')
    .whereRaw(`metadata -> 'saml' ->> 'entity_id' = ?`, [entityId])
    .first<ClientRow | undefined>(COLUMNS);
  return row && toClient(row);
}

/** Up to `limit` clients after `after`, oldest first (ids rise with time). */
export async function list(db: Db | Tx, after: string, limit: number): Promise<readonly Client[]> {
  const rows: ClientRow[] = await db('clients')
    .select(COLUMNS)
    .where('client_id', '>', after)
    .orderBy('client_id')
    .limit(limit);
  return rows.map(toClient);
}

/** The names of these clients, by id; of one that has none, or is gone, there is none. */
export async function listNames(db: Db | Tx, ids: readonly string[]): Promise<ReadonlyMap<string, string>> {
  const rows: { id: string; name: string | null }[] = await db('clients')
    .select({ id: 'client_id', name: db.raw(`metadata ->> 'client_name'`) })
    .whereIn('client_id', [...ids]);
  return new Map(rows.flatMap(({ id, name }) => (name === null ? [] : [[id, name] as const])));
}

const NAME = `lower(coalesce(metadata ->> 'client_name', client_id))`;

const STARTABLE = `(metadata ->> 'initiate_login_uri' IS NOT NULL
  OR metadata -> 'saml' -> 'startable' = 'true'::jsonb) AND state = 'active'`;

/** Up to `limit` active clients that can be started from here after client `after`, by name. */
export async function listStartable(db: Db | Tx, after: string, limit: number): Promise<readonly Client[]> {
  const rows: ClientRow[] = await db('clients')
    .select(COLUMNS)
    .whereRaw(STARTABLE)
    .whereRaw(
      `(${NAME}, client_id) > (coalesce((SELECT ${NAME} FROM clients WHERE client_id = ?), ''), ?::text)`,
      [after, after],
    )
    .orderByRaw(`${NAME}, client_id`)
    .limit(limit);
  return rows.map(toClient);
}

const MOST_ORIGINS = 64;

/** The `webauthn_origins` of active clients of the house, oldest client first. */
export async function listPasskeyOrigins(db: Db | Tx): Promise<readonly string[]> {
  const { rows } = await db.raw<{ rows: { origin: string }[] }>(
    `SELECT o.origin FROM clients c,
       jsonb_array_elements_text(c.metadata -> 'webauthn_origins') WITH ORDINALITY AS o(origin, position)
     WHERE c.first_party AND c.state = 'active' GROUP BY o.origin
     ORDER BY min(c.client_id), min(o.position) LIMIT ${MOST_ORIGINS}`,
  );
  return rows.map(({ origin }) => origin);
}

/* Two apps under one name of SAML: nobody could tell whose request it is. */
function refuseTaken(error: unknown): never {
  if ((error as { constraint?: string }).constraint !== 'clients__entity') throw error;
  throw new Refusal('conflict', 'entity_taken', 'There is an app with this saml.entity_id.', {
    cause: error,
  });
}

/** Keeps a new client. */
export async function insert(tx: Tx, client: Client): Promise<void> {
  const kept = tx('clients').insert({
    client_id: client.id,
    metadata: JSON.stringify(client.metadata),
    secret_digest: client.secretDigest ?? null,
    first_party: client.firstParty,
    verified: client.verified,
    state: client.state,
    created_at: client.createdAt,
    updated_at: client.updatedAt,
    version: client.version,
  });
  await kept.catch(refuseTaken);
}

/** Changes a client and gives it as it is now. */
export async function update(
  tx: Tx,
  id: string,
  change: ClientChange,
  at: Date,
): Promise<Client | undefined> {
  const columns = {
    metadata: change.metadata && JSON.stringify(change.metadata),
    logo: change.logo,
    logo_type: change.logo,
    secret_digest: change.secretDigest,
    previous_secret_digest: change.previousSecretDigest,
    previous_secret_until: change.previousSecretUntil,
    state: change.state,
    verified: change.verified,
    updated_at: at,
    version: tx.raw('version + 1'),
  };
  const given = Object.fromEntries(Object.entries(columns).filter(([, value]) => value !== undefined));
  const [row]: ClientRow[] = await tx('clients').where('client_id', id).update(given).returning(COLUMNS);
  return row && toClient(row);
}

/** Up to `limit` clients that declare a purpose, by purpose, the oldest first. */
export async function listDeclaring(
  db: Db | Tx,
  purposes: readonly string[],
  limit: number,
): Promise<readonly { readonly purpose: string; readonly clientId: string }[]> {
  const { rows } = await db.raw<{ rows: { purpose: string; client_id: string }[] }>(
    `SELECT p.purpose, c.client_id FROM clients c, unnest(CAST(:purposes AS text[])) AS p(purpose)
     WHERE c.metadata -> 'purposes' @> to_jsonb(p.purpose) ORDER BY p.purpose, c.client_id LIMIT :limit`,
    { purposes: [...purposes], limit },
  );
  return rows.map(({ purpose, client_id: clientId }) => ({ purpose, clientId }));
}

/** Forgets a client; false when there was none. */
export async function remove(tx: Tx, id: string): Promise<boolean> {
  return (await tx('clients').where('client_id', id).delete()) > 0;
}

/** The stored picture of a client. */
export async function findLogo(db: Db | Tx, id: string): Promise<Logo | undefined> {
  const row = await db('clients')
    .where('client_id', id)
    .whereNotNull('logo')
    .first<{ readonly logo: Buffer; readonly logo_type: string } | undefined>(['logo', 'logo_type']);
  return row && { type: row.logo_type, bytes: row.logo };
}

/** Keeps or drops a client's picture, unless `logo_uri` is another by now; false when it is. */
export async function updateLogo(
  tx: Tx,
  id: string,
  uri: string | null,
  logo: Logo | null,
): Promise<boolean> {
  const changed = await tx('clients')
    .where('client_id', id)
    .whereRaw(`metadata->>'logo_uri' IS NOT DISTINCT FROM ?`, [uri])
    .update({ logo: logo?.bytes ?? null, logo_type: logo?.type ?? null });
  return changed > 0;
}

function toClient(row: ClientRow): Client {
  return {
    id: row.client_id,
    metadata: row.metadata,
    ...(row.secret_digest && { secretDigest: row.secret_digest }),
    ...(row.previous_secret_digest && { previousSecretDigest: row.previous_secret_digest }),
    ...(row.previous_secret_until && { previousSecretUntil: row.previous_secret_until }),
    firstParty: row.first_party,
    verified: row.verified,
    state: row.state,
    ...(row.logo_type !== null && { logoType: row.logo_type }),
    createdAt: row.created_at,
    updatedAt: row.updated_at,
    version: row.version,
  };
}
