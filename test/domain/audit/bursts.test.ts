import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { v7 as uuidv7 } from 'uuid';
import { takeUnsealed } from '../../../src/domain/audit/store.js';
import { openDatabase, type Tx } from '../../../src/platform/storage/db.js';
import { removeFirst } from '../../../src/platform/storage/removing.js';
import { openTestDatabase, type TestDatabase } from '../../support/database.js';

// A table that is nearly empty most of the time is filled at once: the planner still expects one row, and a batch must not cost
// as much as all that waits.

const BURST = 4_000;
const BATCH = 500;
let database: TestDatabase;

beforeAll(async () => {
  database = await openTestDatabase();
});

afterAll(() => database?.close());

/** Lets the planner have seen a table with a single row in many pages. */
async function quiet(table: string, key: string): Promise<void> {
  await database.db.raw(
    `DELETE FROM ${table} WHERE ${key} <> (SELECT ${key} FROM ${table} ORDER BY ${key} DESC LIMIT 1)`,
  );
  const owner = openDatabase(database.migrationUrl);
  await owner.raw(`VACUUM ANALYZE ${table}`);
  await owner.destroy();
}

/** How many rows and entries of indexes this transaction has read of these tables. */
async function readSoFar(tx: Tx, tables: readonly string[]): Promise<number> {
  const { rows } = await tx.raw(
    `SELECT sum(pg_stat_get_xact_tuples_returned(oid) + pg_stat_get_xact_tuples_fetched(oid))::int AS read FROM (
       SELECT c.oid FROM pg_class c WHERE c.relname = ANY (:tables)
       UNION ALL SELECT i.indexrelid FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid WHERE c.relname = ANY (:tables)) looked`,
    { tables: [...tables] },
  );
  return rows[0].read;
}

test('what is marked in a burst is sealed block by block, at what a block costs', async () => {
  const happen = () =>
    database.db.raw(
      `INSERT INTO events (id, at, type, detail)
       SELECT CAST(id AS uuid), now(), 'note.taken', '{}' FROM unnest(CAST(? AS text[])) AS e(id)`,
      [Array.from({ length: BURST }, () => uuidv7())],
    );
  await happen();
  await quiet('unsealed_events', 'id');
  await happen();
  await database.db.transaction(async tx => {
    expect(await takeUnsealed(tx, BATCH)).toHaveLength(BATCH);
    expect(await readSoFar(tx, ['unsealed_events', 'events'])).toBeLessThan(8 * BURST);
  });
});

test('and what is over is removed batch by batch', async () => {
  const over = () =>
    database.db.raw(
      `INSERT INTO attempts (subject, count, window_ends_at)
       SELECT gen_random_uuid()::text, 1, now() - interval '1 minute' FROM generate_series(1, ${BURST})`,
    );
  await over();
  await quiet('attempts', 'subject');
  await over();
  await database.db.transaction(async tx => {
    const ended = { where: 'window_ends_at < now()', by: 'window_ends_at' };
    expect(await removeFirst(tx, 'attempts', ended, BATCH)).toBe(BATCH);
    expect(await readSoFar(tx, ['attempts'])).toBeLessThan(8 * BURST);
  });
});
