import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { Logger, makeWorkerUtils, runOnce } from 'graphile-worker';
import knex from 'knex';
import { openJobPool } from '../../../src/platform/storage/job-pool.js';
import { migrate, migrateDown, pendingMigrations, roleOf } from '../../../src/platform/storage/migrate.js';
import { openTestDatabase, type TestDatabase } from '../../support/database.js';

let database: TestDatabase;

beforeAll(async () => {
  database = await openTestDatabase();
});

afterAll(() => database.close());

test('a test database has seen every migration', async () => {
  expect(await pendingMigrations({ migrationUrl: database.migrationUrl })).toEqual([]);
});

test('the server works under a role that owns nothing', async () => {
  const { rows } = await database.db.raw('SELECT current_user AS role');
  expect(rows[0].role).toBe('keyhold');
  await expect(database.db.raw('CREATE TABLE mine (id int)')).rejects.toThrow('permission denied');
  await expect(database.db.raw('DROP TABLE keyhold_migrations')).rejects.toThrow('must be owner');
});

test('events can be added to but neither changed nor taken away by the lesser role', async () => {
  await expect(database.db.raw('DELETE FROM events')).rejects.toThrow('permission denied');
  await expect(database.db.raw("UPDATE events SET type = 'x'")).rejects.toThrow('permission denied');
  await expect(database.db.raw('TRUNCATE events')).rejects.toThrow('permission denied');
});

test('a job can be queued and worked off under the lesser role', async () => {
  const pgPool = openJobPool(database.url, 2, () => undefined);
  const logger = new Logger(() => () => undefined);
  const utils = await makeWorkerUtils({ pgPool, logger });
  await utils.addJob('greet', { name: 'Ada' }, { jobKey: 'one', queueName: 'greetings' });
  await utils.release();
  const greeted: unknown[] = [];
  await runOnce({
    pgPool,
    logger,
    noHandleSignals: true,
    taskList: { greet: payload => void greeted.push(payload) },
  });
  const { rows } = await database.db.raw('SELECT count(*)::int AS left FROM graphile_worker._private_jobs');
  await pgPool.end();
  expect(greeted).toEqual([{ name: 'Ada' }]);
  expect(rows[0].left).toBe(0);
});

test('several processes that migrate at once all succeed', async () => {
  const other = await openTestDatabase();
  const options = { migrationUrl: other.migrationUrl, appRole: roleOf(other.url) };
  await migrateDown(options);
  await Promise.all([migrate(options), migrate(options), migrate(options)]);
  expect(await pendingMigrations(options)).toEqual([]);
  await other.close();
});

test('the lock that a killed process left in the migration table stops nobody', async () => {
  const owner = knex({ client: 'pg', connection: database.migrationUrl });
  await owner('keyhold_migrations_lock').update({ is_locked: 1 });
  await owner.destroy();
  await migrate({ migrationUrl: database.migrationUrl, appRole: 'keyhold' });
});

test('the schema goes up, down and up again and is the same', async () => {
  const other = await openTestDatabase();
  const options = { migrationUrl: other.migrationUrl, appRole: 'keyhold' };
  const before = await shape(other);
  await migrateDown(options);
  expect((await shape(other)).filter(line => !line.includes('keyhold_migrations'))).toEqual([]);
  await migrate(options);
  expect(await shape(other)).toEqual(before);
  await other.close();
});

async function shape(other: TestDatabase): Promise<readonly string[]> {
  const { rows } = await other.db.raw(`
    SELECT c.relname || ' ' || coalesce(a.attname, '') || ' ' || coalesce(format_type(a.atttypid, a.atttypmod), '')
      || ' ' || coalesce(c.relacl::text, '') AS line
    FROM pg_class c LEFT JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
    WHERE c.relnamespace = 'public'::regnamespace
    UNION ALL SELECT 'function ' || oid::regprocedure FROM pg_proc WHERE pronamespace = 'public'::regnamespace
    ORDER BY 1`);
  return rows.map((row: { line: string }) => row.line);
}
