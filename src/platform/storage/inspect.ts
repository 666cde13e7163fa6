import pg from 'pg';
import { KEPT } from './grants.js';
import { pendingMigrations } from './migrate.js';

/** What an operator should know of the database that the server works on. */
export interface Inspection {
  /** `18.4`. */
  readonly version: string;
  /** Steps of the schema that this version needs and the database has not seen. */
  readonly pending: readonly string[];
  /** How far the clock of the database is ahead of this machine's, in milliseconds. */
  readonly ahead: number;
  readonly role: string;
  readonly ownsTables: boolean;
  /** Tables that the role may not read and write as it must. */
  readonly withheld: readonly string[];
  /** The role may change or remove events, or what proves who agreed to what: both are only to be added to. */
  readonly changesEvents: boolean;
  /** Connections that roles without privileges may have in all. */
  readonly connections: number;
}

const LOOK = `
  SELECT current_setting('server_version') AS version, current_user AS role,
    current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int AS connections,
    to_regclass('public.keyhold_migrations') IS NOT NULL AS has_tables,
    pg_has_role(relowner, 'MEMBER') AS owns,
    (SELECT bool_or(has_table_privilege(kept, 'UPDATE') OR has_table_privilege(kept, 'DELETE'))
      FROM (SELECT to_regclass('public.' || name) AS kept FROM unnest($1::text[]) name) k WHERE kept IS NOT NULL) AS changes_events
  FROM (SELECT to_regclass('public.events') AS events) e
  LEFT JOIN pg_class ON pg_class.oid = e.events`;

/* All but what is kept from the lesser role: what is only added to, and the migrations, which are read only. */
const WITHHELD = `
  SELECT relname FROM pg_class
  WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p') AND relname NOT LIKE 'keyhold_migrations%'
    AND NOT (has_table_privilege(oid, 'SELECT') AND has_table_privilege(oid, 'INSERT')
      AND (relname = ANY ($1::text[]) OR relispartition
        OR (has_table_privilege(oid, 'UPDATE') AND has_table_privilege(oid, 'DELETE'))))
  ORDER BY relname`;

/** Looks at the database as the role of the URL, and changes nothing. */
export async function inspectDatabase(url: string): Promise<Inspection> {
  const client = new pg.Client({
    connectionString: url,
    connectionTimeoutMillis: 5_000,
    query_timeout: 10_000,
  });
  client.on('error', () => undefined);
  try {
    await client.connect();
    const [{ version, role, connections, has_tables, owns, changes_events }] = (
      await client.query(LOOK, [KEPT])
    ).rows;
    const withheld = (await client.query(WITHHELD, [KEPT])).rows.map(row => String(row.relname));
    const pending = has_tables ? await pendingMigrations({ migrationUrl: url }) : ['every one'];
    const began = Date.now();
    const { rows } = await client.query('SELECT extract(epoch FROM clock_timestamp()) * 1000 AS now');
    const ahead = Number(rows[0].now) - (began + Date.now()) / 2;
    return {
      version: String(version).split(' ')[0] ?? '',
      pending,
      ahead,
      role,
      ownsTables: owns === true,
      withheld,
      changesEvents: changes_events === true && owns !== true,
      connections,
    };
  } finally {
    await client.end().catch(() => undefined);
  }
}
