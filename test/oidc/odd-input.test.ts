import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { startKeyhold, type TestKeyhold } from '../support/keyhold.js';
import type { Person } from '../support/person.js';
import { newMember } from '../support/protocol.js';
import { openRawClient } from '../support/raw-client.js';
import { openRelyingParty, type RelyingParty } from '../support/relying-party.js';

const ODD = [
  '\u0000',
  'a\u0000b',
  '\ud800',
  '%',
  '%zz',
  '__proto__',
  'constructor',
  '\n',
  '\u202e',
  'x'.repeat(8_000),
];

let keyhold: TestKeyhold;
let app: RelyingParty;
let ada: Person;

beforeAll(async () => {
  keyhold = await startKeyhold({ LOG_LEVEL: 'silent' });
  app = await openRelyingParty(keyhold, { first_party: true });
  ada = await newMember(keyhold, app, 'ada@example.test');
});

afterAll(async () => {
  await app?.close();
  await keyhold?.close();
});

async function statusOf(path: string, init: RequestInit = {}): Promise<number> {
  const response = await fetch(new URL(path, keyhold.issuer), { redirect: 'manual', ...init });
  await response.text();
  return response.status;
}

test('no parameter of an authorization request makes it fail', async () => {
  const names = [
    'client_id',
    'state',
    'nonce',
    'login_hint',
    'acr_values',
    'ui_locales',
    'id_token_hint',
    'scope',
  ];
  for (const name of [...names, 'prompt', 'claims', 'resource', 'unknown', 'redirect_uri', 'response_mode']) {
    for (const value of ODD) {
      const url = await app.authorizationUrl();
      url.searchParams.set(name, value);
      const status = await statusOf(url.href);
      expect([name, value.slice(0, 9), status < 500]).toEqual([name, value.slice(0, 9), true]);
    }
  }
});

test('no parameter that comes in the body of an authorization request makes it fail', async () => {
  for (const value of ODD) {
    const { searchParams } = await app.authorizationUrl();
    for (const name of ['state', 'nonce', 'login_hint', 'client_id']) {
      const body = new URLSearchParams([...searchParams].filter(([key]) => key !== name));
      body.set(name, value);
      const status = await statusOf('/authorize', { method: 'POST', body });
      expect([name, value.slice(0, 9), status < 500]).toEqual([name, value.slice(0, 9), true]);
    }
  }
});

test('no claims request makes it fail', async () => {
  for (const claims of [
    '{"id_token":{"\\u0000":null}}',
    '{"userinfo":{"a":{"value":"\\ud800"}}}',
    '{"id_token":{"__proto__":{}}}',
    '{"id_token":{"acr":null}}',
    '{"id_token":{"acr":5}}',
    '{"id_token":{"acr":{"essential":true,"values":5}}}',
    '{"id_token":{"acr":{"essential":true,"value":5}}}',
    '{"id_token":{"sub":5}}',
  ]) {
    const url = await app.authorizationUrl({ claims });
    expect([claims, (await statusOf(url.href)) < 500]).toEqual([claims, true]);
    await ada.goto(url);
    expect([claims, ada.page.status < 500]).toEqual([claims, true]);
  }
});

test('no parameter of a token, introspection or revocation request makes it fail', async () => {
  const client = await openRawClient(keyhold, app.client);
  const secret = app.client.client_secret ?? '';
  for (const value of ODD) {
    for (const [path, form] of [
      [
        '/token',
        { grant_type: 'authorization_code', code: value, redirect_uri: value, code_verifier: value },
      ],
      ['/token', { grant_type: 'authorization_code', code: `kh_ac_${value}`, redirect_uri: app.redirectUri }],
      ['/token', { grant_type: 'refresh_token', refresh_token: `kh_rt_${value}` }],
      ['/token', { grant_type: 'client_credentials', resource: value, scope: value }],
      ['/token', { grant_type: value }],
      ['/introspect', { token: `kh_at_${value}`, token_type_hint: value }],
      ['/revoke', { token: `kh_rt_${value}`, token_type_hint: value }],
    ] as const) {
      for (const id of [app.clientId, value]) {
        const { status } = await client.post(path, { ...form, client_id: id, client_secret: secret });
        expect([path, value.slice(0, 9), status < 500]).toEqual([path, value.slice(0, 9), true]);
      }
    }
    const basic = Buffer.from(`${value}:${value}`).toString('base64');
    const { status } = await client.post('/token', { grant_type: 'x' }, { authorization: `Basic ${basic}` });
    expect([value.slice(0, 9), status < 500]).toEqual([value.slice(0, 9), true]);
  }
});

test('no address and no cookie makes a page fail', async () => {
  for (const path of [
    '/%',
    '/%00',
    '/%E0%A4%A',
    '/interaction/%00',
    '/interaction/%',
    '/clients/%00/logo',
    '/clients/%/logo',
    '/authorize/%00',
    '/authorize/x',
    '/assets/%00',
    '/assets/..%2f..%2fpackage.json',
    '/end-session?state=%00&client_id=%00',
    '/end-session/success?client_id=%00',
    '/?ui_locales=%00',
    '/dev/mailbox/%00',
    `/${'a'.repeat(8000)}`,
  ]) {
    expect([path.slice(0, 40), (await statusOf(path)) < 500]).toEqual([path.slice(0, 40), true]);
  }
  for (const cookie of [
    'keyhold_session=%00',
    'keyhold_session=x; keyhold_session.sig=y',
    '=',
    ';;;',
    'keyhold_language=%00',
  ]) {
    expect([cookie, (await statusOf('/', { headers: { cookie } })) < 500]).toEqual([cookie, true]);
  }
  for (const method of ['PUT', 'DELETE', 'PATCH', 'OPTIONS', 'HEAD']) {
    for (const path of ['/', '/token', '/authorize', '/userinfo', '/jwks', '/interaction/x']) {
      expect([method, path, (await statusOf(path, { method })) < 500]).toEqual([method, path, true]);
    }
  }
});

const nested = (depth: number) => '['.repeat(depth) + ']'.repeat(depth);

test('C52: nothing that is nested thousands deep makes a request fail', async () => {
  const machine = await keyhold.registerClient({
    grant_types: ['client_credentials', 'urn:ietf:params:oauth:grant-type:device_code'],
    redirect_uris: [],
    response_types: [],
    token_endpoint_auth_method: 'client_secret_post',
    development: true,
  });
  const raw = await openRawClient(keyhold, app.client);
  const basic = {
    Authorization: `Basic ${btoa(`${app.client.client_id}:${app.client.client_secret}`)}`,
  };
  const encoded = (json: string) => Buffer.from(json).toString('base64url');
  for (const depth of [40, 2_000, 6_000, 12_000]) {
    const claims = `{"userinfo":{"name":{"value":${nested(depth)}}}}`;
    const { searchParams } = await app.authorizationUrl({ claims });
    const pushed = await raw.post('/par', Object.fromEntries(searchParams), basic);
    expect([depth, pushed.status, pushed.body.error]).toEqual([depth, 400, 'invalid_request']);
    const jwt = `${encoded(`{"alg":"ES256","typ":"dpop+jwt","jwk":{"kty":"EC","x":${nested(depth)}}}`)}.${encoded(
      `{"iss":"${machine.client_id}","sub":"${machine.client_id}","jti":${nested(depth)}}`,
    )}.AAAA`;
    const { client_id, client_secret = '' } = machine;
    const form = { grant_type: 'client_credentials', client_id, client_secret };
    const answers = [
      await raw.post('/token', { ...form, client_secret: '', client_assertion: jwt.slice(0, 50_000) }),
      await raw.post(
        '/par',
        {
          ...Object.fromEntries((await app.authorizationUrl()).searchParams),
          id_token_hint: jwt.slice(0, 50_000),
        },
        basic,
      ),
      await raw.post('/introspect', { token: jwt.slice(0, 50_000) }, basic),
    ];
    if (depth <= 2_000) answers.push(await raw.post('/token', form, { DPoP: jwt.slice(0, 12_000) }));
    for (const { status, text } of answers) expect([depth, status < 500, text]).toEqual([depth, true, text]);
  }
  const shallow = '{"userinfo":{"name":{"values":["x",{"y":[1]}]}}}';
  const { searchParams } = await app.authorizationUrl({ claims: shallow });
  expect((await raw.post('/par', Object.fromEntries(searchParams), basic)).status).toBe(201);
});
