import { EventEmitter } from 'node:events';
import { setTimeout as pause } from 'node:timers/promises';
import { Logger, parseCronItems, type Runner, run, type TaskList, type WorkerEvents } from 'graphile-worker';
import { type JobPool, openJobPool } from '../storage/job-pool.js';
import type { JobDefinition, JobTry } from './job.js';
import { countWaiting, freeJobsOf, freeStaleJobs, sweepGivenUp } from './stale.js';

export type { JobDefinition, JobTry } from './job.js';

/** Where the runner reports; a pino logger fits. */
export interface JobLog {
  debug(about: object, message: string): void;
  info(about: object, message: string): void;
  warn(about: object, message: string): void;
  error(about: object, message: string): void;
}

/** What the runner needs. */
export interface JobOptions {
  readonly url: string;
  readonly jobs: readonly JobDefinition[];
  readonly log: JobLog;
  readonly concurrency?: number;
  /** Runs each try, and may watch how it goes. */
  readonly observe?: (name: string, run: () => Promise<void>) => Promise<void>;
}

/** The running runner. */
export interface Jobs {
  /** Takes no further job, lets those under way end (or aborts them after a few seconds), and closes its connections. */
  stop(): Promise<void>;
  /** How many jobs are due and wait for somebody to take them. */
  waiting(): Promise<number>;
}

/** How long one try may take; what holds a job for longer than STALE_SECONDS is taken for dead. */
const TRY_SECONDS = 45;
const STALE_SECONDS = 90;
const DRAIN_MS = 10_000;
const RESTART_MS = 2_000;

/** Starts running jobs; throws when the database cannot be reached now, and restarts by itself when that happens later. */
export async function openJobs(options: JobOptions): Promise<Jobs> {
  const { url, log, concurrency = 4 } = options;
  const pool = openJobPool(url, concurrency + 2, error => log.warn({ err: error }, 'job connection lost'));
  const ending = new AbortController();
  const start = starterOf(options, pool, concurrency);
  let runner: Runner;
  try {
    runner = await start();
  } catch (error) {
    await pool.end();
    throw error;
  }
  const supervised = (async () => {
    while (!ending.signal.aborted) {
      await runner.promise.catch(error => log.error({ err: error }, 'job runner broke'));
      runner = await restarted(start, runner, ending.signal, log);
    }
  })();
  return {
    waiting: () => countWaiting(pool),
    stop: async () => {
      ending.abort();
      const stopped = Promise.allSettled([runner.stop(), supervised]);
      await Promise.race([stopped, pause(DRAIN_MS, undefined, { ref: false })]);
      await Promise.race([pool.end(), pause(1_000, undefined, { ref: false })]);
    },
  };
}

function starterOf(options: JobOptions, pool: JobPool, concurrency: number): () => Promise<Runner> {
  const jobs = [...options.jobs, freeStaleJobs(pool, STALE_SECONDS), sweepGivenUp(pool)];
  const taskList: TaskList = Object.fromEntries(jobs.map(job => [job.name, taskOf(job, options.observe)]));
  const past: string[] = [];
  const events: WorkerEvents = new EventEmitter();
  events.on('pool:create', ({ workerPool }) => void past.push(workerPool.id));
  return async () => {
    if (past.length > 0) await freeJobsOf(pool, past);
    past.length = 0;
    return run({
      pgPool: pool,
      concurrency,
      taskList,
      parsedCronItems: cronItemsOf(jobs),
      events,
      noHandleSignals: true,
      pollInterval: 2_000,
      gracefulShutdownAbortTimeout: 5_000,
      // One by one, the runner neither awaits nor catches what it writes when a job is over; in batches it does both.
      preset: { worker: { completeJobBatchDelay: 0, failJobBatchDelay: 0 } },
      logger: loggerOf(options.log),
    });
  };
}

async function restarted(
  start: () => Promise<Runner>,
  old: Runner,
  ending: AbortSignal,
  log: JobLog,
): Promise<Runner> {
  while (!ending.aborted) {
    try {
      await pause(RESTART_MS, undefined, { signal: ending });
      const runner = await start();
      if (ending.aborted) await runner.stop();
      return runner;
    } catch (error) {
      if (!ending.aborted) log.error({ err: error }, 'job runner cannot start');
    }
  }
  return old;
}

function taskOf(job: JobDefinition, observe: JobOptions['observe']): TaskList[string] {
  return async (payload, helpers) => {
    const signal = AbortSignal.any([helpers.abortSignal, AbortSignal.timeout(TRY_SECONDS * 1000)]);
    const over = new Promise<never>((_, reject) => {
      const cutOff = () => reject(new Error(`job ${job.name} was cut off`));
      signal.addEventListener('abort', cutOff, { once: true });
    });
    over.catch(() => undefined);
    const { id, attempts, max_attempts } = helpers.job;
    const attempt: JobTry = { id, attempt: attempts, last: attempts >= max_attempts, signal };
    const run = () => Promise.race([job.run(payload, attempt), over]);
    await (observe ? observe(job.name, run) : run());
  };
}

/** A schedule that was missed is not made up for, and never waits twice. */
function cronItemsOf(jobs: readonly JobDefinition[]): ReturnType<typeof parseCronItems> {
  return parseCronItems(
    jobs.flatMap(({ name, every }) =>
      every === undefined
        ? []
        : [{ task: name, match: every, options: { backfillPeriod: 0, maxAttempts: 3, jobKey: name } }],
    ),
  );
}

/** What the runner says to its `meta` holds payloads, so only its sentence and its error go to the log. */
function loggerOf(log: JobLog): Logger {
  return new Logger(() => (level, message, meta) => {
    const about = meta?.error === undefined ? {} : { err: meta.error };
    log[level === 'warning' ? 'warn' : level === 'info' ? 'debug' : level](about, message);
  });
}
