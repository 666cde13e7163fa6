import { randomBytes } from 'node:crypto';
import pg from 'pg';
import { type Db, openDatabase } from '../../src/platform/storage/db.js';
import { inDatabase, type TestCluster } from './global-setup.js';

/** A fresh, migrated database of a test's own. */
export interface TestDatabase {
  /** As the server's lesser role. */
  readonly url: string;
  /** As the owner of the schema. */
  readonly migrationUrl: string;
  /** A pool of the lesser role. */
  readonly db: Db;
  /** Ends the pool and drops the database. */
  close(): Promise<void>;
}

/** Opens a copy of the migrated template; `close` it in `afterAll`. */
export async function openTestDatabase(): Promise<TestDatabase> {
  const cluster: TestCluster = JSON.parse(process.env.KEYHOLD_TEST_CLUSTER ?? '{}');
  const name = `keyhold_test_${randomBytes(6).toString('hex')}`;
  await administer(cluster, `CREATE DATABASE ${name} TEMPLATE ${cluster.template} OWNER keyhold_owner`);
  const url = inDatabase(cluster.url, name);
  const db = openDatabase(url);
  return {
    url,
    migrationUrl: inDatabase(cluster.migrationUrl, name),
    db,
    close: async () => {
      await db.destroy();
      await administer(cluster, `DROP DATABASE IF EXISTS ${name} WITH (FORCE)`);
    },
  };
}

async function administer(cluster: TestCluster, statement: string): Promise<void> {
  const client = new pg.Client({ connectionString: cluster.superuserUrl });
  await client.connect();
  try {
    await client.query(statement);
  } finally {
    await client.end();
  }
}
