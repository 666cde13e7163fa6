import { setTimeout as pause } from 'node:timers/promises';
import type { JobLog } from '../../src/platform/jobs/jobs.js';
import type { Db } from '../../src/platform/storage/db.js';

/** A log that says nothing. */
export const QUIET: JobLog = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };

/** Waits until something is true; gives up after 20 seconds. */
export async function until(isTrue: () => boolean | Promise<boolean>): Promise<void> {
  const end = Date.now() + 20_000;
  while (!(await isTrue())) {
    if (Date.now() > end) throw new Error('it did not come true');
    await pause(40);
  }
}

/** How many jobs wait, run or failed for good. */
export async function jobsLeft(db: Db, name = 'send-mail'): Promise<number> {
  const { rows } = await db.raw(
    'SELECT count(*)::int AS n FROM graphile_worker.jobs WHERE task_identifier = ?',
    [name],
  );
  return rows[0].n;
}

/** Waits until no job runs or is due: what earlier acts left behind has been done. */
export async function jobsDone(db: Db): Promise<void> {
  await until(async () => {
    const { rows } = await db.raw(
      'SELECT count(*)::int AS n FROM graphile_worker.jobs WHERE locked_at IS NOT NULL OR run_at <= now()',
    );
    return rows[0].n === 0;
  });
}

/** Makes failed jobs due now instead of after their pause. */
export async function hasten(db: Db): Promise<void> {
  await db.raw(
    `SELECT graphile_worker.reschedule_jobs(array_agg(id), run_at => now()), pg_notify('jobs:insert', '{"count":1}')
     FROM graphile_worker.jobs WHERE locked_at IS NULL AND run_at > now() HAVING count(*) > 0`,
  );
}
