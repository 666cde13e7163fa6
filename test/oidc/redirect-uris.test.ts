import { afterAll, beforeAll, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { personAt } from '../support/journeys.js';
import { startKeyhold, type TestKeyhold } from '../support/keyhold.js';
import { rowCounts } from '../support/protocol.js';
import type { RegisteredClient } from '../support/relying-party.js';

const REGISTERED = 'https://app.example.test/callback?tenant=1';
const CUSTOM = 'com.example.app:/back';
const LOOPBACK = 'http://127.0.0.1/back';

let keyhold: TestKeyhold;
let web: RegisteredClient;
let native: RegisteredClient;

beforeAll(async () => {
  keyhold = await startKeyhold();
  const common = { client_name: 'App', token_endpoint_auth_method: 'none' };
  web = await keyhold.registerClient({ ...common, redirect_uris: [REGISTERED] });
  native = await keyhold.registerClient({
    ...common,
    application_type: 'native',
    redirect_uris: [LOOPBACK, CUSTOM],
  });
});

afterAll(() => keyhold?.close());

/** The bare answer to an authorization request, and where it leads. */
async function ask(client: RegisteredClient, redirectUri: string | undefined, more: object = {}) {
  const url = new URL('/authorize', keyhold.issuer);
  url.search = new URLSearchParams({
    client_id: client.client_id,
    response_type: 'code',
    scope: 'openid',
    state: 'a state',
    code_challenge: 'E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM',
    code_challenge_method: 'S256',
    ...(redirectUri === undefined ? {} : { redirect_uri: redirectUri }),
    ...more,
  }).toString();
  const response = await fetch(url, { redirect: 'manual', headers: { accept: 'text/html' } });
  return { status: response.status, location: response.headers.get('location'), text: await response.text() };
}

async function expectRefused(
  client: RegisteredClient,
  redirectUri: string,
  more: object = {},
): Promise<void> {
  const { status, location, text } = await ask(client, redirectUri, more);
  expect([redirectUri, status, location]).toEqual([redirectUri, 400, null]);
  expect(text).toContain('Request error');
}

const VARIANTS = [
  '',
  ' ',
  'null',
  '/callback?tenant=1',
  '//app.example.test/callback?tenant=1',
  'app.example.test',
  'app.example.test/callback?tenant=1',
  'https://app.example.test',
  'http://app.example.test/callback?tenant=1',
  'HTTPS://app.example.test/callback?tenant=1',
  'https://APP.example.test/callback?tenant=1',
  'https://app.example.test:443/callback?tenant=1',
  'https://app.example.test:8443/callback?tenant=1',
  'https://app.example.test./callback?tenant=1',
  'https://app.example.test/Callback?tenant=1',
  'https://app.example.test/callback',
  'https://app.example.test/callback/',
  'https://app.example.test/callback/?tenant=1',
  'https://app.example.test//callback?tenant=1',
  'https://app.example.test/./callback?tenant=1',
  'https://app.example.test/x/../callback?tenant=1',
  'https://app.example.test/x/..;/callback?tenant=1',
  'https://app.example.test/x/%2e%2e/callback?tenant=1',
  'https://app.example.test/callback%2F?tenant=1',
  'https://app.example.test/c%61llback?tenant=1',
  'https://app.example.test/callback;x?tenant=1',
  'https://app.example.test/callback?tenant=2',
  'https://app.example.test/callback?tenant=1&x=2',
  'https://app.example.test/callback?x=2&tenant=1',
  'https://app.example.test/callback?tenant=%31',
  'https://app.example.test/callback?tenant=1#',
  'https://app.example.test/callback?tenant=1#x',
  'https://app.example.test/callback?tenant=1 ',
  ' https://app.example.test/callback?tenant=1',
  'https://app.example.test/callback?tenant=1\n',
  'https://app.example.test/callback?tenant=1\t',
  'https://app.example.test/callback?tenant=1\u0000',
  'https://app.example.test\\callback?tenant=1',
  'https:\\\\app.example.test\\callback?tenant=1',
  'https:/app.example.test/callback?tenant=1',
  'https:app.example.test/callback?tenant=1',
  'https://evil.test/callback?tenant=1',
  'https://app.example.test.evil.test/callback?tenant=1',
  'https://evilapp.example.test/callback?tenant=1',
  'https://sub.app.example.test/callback?tenant=1',
  'https://evil.test@app.example.test/callback?tenant=1',
  'https://app.example.test@evil.test/callback?tenant=1',
  'https://app.example.test@@evil.test/callback?tenant=1',
  'https://app.example.test:x@evil.test/callback?tenant=1',
  'https://app.example.test%40evil.test/callback?tenant=1',
  'https://app.example.test#@evil.test/callback?tenant=1',
  'https://app.example.test?@evil.test/callback?tenant=1',
  'https://evil.test#https://app.example.test/callback?tenant=1',
  'https://evil.test?https://app.example.test/callback?tenant=1',
  'https://evil.test/https://app.example.test/callback?tenant=1',
  'https://аpp.example.test/callback?tenant=1',
  'https://app。example.test/callback?tenant=1',
  'https://app.example.test/callback?tenant=1\u200b',
  'https://app.example.te\u00adst/callback?tenant=1',
  'https://*.example.test/callback?tenant=1',
  'javascript:alert(1)',
  'JavaScript:alert(1)//https://app.example.test/callback?tenant=1',
  'data:text/html,<script>alert(1)</script>',
  'vbscript:x',
  'file:///etc/passwd',
  'view-source:https://app.example.test/callback?tenant=1',
  'blob:https://app.example.test/callback?tenant=1',
  'http://localhost/callback?tenant=1',
  'http://127.0.0.1/callback?tenant=1',
  `https://app.example.test/callback?tenant=1&${'a'.repeat(4000)}`,
];

test('C25: only the registered redirect URI is taken, byte by byte; any other ends at a page of ours', async () => {
  const before = await rowCounts(keyhold.db);
  for (const variant of VARIANTS) await expectRefused(web, variant);
  expect(await rowCounts(keyhold.db)).toEqual(before);
  expect(await ask(web, REGISTERED)).toMatchObject({ status: 303 });
});

test('C25: no small change of a redirect URI is overlooked', async () => {
  const change = fc.record({
    at: fc.nat(REGISTERED.length),
    cut: fc.integer({ min: 0, max: 3 }),
    put: fc.string({ maxLength: 3, unit: fc.constantFrom(...`/.:@?#&%\\;2ea=T \t\n0`) }),
  });
  await fc.assert(
    fc.asyncProperty(change, async ({ at, cut, put }) => {
      const changed = REGISTERED.slice(0, at) + put + REGISTERED.slice(at + cut);
      fc.pre(changed !== REGISTERED);
      await expectRefused(web, changed);
    }),
    { numRuns: 150 },
  );
});

test('C25: a native app on a loopback address may come back to any port, and to nothing else', async () => {
  const { status, location } = await ask(native, 'http://127.0.0.1:49152/back');
  expect([status, location]).toEqual([303, expect.stringMatching(/^\/interaction\//)]);
  for (const other of [
    'http://127.0.0.1:49152/other',
    'http://127.0.0.1:49152/back?x=1',
    'http://127.0.0.2:49152/back',
    'http://localhost:49152/back',
    'http://[::1]:49152/back',
    'https://127.0.0.1:49152/back',
    'http://127.0.0.1.evil.test:49152/back',
    'http://127.0.0.1:49152@evil.test/back',
    'http://evil.test@127.0.0.1:49152/back',
    'com.example.app:/back/other',
    'com.example.app://back',
    'com.example.app2:/back',
    'COM.example.app:/back',
  ])
    await expectRefused(native, other);
  expect(await ask(native, CUSTOM)).toMatchObject({ status: 303 });
});

test('C26: whatever else is wrong, nobody is sent to an address that was not registered', async () => {
  const wrong = [
    { prompt: 'none' },
    { prompt: 'none login' },
    { response_type: 'token' },
    { scope: 'nothing' },
    { max_age: 'x' },
    { code_challenge_method: 'plain' },
    { response_mode: 'form_post' },
    { response_mode: 'web_message' },
    { id_token_hint: 'x' },
    { claims: '{' },
    { client_id: 'app_unknown' },
  ];
  for (const parameters of wrong) await expectRefused(web, 'https://evil.test/', parameters);
  expect(await ask(web, undefined, { prompt: 'none' })).toMatchObject({ status: 400, location: null });
});

test('C28: the page about an unknown redirect URI says what was sent, as text', async () => {
  const person = personAt(keyhold);
  const sent = 'https://evil.test/"><img src=x onerror=alert(1)>';
  await person.goto(
    `${keyhold.issuer}/authorize?${new URLSearchParams({
      client_id: web.client_id,
      response_type: 'code',
      redirect_uri: sent,
    })}`,
  );
  expect(person.page.heading).toBe('Request error');
  expect(person.page.text).toContain(sent);
  expect(person.page.html).not.toContain('<img src=x');
});
