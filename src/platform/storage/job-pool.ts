import pg from 'pg';

/** The connections of the job runner. */
export type JobPool = pg.Pool;

/** Opens the pool of the job runner: one connection that listens, the rest for taking and finishing jobs. */
export function openJobPool(url: string, size: number, onError: (error: Error) => void): JobPool {
  const pool = new pg.Pool({
    connectionString: url,
    application_name: 'keyhold-jobs',
    max: size,
    connectionTimeoutMillis: 5_000,
    statement_timeout: 10_000,
    query_timeout: 15_000,
    keepAlive: true,
    keepAliveInitialDelayMillis: 5_000,
  });
  // A connection that breaks emits 'error' on the pool while idle and on the client while in use: both would end the process.
  pool.on('error', onError);
  pool.on('connect', client => void client.on('error', onError));
  return pool;
}
