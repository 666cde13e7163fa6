import { chmod, mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { type Embedded, startEmbedded } from '../../src/platform/storage/embedded.js';
import { migrate } from '../../src/platform/storage/migrate.js';
import { RUN_FOLDER, removeLeftovers } from './leftovers.js';

declare global {
  var keyholdTestCluster: {
    readonly embedded: Embedded | undefined;
    readonly dataDir: string | undefined;
    readonly removeTemplate: () => Promise<void>;
  };
}

/** What a test worker needs to know of the run's cluster, passed as JSON in `KEYHOLD_TEST_CLUSTER`. */
export interface TestCluster {
  readonly superuserUrl: string;
  readonly url: string;
  readonly migrationUrl: string;
  readonly template: string;
}

/** One Postgres for the run, and one migrated database in it that every test database is a copy of. */
export default async function setUp(): Promise<void> {
  await removeLeftovers();
  const outside = process.env.KEYHOLD_TEST_DATABASE_URL;
  const dataDir = outside ? undefined : await openFolder();
  const embedded = dataDir ? await startEmbedded({ dataDir, settings: SETTINGS, fleeting: true }) : undefined;
  const template = `keyhold_template_${process.pid}`;
  const roles = embedded ?? (await outsideRoles(outside ?? ''));
  const removeTemplate = () => onServer(roles.superuserUrl, [`DROP DATABASE IF EXISTS ${template}`]);
  globalThis.keyholdTestCluster = { embedded, dataDir, removeTemplate };
  await onServer(roles.superuserUrl, [
    `DROP DATABASE IF EXISTS ${template}`,
    `CREATE DATABASE ${template} OWNER keyhold_owner`,
  ]);
  /* Up to Postgres 14 a database's owner does not own its schema. */
  await onServer(inDatabase(roles.superuserUrl, template), ['ALTER SCHEMA public OWNER TO keyhold_owner']);
  await migrate({ migrationUrl: inDatabase(roles.migrationUrl, template), appRole: 'keyhold' });
  const cluster: TestCluster = {
    superuserUrl: roles.superuserUrl,
    url: roles.url,
    migrationUrl: roles.migrationUrl,
    template,
  };
  process.env.KEYHOLD_TEST_CLUSTER = JSON.stringify(cluster);
}

// Postgres runs as somebody else when the tests run as root, and must get through.
async function openFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), `${RUN_FOLDER}${process.pid}-`));
  await chmod(folder, 0o711);
  return folder;
}

const SETTINGS = ['max_connections=300', 'autovacuum=off'];

/** The same server's URL for another database. */
export function inDatabase(url: string, database: string): string {
  const other = new URL(url);
  other.pathname = `/${database}`;
  return other.href;
}

async function outsideRoles(
  superuserUrl: string,
): Promise<Pick<Embedded, 'url' | 'migrationUrl' | 'superuserUrl'>> {
  const as = (user: string): string => {
    const url = new URL(superuserUrl);
    url.username = user;
    url.password = 'keyhold-test';
    return url.href;
  };
  for (const role of ['keyhold_owner', 'keyhold']) {
    await onServer(superuserUrl, [
      `DO $$ BEGIN CREATE ROLE ${role}; EXCEPTION WHEN duplicate_object THEN NULL; END $$`,
      `ALTER ROLE ${role} LOGIN PASSWORD 'keyhold-test'`,
    ]);
  }
  return { url: as('keyhold'), migrationUrl: as('keyhold_owner'), superuserUrl };
}

async function onServer(url: string, statements: readonly string[]): Promise<void> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    for (const statement of statements) await client.query(statement);
  } finally {
    await client.end();
  }
}
