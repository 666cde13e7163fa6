import { createServer, request as openRequest, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, afterEach, beforeAll, expect, test } from '@jest/globals';
import Koa from 'koa';
import pg from 'pg';
import { fetch } from 'undici';
import { openLoad } from '../../src/platform/web/load.js';
import { until } from '../support/jobs.js';
import { startKeyhold, type TestKeyhold } from '../support/keyhold.js';

let keyhold: TestKeyhold;
let foreign: pg.Client[] = [];

beforeAll(async () => {
  keyhold = await startKeyhold({ LOG_LEVEL: 'silent', BCRYPT_COST: '10' });
});

afterEach(async () => {
  await Promise.all(foreign.map(client => client.end().catch(() => undefined)));
  foreign = [];
});

afterAll(() => keyhold?.close());

async function connect(url: string): Promise<pg.Client> {
  const client = new pg.Client({ connectionString: url });
  client.on('error', () => undefined);
  await client.connect();
  foreign.push(client);
  return client;
}

const token = () =>
  fetch(`${keyhold.origin}/token`, {
    method: 'POST',
    headers: { Authorization: `Basic ${Buffer.from('nobody-at-all:x').toString('base64')}` },
    body: new URLSearchParams({ grant_type: 'refresh_token', refresh_token: 'none' }),
  });
const authorize = () =>
  fetch(`${keyhold.origin}/authorize?client_id=nobody-${Math.random()}`, { redirect: 'manual' });
const health = async (which: string) => (await fetch(`${keyhold.origin}/health/${which}`)).status;

test('R07: with every connection of the database taken, requests are turned away, and it recovers by itself', async () => {
  const { migrationDatabaseUrl, databaseUrl } = keyhold.config;
  const owner = await connect(migrationDatabaseUrl);
  const name = owner.escapeIdentifier(new URL(databaseUrl).pathname.slice(1));
  const lesser = await connect(databaseUrl);
  await owner.query(`ALTER DATABASE ${name} CONNECTION LIMIT 0`);
  await connect(migrationDatabaseUrl).then(
    () => Promise.reject(new Error('there is a connection left')),
    () => undefined,
  );
  await lesser.query(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database()
      AND usename = current_user AND application_name = 'keyhold' AND pid <> pg_backend_pid()`);
  await until(async () => (await health('ready')) === 503);
  const answers = await Promise.all(Array.from({ length: 50 }, authorize));
  expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([503]));
  expect(answers.every(({ headers }) => Number(headers.get('retry-after')) > 0)).toBe(true);
  expect(await health('live')).toBe(200);
  await owner.query(`ALTER DATABASE ${name} CONNECTION LIMIT -1`);
  await until(async () => (await health('ready')) === 200);
  expect((await authorize()).status).toBe(400);
}, 60_000);

test('R08: behind a database that stands still, nobody waits for long and everybody is told to come back', async () => {
  const owner = await connect(keyhold.config.migrationDatabaseUrl);
  await owner.query('BEGIN');
  await owner.query('LOCK TABLE clients IN ACCESS EXCLUSIVE MODE');
  const answers = await Promise.all(Array.from({ length: 300 }, authorize));
  const told = answers.map(({ status, headers }) => `${status} ${Number(headers.get('retry-after')) > 0}`);
  expect(new Set(told)).toEqual(new Set(['503 true']));
  const codes = await Promise.all(answers.map(answer => answer.json() as Promise<{ code: string }>));
  expect(new Set(codes.map(({ code }) => code))).toEqual(new Set(['overloaded', 'temporarily_unavailable']));
  expect(await health('live')).toBe(200);
  await owner.query('ROLLBACK');
  expect((await token()).status).toBe(401);
}, 60_000);

test('one too many is turned away at once, and whoever sends slowly takes nobody’s place', async () => {
  const { promise: gate, resolve: release } = Promise.withResolvers<void>();
  const app = new Koa();
  app.silent = true;
  let inside = 0;
  const warnings: object[] = [];
  const load = openLoad({
    limit: 2,
    page: language => `<h1>busy ${language}</h1>`,
    log: { warn: about => void warnings.push(about) },
  });
  app.use(load.counting);
  app.use(async ctx => {
    for await (const _ of ctx.req);
    inside += 1;
    if (ctx.path === '/wait') await gate;
    ctx.body = 'served';
  });
  const serve = app.callback();
  const server: Server = createServer((request, response) => {
    if (!load.turnsAway(request, response)) serve(request, response);
  });
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const get = (path: string) => fetch(`http://127.0.0.1:${port}${path}`);

  const slow = [1, 2, 3].map(() => {
    const request = openRequest({
      port,
      host: '127.0.0.1',
      method: 'POST',
      headers: { 'Content-Length': 10 },
    });
    request.on('error', () => undefined).write('five.');
    return request;
  });
  expect((await get('/')).status).toBe(200);
  const waiting = [get('/wait'), get('/wait')];
  await until(() => inside === 3);
  const refused = await get('/');
  expect([refused.status, refused.headers.get('retry-after')]).toEqual([503, '2']);
  expect(await refused.json()).toMatchObject({
    code: 'overloaded',
    request_id: refused.headers.get('x-request-id'),
  });
  const person = await fetch(`http://127.0.0.1:${port}/`, {
    headers: { Accept: 'text/html', 'Accept-Language': 'de' },
  });
  expect([person.status, await person.text()]).toEqual([503, '<h1>busy de</h1>']);
  expect((await get('/health/live')).status).toBe(200);
  expect(load.refusals()).toBe(2);
  expect(warnings[0]).toEqual({ serving: 2, refusals: 1 });
  release();
  expect((await Promise.all(waiting)).map(({ status }) => status)).toEqual([200, 200]);
  expect((await get('/')).status).toBe(200);
  for (const request of slow) request.destroy();
  server.closeAllConnections();
  await new Promise(resolve => server.close(resolve));
});
