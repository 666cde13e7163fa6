import { expect, test } from '@jest/globals';
import Koa from 'koa';
import request from 'supertest';
import { openAssets } from '../../../src/platform/web/assets.js';

const assets = openAssets();
const app = new Koa();
app.use(assets.middleware);
const server = app.callback();

test.each([
  ['style.css', 'text/css; charset=utf-8'],
  ['early.js', 'text/javascript; charset=utf-8'],
  ['passkey.js', 'text/javascript; charset=utf-8'],
  ['password.js', 'text/javascript; charset=utf-8'],
  ['webauthn.js', 'text/javascript; charset=utf-8'],
  ['mark.svg', 'image/svg+xml'],
])('%s is served as what it is, and kept as long as its fingerprint holds', async (name, type) => {
  const answer = await request(server).get(assets.url(name)).expect(200);
  expect(answer.headers['content-type']).toBe(type);
  expect(answer.headers['x-content-type-options']).toBe('nosniff');
  expect(answer.headers['cache-control']).toBe('public, max-age=31536000, immutable');
});

test('another fingerprint is answered but not kept', async () => {
  const answer = await request(server).get('/assets/style.css?v=before').expect(200);
  expect(answer.headers['cache-control']).toBe('no-cache');
});

test('who has it already is told so', async () => {
  const first = await request(server).get('/assets/style.css');
  const second = await request(server)
    .get('/assets/style.css')
    .set('If-None-Match', String(first.headers.etag));
  expect(second.status).toBe(304);
  expect(second.text).toBe('');
});

test('compressed and plain are told apart', async () => {
  const plain = await request(server).get('/assets/style.css').set('Accept-Encoding', 'identity');
  const compressed = await request(server).head('/assets/style.css').set('Accept-Encoding', 'br');
  expect(compressed.headers['content-encoding']).toBe('br');
  expect(plain.headers['content-encoding']).toBeUndefined();
  expect(plain.headers.etag).not.toBe(compressed.headers.etag);
  expect(plain.headers.vary).toBe('Accept-Encoding');
});

test.each([
  '/assets/',
  '/assets/nothing.css',
  '/assets/..%2f..%2fpackage.json',
  '/assets/%2e%2e/error.ejs',
  '/assets/__proto__',
])('%s is not found', async path => {
  await request(server).get(path).expect(404);
});

test('a name that is no asset is a mistake in a view, found at once', () => {
  expect(() => assets.url('nothing.css')).toThrow('nothing.css');
});
