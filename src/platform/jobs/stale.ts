import type { JobPool } from '../storage/job-pool.js';
import type { JobDefinition } from './job.js';

/** Frees the jobs that a killed process left locked; the runner itself would wait four hours. */
export function freeStaleJobs(pool: JobPool, seconds: number): JobDefinition {
  return {
    name: 'free-stale-jobs',
    every: '* * * * *',
    run: async () => {
      await pool.query(
        `SELECT graphile_worker.force_unlock_workers(array_agg(DISTINCT locked_by))
         FROM graphile_worker.jobs WHERE locked_at < now() - make_interval(secs => $1)
         HAVING count(*) > 0`,
        [seconds],
      );
    },
  };
}

/** Frees the jobs of runners of this process that are over. */
export async function freeJobsOf(pool: JobPool, runners: readonly string[]): Promise<void> {
  await pool.query('SELECT graphile_worker.force_unlock_workers($1::text[])', [runners]);
}

/** How many jobs are due and taken by nobody. */
export async function countWaiting(pool: JobPool): Promise<number> {
  const { rows } = await pool.query(
    `SELECT count(*)::int AS waiting FROM graphile_worker.jobs
     WHERE locked_at IS NULL AND run_at <= now() AND attempts < max_attempts`,
  );
  return Number(rows[0]?.waiting);
}
