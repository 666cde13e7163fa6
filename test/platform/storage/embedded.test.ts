import { spawnSync } from 'node:child_process';
import { chmod, mkdir, mkdtemp, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import pg from 'pg';
import { type Embedded, startEmbedded } from '../../../src/platform/storage/embedded.js';
import { StorageTrouble } from '../../../src/platform/storage/trouble.js';

let folder: string;
let dataDir: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'keyhold-embedded-'));
  await chmod(folder, 0o711);
  dataDir = join(folder, 'd');
});

afterEach(() => rm(folder, { recursive: true, force: true }));

function open(): Promise<Embedded> {
  return startEmbedded({ dataDir, fleeting: true });
}

async function ask(url: string, sql: string): Promise<unknown> {
  const client = new pg.Client({ connectionString: url });
  client.on('error', () => undefined);
  await client.connect();
  try {
    return (await client.query({ text: sql, rowMode: 'array' })).rows[0]?.[0];
  } finally {
    await client.end();
  }
}

function postmaster(): Promise<number> {
  return readFile(join(dataDir, 'postgres/cluster/postmaster.pid'), 'utf8').then(text =>
    Number(text.split('\n')[0]),
  );
}

async function trouble(): Promise<string> {
  try {
    await (await open()).stop();
    return 'it started';
  } catch (error) {
    if (error instanceof StorageTrouble) return error.message;
    throw error;
  }
}

test('it makes two roles, and what was written is there at the next start', async () => {
  const first = await open();
  expect(await ask(first.migrationUrl, 'CREATE TABLE kept AS SELECT 42 AS answer')).toBeUndefined();
  expect(await ask(first.url, 'SELECT current_user::text')).toBe('keyhold');
  expect(await ask(first.migrationUrl, 'SELECT current_user::text')).toBe('keyhold_owner');
  await expect(ask(first.url, 'SELECT answer FROM kept')).rejects.toThrow('permission denied');
  await first.stop();
  const second = await open();
  expect(await ask(second.migrationUrl, 'SELECT answer FROM kept')).toBe(42);
  await second.stop();
});

test('it can be reached from this machine alone and by password alone', async () => {
  const embedded = await open();
  const { superuserUrl } = embedded;
  expect(await ask(superuserUrl, 'SHOW listen_addresses')).toBe('127.0.0.1');
  expect(await ask(superuserUrl, 'SHOW server_encoding')).toBe('UTF8');
  expect(await ask(superuserUrl, "SELECT string_agg(DISTINCT auth_method, ',') FROM pg_hba_file_rules")).toBe(
    'scram-sha-256',
  );
  expect((await stat(join(dataDir, 'database.json'))).mode & 0o777).toBe(0o600);
  await expect(ask(embedded.url.replace(/:[^:@]+@/, ':wrong@'), 'SELECT 1')).rejects.toThrow('password');
  await embedded.stop();
});

test('a second process joins the cluster, and whoever leaves last stops it', async () => {
  const [first, second] = await Promise.all([open(), open()]);
  expect(second.url).toBe(first.url);
  await first.stop();
  expect(await ask(second.url, 'SELECT 1')).toBe(1);
  await second.stop();
  await expect(ask(second.url, 'SELECT 1')).rejects.toThrow('ECONNREFUSED');
});

test('a cluster that a killed process left running is joined and stopped', async () => {
  const program = new URL('../../../src/platform/storage/embedded.js', import.meta.url).href;
  const script = `const { startEmbedded } = await import(${JSON.stringify(program)});
    await startEmbedded(${JSON.stringify({ dataDir, fleeting: true })}); process.kill(process.pid, 'SIGKILL');`;
  expect(spawnSync(process.execPath, ['--input-type=module', '-e', script]).signal).toBe('SIGKILL');
  const pid = await postmaster();
  const joined = await open();
  expect(await postmaster()).toBe(pid);
  await joined.stop();
  await expect(ask(joined.url, 'SELECT 1')).rejects.toThrow('ECONNREFUSED');
});

test('a cluster that was killed is told as lost, and recovers at the next start', async () => {
  const first = await open();
  process.kill(await postmaster(), 'SIGKILL');
  await first.lost;
  await first.stop();
  const second = await open();
  expect(await ask(second.url, 'SELECT 1')).toBe(1);
  await second.stop();
});

test('a process id that a crash left behind and that is somebody else’s now stops nobody', async () => {
  await (await open()).stop();
  const path = join(dataDir, 'postgres/cluster/postmaster.pid');
  await writeFile(path, `${process.ppid}\n${join(dataDir, 'postgres/cluster')}\n1\n1\n\n127.0.0.1\n`);
  const again = await open();
  expect(await ask(again.url, 'SELECT 1')).toBe(1);
  await again.stop();
});

test('where its port is taken it takes another', async () => {
  const first = await open();
  await first.stop();
  const port = Number(new URL(first.url).port);
  const other = createServer().listen(port, '127.0.0.1');
  const second = await open();
  expect(Number(new URL(second.url).port)).not.toBe(port);
  expect(await ask(second.url, 'SELECT 1')).toBe(1);
  await second.stop();
  await new Promise(resolve => other.close(resolve));
});

test('a data folder that moved brings its database along', async () => {
  await (await open()).stop();
  const moved = join(folder, 'moved');
  await rename(dataDir, moved);
  dataDir = moved;
  const embedded = await open();
  expect(embedded.folder).toBe(join(moved, 'postgres'));
  await embedded.stop();
});

test('every broken data folder is one sentence that says what to do', async () => {
  await writeFile(dataDir, 'not a folder');
  expect(await trouble()).toMatch(/^\S+ is not a folder; move it away or set KEYHOLD_DATA_DIR/);
  await rm(dataDir);
  await (await open()).stop();
  const notes = join(dataDir, 'database.json');
  const text = await readFile(notes, 'utf8');
  await rm(notes);
  expect(await trouble()).toMatch(/database\.json is missing, .* restore that file .* or move/);
  await writeFile(notes, '{');
  expect(await trouble()).toMatch(/database\.json is damaged; restore it/);
  await writeFile(notes, text.replace(/"superuser": "[^"]+/, '"superuser": "wrong'));
  expect(await trouble()).toMatch(/^The passwords kept beside \S+ are not those of the database/);
  await writeFile(notes, text);
  await writeFile(join(dataDir, 'postgres/cluster/PG_VERSION'), '9.6\n');
  expect(await trouble()).toMatch(
    /does not start \(Postgres says: database files are incompatible with server\)/,
  );
  await rm(join(dataDir, 'postgres/cluster/global'), { recursive: true });
  expect(await trouble()).toMatch(/is damaged \(files are missing\); restore it from a backup/);
});

test('half a cluster, left by a process that died while it made one, is not taken for a whole one', async () => {
  await mkdir(dataDir, { mode: 0o711 });
  await chmod(dataDir, 0o711);
  await mkdir(join(dataDir, 'postgres'));
  await mkdir(join(dataDir, 'postgres/draft-1'));
  const embedded = await open();
  expect(await ask(embedded.url, 'SELECT 1')).toBe(1);
  await embedded.stop();
});
