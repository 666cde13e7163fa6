import { readdir } from 'node:fs/promises';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { runMigrations } from 'graphile-worker';
import knex, { type Knex } from 'knex';
import pg from 'pg';
import { grantAppRole } from './grants.js';

/** What `migrate` takes. */
export interface MigrateOptions {
  /** The role that owns the schema. */
  readonly migrationUrl: string;
  /** The role the server works under; undefined or the owner itself when there is only one. */
  readonly appRole?: string | undefined;
  /** Told when there is something to do. */
  readonly progress?: (sentence: string) => void;
}

/** Seen from `dist/src/platform/storage`. */
const FOLDER = fileURLToPath(new URL('../../../../migrations/', import.meta.url));
/** A session lock: it ends with its connection, so a killed process never leaves a database locked. */
const LOCK = 7_203_113;

/**
 * Brings the schema up to date, one process at a time, and gives the lesser role what it needs. Gives the names of the
 * migrations that ran.
 */
export async function migrate(options: MigrateOptions): Promise<readonly string[]> {
  return locked(options.migrationUrl, async (db, client) => {
    const pending = await listPending(db);
    // Where somebody else migrates, the server is given the lesser role alone.
    if (pending.length === 0 && !(await ownsSchema(client))) return [];
    if (pending.length > 0) options.progress?.('Setting up the tables …');
    // Knex's own lock is a row that a killed process leaves behind; under ours it can only be a leftover.
    await db.migrate.forceFreeMigrationsLock();
    await migrateQueue(options.migrationUrl);
    await db.migrate.latest();
    await grantAppRole(client, options.appRole || undefined);
    return pending;
  });
}

/** Takes every migration back, for the test that runs them up, down and up again. */
export async function migrateDown(options: MigrateOptions): Promise<void> {
  await locked(options.migrationUrl, async (db, client) => {
    await db.migrate.forceFreeMigrationsLock();
    await db.migrate.rollback(undefined, true);
    await client.query('DROP SCHEMA IF EXISTS graphile_worker CASCADE');
  });
}

/** The names of the migrations that the database has not seen. */
export async function pendingMigrations(options: MigrateOptions): Promise<readonly string[]> {
  const db = openMigrations(options.migrationUrl);
  try {
    return await listPending(db);
  } finally {
    await db.destroy();
  }
}

async function ownsSchema(client: pg.Client): Promise<boolean> {
  const { rows } = await client.query(
    `SELECT pg_has_role(relowner, 'MEMBER') AS owns FROM pg_class WHERE oid = to_regclass('keyhold_migrations')`,
  );
  return rows[0]?.owns === true;
}

async function listPending(db: Knex): Promise<readonly string[]> {
  const listed: unknown = await db.migrate.list();
  const pending: unknown = Array.isArray(listed) ? listed[1] : [];
  return Array.isArray(pending) ? pending.map(String) : [];
}

/** The role named in a database URL. */
export function roleOf(url: string): string {
  return decodeURIComponent(new URL(url).username);
}

async function locked<T>(url: string, act: (db: Knex, client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client({
    connectionString: url,
    application_name: 'keyhold migrate',
    keepAlive: true,
  });
  client.on('error', () => undefined);
  const db = openMigrations(url);
  try {
    await client.connect();
    await lock(client);
    return await act(db, client);
  } finally {
    await db.destroy();
    await client.end().catch(() => undefined);
  }
}

/* Asked again and again: a statement that waits would hold up an index that is made beside a running server. */
async function lock(client: pg.Client): Promise<void> {
  for (;;) {
    const { rows } = await client.query('SELECT pg_try_advisory_lock($1) AS mine', [LOCK]);
    if (rows[0]?.mine) return;
    await pause(100);
  }
}

function openMigrations(url: string): Knex {
  return knex({
    client: 'pg',
    connection: { connectionString: url, application_name: 'keyhold migrate' },
    pool: { min: 0, max: 2 },
    migrations: {
      tableName: 'keyhold_migrations',
      migrationSource: migrationFolder,
      // This version also starts on the tables of the next one, whose migrations it does not know.
      disableMigrationsListValidation: true,
    },
  });
}

const migrationFolder: Knex.MigrationSource<string> = {
  getMigrations: async () => (await readdir(FOLDER)).filter(name => name.endsWith('.js')).sort(),
  getMigrationName: name => name,
  getMigration: async name => await import(new URL(name, pathToFileURL(FOLDER)).href),
};

async function migrateQueue(url: string): Promise<void> {
  const pool = new pg.Pool({ connectionString: url, max: 1, application_name: 'keyhold migrate' });
  pool.on('error', () => undefined);
  pool.on('connect', client => void client.on('error', () => undefined));
  try {
    await runMigrations({ pgPool: pool, schema: 'graphile_worker', noHandleSignals: true });
  } finally {
    await pool.end();
  }
}
