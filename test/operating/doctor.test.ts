import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { judgeDatabase, judgeRights } from '../../src/doctor.js';
import { openDatabase } from '../../src/platform/storage/db.js';
import type { Inspection } from '../../src/platform/storage/inspect.js';
import { openTestDatabase, type TestDatabase } from '../support/database.js';
import { freePort, killAll, run } from '../support/keyhold-process.js';
import { type KeyholdProcess, SECRET, startProcess } from '../support/process-journey.js';
import { openSmtpSink } from '../support/smtp.js';

let folder: string;
let database: TestDatabase;
let keyhold: KeyholdProcess;
let env: Readonly<Record<string, string>>;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'keyhold-doctor-'));
  database = await openTestDatabase();
  keyhold = await startProcess(database);
  env = {
    KEYHOLD_ISSUER: keyhold.origin,
    KEYHOLD_DATA_DIR: folder,
    KEYHOLD_SECRET: SECRET,
    KEYHOLD_DATABASE_URL: database.url,
    KEYHOLD_MIGRATION_DATABASE_URL: database.migrationUrl,
  };
}, 30_000);

afterAll(async () => {
  killAll();
  await database?.close();
  await rm(folder, { recursive: true, force: true });
});

async function doctor(
  change: Readonly<Record<string, string>> = {},
): Promise<{ code: number | null; out: string }> {
  const { code, out, err } = await run('cli', ['doctor'], { ...env, ...change }).ended;
  expect(err).toBe('');
  return { code, out };
}

test('where all is well it says so, and changes nothing', async () => {
  const sink = await openSmtpSink();
  const { code, out } = await doctor({ KEYHOLD_SMTP_URL: `smtp://127.0.0.1:${sink.port}` });
  for (const sentence of [
    /^ok +The database answers: Postgres \d+(\.\d+)*, as the role \w+\.$/m,
    /^ok +The tables are up to date\.$/m,
    /^ok +The role \w+ may read and write, and neither alter tables nor change events\.$/m,
    /^ok +The clocks .* are [\d.]+ s apart\.$/m,
    /^ok +The signing keys can be opened\.$/m,
    /^ok +The mail server 127\.0\.0\.1:\d+ lets us in\.$/m,
    /^ok +The disk of .* has \d+ MB free\.$/m,
    /^ok +Discovery answers at http:\/\/localhost:\d+\/\.well-known\/openid-configuration\.$/m,
    /^Nothing is in the way\.$/m,
  ]) {
    expect(out).toMatch(sentence);
  }
  expect(code).toBe(0);
  expect(sink.received).toEqual([]);
  await sink.close();
  expect(await readdir(folder)).toEqual([]);
});

test('where nothing was started yet, it says that and makes nothing', async () => {
  const port = await freePort();
  const { out, err, code } = await run('cli', ['doctor'], {
    KEYHOLD_PORT: String(port),
    KEYHOLD_DATA_DIR: folder,
  }).ended;
  expect(out).toMatch(/^note +There is no database in .* yet; the first start makes it\.$/m);
  expect(out).toMatch(
    /^note +Nobody answers at http:\/\/localhost:\d+\/.* \(connect ECONNREFUSED .*\); start the server/m,
  );
  expect({ err, code }).toEqual({ err: '', code: 0 });
  expect(await readdir(folder)).toEqual([]);
});

test('each thing that is in the way is one sentence', async () => {
  const owner = openDatabase(database.migrationUrl);
  const { rows } = await owner.raw(
    'DELETE FROM keyhold_migrations WHERE id = (SELECT max(id) FROM keyhold_migrations) RETURNING *',
  );
  const behind = await doctor({ KEYHOLD_SMTP_URL: `smtp://127.0.0.1:${await freePort()}` });
  expect(behind.out).toContain(`The tables are behind (${rows[0].name}); run keyhold migrate`);
  expect(behind.out).toMatch(
    /^problem +The mail server .* cannot be used \(ESOCKET\); correct KEYHOLD_SMTP_URL\.$/m,
  );
  expect(behind.out).toContain('2 problems to be solved.');
  expect(behind.code).toBe(1);
  await owner('keyhold_migrations').insert(rows[0]);
  await owner.raw(`REVOKE UPDATE ON clients FROM ${new URL(database.url).username}`);
  const other = await doctor({ KEYHOLD_SECRET: `${SECRET}-another` });
  expect(other.out).toMatch(
    /^problem +The role \w+ may not read and write clients; keyhold migrate grants it that\.$/m,
  );
  expect(other.out).toMatch(/^problem +The signing keys cannot be used: .* another KEYHOLD_SECRET/m);
  expect(other.code).toBe(1);
  await owner.destroy();
  const wrong = Object.assign(new URL(database.url), { password: 'wrong' }).href;
  expect((await doctor({ KEYHOLD_DATABASE_URL: wrong })).out).toMatch(
    /^problem +The database at \S+ refuses the user or the password of KEYHOLD_DATABASE_URL/m,
  );
}, 30_000);

test('migrate says what it did, and this version starts on the tables of the next one', async () => {
  const own = { KEYHOLD_DATA_DIR: join(folder, 'own') };
  const first = await run('cli', ['migrate'], own).ended;
  expect(first.out.trim().split('\n').length).toBeGreaterThan(5);
  expect(first.err).toMatch(/\d+ steps were taken; the tables are up to date\.$/m);

  const owner = openDatabase(database.migrationUrl);
  await owner('keyhold_migrations').insert({ name: '99990101000000_next_version.js', batch: 99 });
  await owner.destroy();
  const second = await run('cli', ['migrate'], env).ended;
  expect(second).toMatchObject({ code: 0, out: '' });
  expect(second.err).toMatch(/^The tables were up to date already\.$/m);
}, 60_000);

const FINE: Inspection = {
  version: '18.4',
  pending: [],
  ahead: -300,
  role: 'keyhold',
  ownsTables: false,
  withheld: [],
  changesEvents: false,
  connections: 97,
};

test.each<[string, Partial<Inspection>, number, RegExp]>([
  ['a clock that is wrong', { ahead: 61_000 }, 1, /are 61 s apart; let both be set by NTP/],
  ['more processes than connections', {}, 6, /6 processes may open 120 connections and Postgres lets 97 in/],
  ['a role that may rewrite history', { changesEvents: true }, 1, /may change events/],
  ['one role for all', { ownsTables: true }, 1, /name a lesser role/],
])('%s is told', (_what, change, workers, expected) => {
  const findings = judgeDatabase({ ...FINE, ...change }, { workers });
  const told = findings.filter(([weight]) => weight !== 'ok').map(([, sentence]) => sentence);
  expect(told).toHaveLength(1);
  expect(told[0]).toMatch(expected);
});

test('requests of people about their data are told of while there is a week left, and are a problem when there is none', () => {
  const weights = [
    { open: 3, soon: 0, overdue: 0 },
    { open: 3, soon: 1, overdue: 0 },
    { open: 3, soon: 1, overdue: 1 },
  ].map(counts => judgeRights(counts)[0]);
  expect(weights).toEqual(['ok', 'note', 'problem']);
});
