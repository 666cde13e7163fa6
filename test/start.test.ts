import { chmod, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { openTestDatabase, type TestDatabase } from './support/database.js';
import { type Ended, freePort, killAll, run } from './support/keyhold-process.js';

let folder: string;
let database: TestDatabase;
let port: number;
let outside: Record<string, string>;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'keyhold-start-'));
  await chmod(folder, 0o711);
  database = await openTestDatabase();
  port = await freePort();
  outside = {
    KEYHOLD_PORT: String(port),
    KEYHOLD_DATA_DIR: join(folder, 'outside'),
    KEYHOLD_DATABASE_URL: database.url,
    KEYHOLD_MIGRATION_DATABASE_URL: database.migrationUrl,
  };
});

afterAll(async () => {
  killAll();
  await database.close();
  await rm(folder, { recursive: true, force: true });
});

async function fails(env: Readonly<Record<string, string>>): Promise<string> {
  const ended: Ended = await run('main', [], env).ended;
  expect(ended.code).toBe(1);
  expect(ended.err.trim().split('\n')).toHaveLength(1);
  return ended.err.trim();
}

test('on a Postgres of one’s own it starts, answers and stops on a signal', async () => {
  const server = run('main', [], outside);
  await server.printed('Keyhold is running at');
  const answer = await fetch(`http://localhost:${port}/.well-known/openid-configuration`);
  expect(await answer.json()).toMatchObject({ issuer: `http://localhost:${port}` });
  server.child.kill('SIGTERM');
  const ended = await server.ended;
  expect(ended).toMatchObject({ code: 0, err: '' });
  expect(ended.out).toContain(`http://localhost:${port}/dev/mailbox`);
});

test('where somebody else migrates, the lesser role alone is enough', async () => {
  const { KEYHOLD_MIGRATION_DATABASE_URL: _, ...lesser } = outside;
  const server = run('main', [], lesser);
  await server.printed('Keyhold is running at');
  server.child.kill('SIGINT');
  expect(await server.ended).toMatchObject({ code: 0, err: '' });
});

test('with nothing but a folder it brings its own database, keeps everything, and the command finds it', async () => {
  const dataDir = join(folder, 'own');
  const env = { KEYHOLD_PORT: String(await freePort()), KEYHOLD_DATA_DIR: dataDir };
  const client = join(folder, 'client.json');
  await writeFile(
    client,
    JSON.stringify({ client_name: 'Shop', redirect_uris: ['https://shop.example/cb'] }),
  );

  const before = await run('cli', ['clients', 'add', client], env).ended;
  expect(before).toMatchObject({ code: 0 });
  const { client_id: id } = JSON.parse(before.out);

  const server = run('main', ['--with-example'], env);
  await server.printed('Ctrl-C');
  const meanwhile = await run('cli', ['clients', 'list'], env).ended;
  const listed: { client_id: string; client_name: string }[] = JSON.parse(meanwhile.out);
  expect(listed.map(each => each.client_name).sort()).toEqual([
    'Example app',
    'Example command-line app',
    'Example single-page app',
    'Shop',
  ]);
  server.child.kill('SIGTERM');
  expect(await server.ended).toMatchObject({ code: 0 });

  const after = await run('cli', ['clients', 'show', id], env).ended;
  expect(JSON.parse(after.out)).toMatchObject({ client_id: id, client_name: 'Shop' });
  expect(await readdir(join(dataDir, 'postgres/cluster'))).not.toContain('postmaster.pid');

  const secret = await readFile(join(dataDir, 'secret'));
  await rm(join(dataDir, 'secret'));
  expect(await fails(env)).toMatch(/secret is missing, .* restore it from a backup, set KEYHOLD_SECRET/);
  await writeFile(join(dataDir, 'secret'), 'short');
  expect(await fails(env)).toMatch(/secret is damaged/);
  await writeFile(join(dataDir, 'secret'), secret);
});

test('a taken port is told before anything slow begins', async () => {
  const taken = await listening(() => undefined);
  expect(await fails({ ...outside, KEYHOLD_PORT: String(taken.port) })).toBe(
    `Port ${taken.port} of 127.0.0.1 is taken by another program; stop that one, or set KEYHOLD_PORT to another port.`,
  );
  taken.server.close();
});

test.each<[string, Partial<URL>, RegExp]>([
  ['a wrong password', { password: 'wrong' }, /refuses the user or the password of KEYHOLD_DATABASE_URL/],
  ['a database that is not there', { pathname: '/none' }, /create it, or correct KEYHOLD_DATABASE_URL/],
  [
    'a host that is not there',
    { hostname: 'none.invalid' },
    /cannot be reached .* correct KEYHOLD_DATABASE_URL/,
  ],
])('%s is one sentence', async (_what, change, expected) => {
  const url = Object.assign(new URL(database.url), change);
  expect(await fails({ ...outside, KEYHOLD_DATABASE_URL: url.href })).toMatch(expected);
});

test('a Postgres older than 14 is one sentence', async () => {
  const old = await listening(pretendPostgres13);
  const url = `postgresql://keyhold:x@127.0.0.1:${old.port}/keyhold`;
  expect(await fails({ ...outside, KEYHOLD_DATABASE_URL: url })).toBe(
    'The database of KEYHOLD_DATABASE_URL is Postgres 13; Keyhold needs Postgres 14 or newer.',
  );
  old.server.close();
});

test('wrong settings are told with all the others', async () => {
  const ended = await run('main', [], { KEYHOLD_PORT: 'x', KEYHOLD_ISUER: 'y' }).ended;
  expect(ended.code).toBe(1);
  expect(ended.err).toBe(
    'The settings cannot be used:\n  - KEYHOLD_ISUER is not a setting. Did you mean KEYHOLD_ISSUER?\n  - KEYHOLD_PORT must be a port, 1 to 65535.\n',
  );
  expect((await run('cli', ['check-config'], { KEYHOLD_PORT: 'x' }).ended).code).toBe(1);
  expect((await run('cli', ['check-config'], { KEYHOLD_PORT: '3000' }).ended).code).toBe(0);
  expect((await run('cli', ['nothing'], {}).ended).code).toBe(2);
});

function listening(greet: (socket: Socket) => void): Promise<{ server: Server; port: number }> {
  return new Promise(resolve => {
    const server = createServer(greet).listen(0, '127.0.0.1', () => {
      const address = server.address();
      resolve({ server, port: typeof address === 'object' && address ? address.port : 0 });
    });
  });
}

// As much of the protocol as one `SELECT` of a number takes.
function pretendPostgres13(socket: Socket): void {
  const message = (type: string, body: Buffer): Buffer => {
    const length = Buffer.alloc(4);
    length.writeInt32BE(body.length + 4);
    return Buffer.concat([Buffer.from(type), length, body]);
  };
  const ready = message('Z', Buffer.from('I'));
  let started = false;
  socket.on('error', () => undefined);
  socket.on('data', () => {
    if (started) {
      const column = Buffer.from('version\0\0\0\0\0\0\0\0\0\0\x17\0\x04\xff\xff\xff\xff\0\0', 'latin1');
      const value = Buffer.from('130022');
      socket.write(
        Buffer.concat([
          message('T', Buffer.concat([Buffer.from([0, 1]), column])),
          message('D', Buffer.concat([Buffer.from([0, 1, 0, 0, 0, value.length]), value])),
          message('C', Buffer.from('SELECT 1\0')),
          ready,
        ]),
      );
    } else socket.write(Buffer.concat([message('R', Buffer.alloc(4)), ready]));
    started = true;
  });
}
