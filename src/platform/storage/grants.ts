import type pg from 'pg';

/** What is only added to: events and their chain, and what proves who agreed to what. */
export const KEPT = [
  'events',
  'event_blocks',
  'audit_keys',
  'audit_checkpoints',
  'consent_ledger',
  'consent_wordings',
  'purpose_versions',
  'purpose_notices',
  'receipt_keys',
];

/** A table whose comment holds this word may be emptied whole by the lesser role. */
const MAY_TRUNCATE = 'keyhold:truncate';

/**
 * Gives the role the server works under what it needs and no more: rows, sequences and functions, never the schema,
 * and what is on record for good only to be added to and read.
 */
export async function grantAppRole(client: pg.Client, appRole: string | undefined): Promise<void> {
  const { rows } = await client.query('SELECT current_user AS owner');
  if (appRole === undefined || appRole === rows[0].owner) return;
  const role = client.escapeIdentifier(appRole);
  await client.query('BEGIN');
  try {
    /* Postgres 14 still lets everybody create there; where the schema is not the owner's this only warns. */
    await client.query('REVOKE CREATE ON SCHEMA public FROM PUBLIC');
    for (const schema of ['public', 'graphile_worker']) await client.query(grantsOn(schema, role));
    for (const statement of await particulars(client, appRole)) await client.query(statement);
    await client.query('COMMIT');
  } catch (error) {
    await client.query('ROLLBACK');
    throw error;
  }
}

function grantsOn(schema: string, role: string): string {
  return `
    GRANT USAGE ON SCHEMA ${schema} TO ${role};
    GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA ${schema} TO ${role};
    GRANT USAGE, SELECT, UPDATE ON ALL SEQUENCES IN SCHEMA ${schema} TO ${role};
    GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA ${schema} TO ${role};
    ALTER DEFAULT PRIVILEGES IN SCHEMA ${schema} GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO ${role};
    ALTER DEFAULT PRIVILEGES IN SCHEMA ${schema} GRANT USAGE, SELECT, UPDATE ON SEQUENCES TO ${role};`;
}

// Append-only tables with all their partitions, the migrations' own records, partitions that are emptied whole,
// and the queue's tables, whose row security lets nobody but their owner in.
async function particulars(client: pg.Client, role: string): Promise<readonly string[]> {
  const { rows } = await client.query(
    `WITH RECURSIVE kept AS (
       SELECT c.oid FROM pg_class c WHERE c.relnamespace = 'public'::regnamespace AND c.relname = ANY ($3::text[])
       UNION ALL SELECT i.inhrelid FROM pg_inherits i JOIN kept ON i.inhparent = kept.oid
     )
     SELECT format('REVOKE UPDATE, DELETE, TRUNCATE ON %s FROM %I', oid::regclass, $1::text) AS statement FROM kept
     UNION ALL
     SELECT format('REVOKE INSERT, UPDATE, DELETE ON public.%I FROM %I', relname, $1::text)
     FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'
       AND relname IN ('keyhold_migrations', 'keyhold_migrations_lock')
     UNION ALL
     SELECT format('GRANT TRUNCATE ON %s TO %I', c.oid::regclass, $1::text)
     FROM pg_class c WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p')
       AND obj_description(c.oid, 'pg_class') LIKE $2
     UNION ALL
     SELECT format('CREATE POLICY %I ON %s FOR ALL TO %I USING (true) WITH CHECK (true)',
       'for ' || $1::text, c.oid::regclass, $1::text)
     FROM pg_class c WHERE c.relnamespace = 'graphile_worker'::regnamespace AND c.relrowsecurity
       AND NOT EXISTS (SELECT 1 FROM pg_policy p WHERE p.polrelid = c.oid
         AND (SELECT oid FROM pg_roles WHERE rolname = $1::text) = ANY (p.polroles))`,
    [role, `%${MAY_TRUNCATE}%`, KEPT],
  );
  return rows.map(row => String(row.statement));
}
