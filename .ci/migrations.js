// Runs every migration up, down and up again on a cluster of its own, and holds the two results against each other.
import assert from 'node:assert/strict';
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { startEmbedded } from '../dist/src/platform/storage/embedded.js';
import { migrate, migrateDown, pendingMigrations } from '../dist/src/platform/storage/migrate.js';

const dataDir = await mkdtemp(join(tmpdir(), 'keyhold-migrations-'));
await chmod(dataDir, 0o711);
const embedded = await startEmbedded({ dataDir, fleeting: true });
try {
  const options = { migrationUrl: embedded.migrationUrl, appRole: 'keyhold' };
  await migrate(options);
  const first = await columns(embedded.migrationUrl);
  await migrateDown(options);
  const left = await columns(embedded.migrationUrl);
  assert.deepEqual(
    left.filter(column => !column.startsWith('keyhold_migrations')),
    [],
    'a migration left something behind on its way down',
  );
  await migrate(options);
  assert.deepEqual(await columns(embedded.migrationUrl), first);
  assert.deepEqual(await pendingMigrations(options), []);
  console.log(`${first.length} columns: the same after up, down and up`);
} finally {
  await embedded.stop();
  for (const folder of [embedded.folder, dataDir]) await rm(folder, { recursive: true, force: true });
}

async function columns(connectionString) {
  const client = new pg.Client({ connectionString });
  await client.connect();
  const { rows } = await client.query(`
    SELECT table_name || '.' || column_name || ' ' || data_type || ' ' || is_nullable AS line
    FROM information_schema.columns WHERE table_schema = 'public' ORDER BY 1`);
  await client.end();
  return rows.map(row => row.line);
}
