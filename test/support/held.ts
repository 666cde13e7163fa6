import type { Db } from '../../src/platform/storage/db.js';
import { until } from './jobs.js';

/** Lets `act` go as far as a write to this table, or so many of them, and `meanwhile` happen before it goes on. */
export async function heldAt<T>(
  db: Db,
  table: string,
  act: () => Promise<T>,
  meanwhile: () => Promise<unknown>,
  writes = 1,
): Promise<T> {
  const held = await db.transaction();
  await held.raw(`LOCK TABLE ${table} IN EXCLUSIVE MODE`);
  const acting = act();
  await until(async () => {
    const { rows } = await db.raw(`SELECT FROM pg_locks WHERE relation = ?::regclass AND NOT granted`, [
      table,
    ]);
    return rows.length >= writes;
  });
  await meanwhile();
  await held.commit();
  return acting;
}
