import type { Tx } from '../storage/db.js';

/** Jobs that are waited for before they are taken away: by name, and those that were queued after this. */
export interface Spared {
  readonly names: readonly string[];
  readonly since: Date;
}

/**
 * Takes away every job that names an account in its payload and that nobody runs at the moment; says how many are left, which
 * somebody runs or is waited for.
 */
export async function forgetJobs(tx: Tx, accountId: string, { names, since }: Spared): Promise<number> {
  const { rows } = await tx.raw<{ rows: { left: number }[] }>(
    `WITH theirs AS MATERIALIZED (
       SELECT j.id, j.locked_at IS NOT NULL
         OR t.identifier = ANY (CAST(:names AS text[])) AND j.created_at > :since AND j.attempts < j.max_attempts AS stays
       FROM graphile_worker._private_jobs j JOIN graphile_worker._private_tasks t ON t.id = j.task_id
       WHERE j.payload ->> 'accountId' = :accountId),
     gone AS (DELETE FROM graphile_worker._private_jobs j USING theirs
       WHERE j.id = theirs.id AND NOT theirs.stays AND j.locked_at IS NULL)
     SELECT count(*)::int AS left FROM theirs WHERE stays`,
    { names: [...names], since, accountId },
  );
  return rows[0]?.left ?? 0;
}
