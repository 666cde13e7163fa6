import { afterAll, afterEach, beforeAll, expect, test } from '@jest/globals';
import {
  type JobDefinition,
  type JobLog,
  type Jobs,
  type JobTry,
  openJobs,
} from '../../src/platform/jobs/jobs.js';
import { openDatabase } from '../../src/platform/storage/db.js';
import { openWork } from '../../src/platform/storage/work.js';
import { openTestDatabase, type TestDatabase } from '../support/database.js';
import { hasten, jobsLeft, QUIET, until } from '../support/jobs.js';

const SYSTEM = { kind: 'system' } as const;

let database: TestDatabase;
let running: Jobs[] = [];

beforeAll(async () => {
  database = await openTestDatabase();
});

afterEach(async () => {
  await Promise.all(running.map(jobs => jobs.stop()));
  running = [];
  await database.db.raw('DELETE FROM graphile_worker._private_jobs');
});

afterAll(() => database.close());

async function start(run: JobDefinition['run'], log: JobLog = QUIET): Promise<Jobs> {
  const jobs = await openJobs({ url: database.url, jobs: [{ name: 'note', run }], log });
  running.push(jobs);
  return jobs;
}

function enqueue(word: string): Promise<void> {
  return openWork(database.db, SYSTEM, async work => work.enqueue({ name: 'note', payload: { word } }));
}

test('what a work enqueued runs once it is committed', async () => {
  const seen: unknown[] = [];
  await start(async payload => void seen.push(payload));
  await enqueue('hello');
  await until(() => seen.length === 1);
  expect(seen).toEqual([{ word: 'hello' }]);
  await until(async () => (await jobsLeft(database.db, 'note')) === 0);
});

test('a work that is rolled back leaves neither job nor fact', async () => {
  const failed = openWork(database.db, SYSTEM, async work => {
    work.record({ type: 'note.taken' });
    work.enqueue({ name: 'note', payload: {} });
    await work.tx.raw('SELECT 1 / 0');
  });
  await expect(failed).rejects.toThrow('division by zero');
  expect(await jobsLeft(database.db, 'note')).toBe(0);
  const { rows } = await database.db.raw(`SELECT 1 FROM events WHERE type = 'note.taken'`);
  expect(rows).toHaveLength(0);
});

test('a work without jobs and one with a job for later leave what they say', async () => {
  await openWork(database.db, SYSTEM, async work => work.record({ type: 'note.kept' }));
  const runAt = new Date('2100-01-01T00:00:00Z');
  await openWork(database.db, SYSTEM, async work => work.enqueue({ name: 'note', payload: {}, runAt }));
  const { rows } = await database.db.raw('SELECT run_at, max_attempts FROM graphile_worker.jobs');
  expect(rows).toEqual([{ run_at: runAt, max_attempts: 12 }]);
});

test('a job that fails is tried again with the same id until it succeeds', async () => {
  const tries: JobTry[] = [];
  await start(async (_payload, attempt) => {
    tries.push(attempt);
    if (tries.length < 3) throw new Error('not yet');
  });
  await enqueue('again');
  await until(async () => {
    await hasten(database.db);
    return tries.length === 3;
  });
  expect(tries.map(({ attempt, last }) => [attempt, last])).toEqual([
    [1, false],
    [2, false],
    [3, false],
  ]);
  expect(new Set(tries.map(({ id }) => id)).size).toBe(1);
});

test('the last try knows that it is the last', async () => {
  const tries: JobTry[] = [];
  await enqueue('last');
  await database.db.raw('UPDATE graphile_worker._private_jobs SET attempts = max_attempts - 1');
  await start(async (_payload, attempt) => void tries.push(attempt));
  await until(() => tries.length === 1);
  expect(tries[0]).toMatchObject({ attempt: 12, last: true });
});

test('a job that was given up a month ago is removed, and no other one', async () => {
  for (const word of ['given up long ago', 'given up lately', 'tried again']) await enqueue(word);
  const age = (word: string, attempts: string, days: number) =>
    database.db.raw(
      `UPDATE graphile_worker._private_jobs SET attempts = ${attempts}, run_at = now() + interval '1 day',
         updated_at = now() - make_interval(days => ?) WHERE payload ->> 'word' = ?`,
      [days, word],
    );
  await age('given up long ago', 'max_attempts', 31);
  await age('given up lately', 'max_attempts', 29);
  await age('tried again', '3', 60);
  await start(async () => undefined);
  await database.db.raw(`SELECT graphile_worker.add_job('sweep-given-up')`);
  await until(async () => (await jobsLeft(database.db, 'sweep-given-up')) === 0);
  const { rows } = await database.db.raw(
    `SELECT payload ->> 'word' AS word FROM graphile_worker._private_jobs WHERE payload ->> 'word' IS NOT NULL ORDER BY 1`,
  );
  expect(rows.map(({ word }: { word: string }) => word)).toEqual(['given up lately', 'tried again']);
});

test('two runners on one database run each job once', async () => {
  const seen: string[] = [];
  const run: JobDefinition['run'] = async payload => void seen.push((payload as { word: string }).word);
  await start(run);
  await start(run);
  const words = Array.from({ length: 40 }, (_, n) => `w${n}`);
  await Promise.all(words.map(enqueue));
  await until(async () => (await jobsLeft(database.db, 'note')) === 0);
  expect(seen.sort()).toEqual(words.sort());
});

test('a job under way when the runner stops is ended first', async () => {
  let begun = false;
  let ended = false;
  const jobs = await start(async () => {
    begun = true;
    await new Promise(resolve => setTimeout(resolve, 300));
    ended = true;
  });
  await enqueue('slow');
  await until(() => begun);
  await jobs.stop();
  running = [];
  expect(ended).toBe(true);
  expect(await jobsLeft(database.db, 'note')).toBe(0);
});

test('a job that does not end is cut off when the runner stops, and kept', async () => {
  let aborted = false;
  const jobs = await start(
    (_payload, { signal }) =>
      new Promise((_, reject) => {
        signal.addEventListener('abort', () => {
          aborted = true;
          reject(new Error('cut off'));
        });
      }),
  );
  await enqueue('endless');
  await until(async () => (await lockedJobs()) === 1);
  await jobs.stop();
  running = [];
  expect(aborted).toBe(true);
  expect(await jobsLeft(database.db, 'note')).toBe(1);
  expect(await lockedJobs()).toBe(0);
});

test('what a killed process left locked runs elsewhere soon', async () => {
  await enqueue('orphan');
  await database.db.raw(
    `UPDATE graphile_worker._private_jobs SET locked_by = 'dead', locked_at = now() - interval '2 minutes', attempts = 1`,
  );
  const seen: JobTry[] = [];
  await start(async (_payload, attempt) => void seen.push(attempt));
  await openWork(database.db, SYSTEM, async work => work.enqueue({ name: 'free-stale-jobs', payload: {} }));
  await until(() => seen.length === 1);
  expect(seen[0]?.attempt).toBe(2);
});

test('when the database cuts every connection the runner comes back by itself', async () => {
  const seen: unknown[] = [];
  await start(async payload => void seen.push(payload));
  for (let round = 0; round < 3; round++) {
    await database.db.raw(
      `SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity
       WHERE datname = current_database() AND application_name = 'keyhold-jobs'`,
    );
    await enqueue(`after ${round}`);
    await until(() => seen.length === round + 1);
  }
});

test('a job whose end could not be written is run again, and the process lives', async () => {
  const seen: unknown[] = [];
  const owner = openDatabase(database.migrationUrl);
  await start(async payload => {
    // The runner finds its table gone when it wants to write that the job is done.
    if (seen.length === 0) await owner.raw('ALTER TABLE graphile_worker._private_jobs RENAME TO away');
    seen.push(payload);
  });
  await enqueue('unwritten');
  await until(() => seen.length === 1);
  await new Promise(resolve => setTimeout(resolve, 300));
  await owner.raw('ALTER TABLE graphile_worker.away RENAME TO _private_jobs');
  await owner.destroy();
  await until(async () => (await jobsLeft(database.db, 'note')) === 0);
  expect(seen).toEqual([{ word: 'unwritten' }, { word: 'unwritten' }]);
});

test('without a database the runner says so at once', async () => {
  const url = new URL(database.url);
  url.pathname = '/nowhere';
  await expect(openJobs({ url: url.href, jobs: [], log: QUIET })).rejects.toThrow('does not exist');
});

test('what goes to the log holds no payload', async () => {
  const said: string[] = [];
  const say = (about: object, message: string) => void said.push(JSON.stringify(about) + message);
  await start(
    async () => {
      throw new Error('no');
    },
    { debug: say, info: say, warn: say, error: say },
  );
  await enqueue('a secret word');
  await until(() => said.some(line => line.includes('Failed task')));
  expect(said.join('\n')).not.toContain('a secret word');
});

async function lockedJobs(): Promise<number> {
  const { rows } = await database.db.raw(
    'SELECT count(*)::int AS n FROM graphile_worker.jobs WHERE locked_at IS NOT NULL',
  );
  return rows[0].n;
}
