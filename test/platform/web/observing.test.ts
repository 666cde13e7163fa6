import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, beforeEach, expect, test } from '@jest/globals';
import Koa from 'koa';
import { fetch } from 'undici';
import { openLog } from '../../../src/platform/telemetry/log.js';
import { logOnly } from '../../../src/platform/telemetry/telemetry.js';
import { observing } from '../../../src/platform/web/observing.js';
import { surface } from '../../../src/platform/web/surface.js';

let server: Server;
let origin: string;
let written: string[];
let trusted: readonly string[];

beforeAll(async () => {
  server = createServer((request, response) => {
    const app = new Koa();
    app.silent = true;
    app.use(surface(trusted));
    const log = openLog('info', { write: line => void written.push(line) });
    app.use(observing(logOnly(log), ctx => ({ route: 'here', client: ctx.get('X-Client') || undefined })));
    app.use(ctx => {
      if (ctx.path === '/broken') throw new Error('broken');
      ctx.body = 'hello';
    });
    return app.callback()(request, response);
  });
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
  origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});

beforeEach(() => {
  written = [];
  trusted = [];
});

afterAll(() => new Promise(resolve => server.close(resolve)));

async function idFor(sent: string): Promise<string | null> {
  return (await fetch(origin, { headers: { 'X-Request-Id': sent } })).headers.get('X-Request-Id');
}

test('a request id is taken from a trusted proxy, and made where nobody is trusted or it is none', async () => {
  const made = /^[0-9a-f]{8}-[0-9a-f-]{27}$/;
  expect(await idFor('4711-from-outside')).toMatch(made);
  trusted = ['127.0.0.0/8'];
  expect(await idFor('4711-from-the-proxy')).toBe('4711-from-the-proxy');
  expect(written.map(line => JSON.parse(line).requestId)).toContain('4711-from-the-proxy');
  for (const none of ['short', 'with a space in it', '<script>alert(1)</script>', 'x'.repeat(129)]) {
    expect(await idFor(none)).toMatch(made);
  }
});

test('C51: whatever was sent, a request is one line', async () => {
  const headers = { 'X-Client': 'one\ttwo"}{"level":"fatal' };
  await fetch(`${origin}/%0d%0a%1b[31m{"level":"fatal"}?x=%0a`, { headers });
  expect(written).toHaveLength(1);
  expect(written[0]?.match(/\n/g)).toHaveLength(1);
  expect(JSON.parse(written[0] ?? '')).toMatchObject({ level: 'info', route: 'here', status: 200 });
});

test('a request that broke is told as 500', async () => {
  await fetch(`${origin}/broken`);
  expect(JSON.parse(written[0] ?? '')).toMatchObject({ msg: 'request', status: 500 });
});
