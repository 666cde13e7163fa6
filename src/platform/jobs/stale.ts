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

const BATCH = 500;

/**
 * Removes jobs that were given up a month ago: what they were to do is on record where it matters, and what they carry is kept
 * for nothing any more.
 */
export function sweepGivenUp(pool: JobPool): JobDefinition {
  return {
    name: 'sweep-given-up',
    every: '47 4 * * *',
    run: async (_payload, { signal }) => {
      let removed = BATCH;
      while (removed === BATCH && !signal.aborted) {
        const { rows } = await pool.query(
          `SELECT count(*)::int AS removed FROM graphile_worker.complete_jobs(ARRAY(
             SELECT id FROM graphile_worker.jobs
             WHERE attempts >= max_attempts AND locked_at IS NULL AND updated_at < now() - interval '30 days'
             ORDER BY id LIMIT $1))`,
          [BATCH],
        );
        removed = Number(rows[0]?.removed);
      }
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
