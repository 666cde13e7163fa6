import { createServer, type Server } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { afterAll, beforeAll, beforeEach, expect, test } from '@jest/globals';
import Koa from 'koa';
import { fetch } from 'undici';
import { Refusal, type RefusalKind } from '../../../src/platform/errors.js';
import { problems, STATUS } from '../../../src/platform/web/problems.js';
import { knownHost, surface } from '../../../src/platform/web/surface.js';

let server: Server;
let origin: string;
let thrown: unknown;
let logged: object[];

beforeAll(async () => {
  server = createServer();
  await new Promise<void>(resolve => server.listen(0, 'localhost', resolve));
  origin = `http://localhost:${(server.address() as AddressInfo).port}`;
  const app = new Koa();
  app.use(surface([]));
  app.use(knownHost(new URL(origin)));
  app.use(
    problems({ error: about => void logged.push(about) }, (ctx, refusal) => {
      ctx.body = `<h1>${refusal?.code ?? 'ours'}</h1>`;
    }),
  );
  app.use(ctx => {
    ctx.cookies.set('left', 'over');
    ctx.redirect('/elsewhere');
    throw thrown;
  });
  server.on('request', app.callback());
});

beforeEach(() => {
  logged = [];
});

afterAll(() => new Promise(resolve => server.close(resolve)));

const ask = (accept: string, headers: Readonly<Record<string, string>> = {}) =>
  fetch(origin, { redirect: 'manual', headers: { accept, ...headers } });

test.each(Object.entries(STATUS))(
  'a refusal of kind %s is answered with %i, as a page or a document',
  async (kind, status) => {
    thrown = new Refusal(kind as RefusalKind, 'a_code', 'Why.', {
      retryAfter: 7,
      cause: new Error('secret cause'),
    });
    const page = await ask('text/html');
    expect([page.status, await page.text()]).toEqual([status, '<h1>a_code</h1>']);
    const answer = await ask('application/json');
    expect([answer.status, answer.headers.get('content-type')]).toEqual([status, 'application/problem+json']);
    expect(answer.headers.get('retry-after')).toBe('7');
    expect([answer.headers.get('set-cookie'), answer.headers.get('location')]).toEqual([null, null]);
    const document = (await answer.json()) as Record<string, unknown>;
    expect(document).toMatchObject({ type: 'about:blank', status, code: 'a_code', detail: 'Why.' });
    expect(document['request_id']).toBe(answer.headers.get('x-request-id'));
    expect(String(document['title'])).toMatch(/^[A-Z]\w+ \w+/);
    expect(logged).toEqual([]);
  },
);

test.each([
  [Object.assign(new Error('too many clients'), { code: '53300' })],
  [Object.assign(new Error('shutting down'), { code: '57P01' })],
  [Object.assign(new Error('connect'), { code: 'ECONNREFUSED' })],
  [Object.assign(new Error('deadlock'), { code: '40P01' })],
  [new Error('timeout exceeded when trying to connect')],
  [new Error('ROLLBACK - Client has encountered a connection error and is not queryable')],
  [Object.assign(new Error('Knex: Timeout acquiring a connection'), { name: 'KnexTimeoutError' })],
])('%s: the database being away is 503 and a wish to come back', async error => {
  thrown = error;
  const answer = await ask('text/html');
  expect([answer.status, answer.headers.get('retry-after')]).toEqual([503, '5']);
  expect(await answer.text()).not.toContain(error.message);
});

test.each([[new Error('password=hunter2')], ['a text'], [undefined], [null], [{ code: '23505' }]])(
  'anything else thrown (%p) is ours: opaque, and logged whole under the number that the page shows',
  async error => {
    thrown = error;
    const answer = await ask('application/json', { 'x-request-id': 'forged' });
    const text = await answer.text();
    expect(answer.status).toBe(500);
    expect(text).not.toContain('hunter2');
    const { code, request_id } = JSON.parse(text) as Record<string, unknown>;
    expect(code).toBe('server_error');
    expect(request_id).not.toBe('forged');
    expect(logged).toEqual([{ err: error, requestId: request_id }]);
  },
);

/** What a request is answered that is sent byte by byte. */
async function sent(lines: readonly string[]): Promise<string> {
  const { port, hostname } = new URL(origin);
  const socket = connect(Number(port), hostname);
  socket.write(`${lines.join('\r\n')}\r\n\r\n`);
  let answer = '';
  for await (const chunk of socket.setEncoding('utf8')) answer += chunk;
  return answer;
}

test('C05: a second host, or another one in the address, is an unknown host as well', async () => {
  thrown = new Refusal('missing', 'reached', 'There.');
  const { host } = new URL(origin);
  const close = ['Accept: application/json', 'Connection: close'];
  expect(await sent(['GET / HTTP/1.1', `Host: ${host}`, ...close])).toContain('reached');
  expect(await sent([`GET http://${host}/ HTTP/1.1`, `Host: ${host}`, ...close])).toContain('reached');
  for (const lines of [
    ['GET / HTTP/1.1', `Host: ${host}`, 'Host: evil.test'],
    ['GET / HTTP/1.1', 'Host: evil.test', `Host: ${host}`],
    ['GET / HTTP/1.1', `Host: ${host}`, `host: ${host}`],
    ['GET http://evil.test/ HTTP/1.1', `Host: ${host}`],
    ['GET evil.test/ HTTP/1.1', `Host: ${host}`],
    ['OPTIONS * HTTP/1.1', `Host: ${host}`],
  ]) {
    expect(await sent([...lines, ...close])).toMatch(/^HTTP\/1.1 400 /);
  }
});

test('an unknown host is told where this server answers, and nothing else', async () => {
  thrown = new Error('not reached');
  const { port } = new URL(origin);
  const answer = await fetch(`http://127.0.0.1:${port}/`);
  expect(answer.status).toBe(400);
  expect(await answer.json()).toMatchObject({
    code: 'unknown_host',
    detail: `This server answers at ${origin}.`,
  });
  expect(logged).toEqual([]);
});
