import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { Validator } from '@seriousme/openapi-schema-validator';
import * as openid from 'openid-client';
import { API_OPERATIONS } from '../../../src/journeys/manage/routes.js';
import { accountApi, accountToken, accountTokens } from '../../support/account-api.js';
import { startKeyhold, type TestKeyhold } from '../../support/keyhold.js';
import type { Person } from '../../support/person.js';
import { newMember } from '../../support/protocol.js';
import { openRelyingParty, type RelyingParty } from '../../support/relying-party.js';

let keyhold: TestKeyhold;
let app: RelyingParty;
let ada: Person;

const SCOPE = 'account:overview:read';

beforeAll(async () => {
  keyhold = await startKeyhold();
  app = await openRelyingParty(keyhold, {
    scope: `openid profile email offline_access ${SCOPE}`,
    allowed_origins: ['https://spa.example.test'],
  });
  ada = await newMember(keyhold, app, 'ada@example.test');
});

afterAll(async () => {
  await app?.close();
  await keyhold?.close();
});

async function ask(headers: Readonly<Record<string, string>>, path = '/api/me', init: RequestInit = {}) {
  const answer = await fetch(new URL(path, keyhold.origin), { ...init, headers });
  const text = await answer.text();
  return {
    status: answer.status,
    type: answer.headers.get('content-type'),
    challenge: answer.headers.get('www-authenticate') ?? '',
    origin: answer.headers.get('access-control-allow-origin'),
    body: text === '' ? undefined : JSON.parse(text),
  };
}

interface Described {
  readonly operationId: string;
  readonly security: readonly [{ readonly account: readonly string[] }];
}

const bearer = (token: string) => ({ authorization: `Bearer ${token}` });

test('an app that a person lets sees what it was let to see, and the consent page says what that is', async () => {
  await ada.goto(await app.authorizationUrl({ scope: `openid ${SCOPE}`, resource: accountApi(keyhold) }));
  expect(ada.page.text).toContain('See which ways to sign in you have set up');
  const token = await accountToken(keyhold, ada, app, SCOPE);
  const { status, body } = await ask(bearer(token));
  expect([status, body]).toEqual([
    200,
    {
      password: true,
      passkeys: 0,
      second_step: false,
      email_addresses: { proved: 1, unproved: 0 },
      attention: ['no_passkey', 'one_email'],
    },
  ]);
});

test('C48: without a token, with a bad one, or with a cookie alone nothing is told', async () => {
  const cookie = await ada.jar.getCookieString(keyhold.origin);
  const metadata = `resource_metadata="${keyhold.origin}/.well-known/oauth-protected-resource/api/me"`;
  for (const headers of [{}, { cookie, accept: 'text/html' }]) {
    const { status, type, challenge, body } = await ask(headers);
    expect([status, type, body.code]).toEqual([401, 'application/problem+json', 'token_missing']);
    expect(challenge).toBe(`Bearer ${metadata}, DPoP ${metadata}, algs="ES256 Ed25519 EdDSA"`);
  }
  const token = await accountToken(keyhold, ada, app, SCOPE);
  const plain = await app.exchange((await ada.goto(await app.authorizationUrl())).url);
  for (const bad of [
    'nothing',
    `${token}x`,
    plain.access_token,
    plain.refresh_token ?? '',
    plain.id_token ?? '',
  ]) {
    const { status, challenge, body } = await ask(bearer(bad));
    expect([bad, status, body.code]).toEqual([bad, 401, 'invalid_token']);
    expect(challenge).toMatch(/^Bearer error="invalid_token", error_description="[^"]+", resource_metadata=/);
  }
  const odd = await ask({ authorization: `Basic ${token}` });
  expect([odd.status, odd.body.code]).toEqual([400, 'invalid_request']);
  const inQuery = await ask({}, `/api/me?access_token=${token}`);
  expect([inQuery.status, inQuery.body.code]).toEqual([401, 'token_missing']);
});

test('C38: a token for the API is no token for userinfo, and names its audience', async () => {
  const token = await accountToken(keyhold, ada, app, SCOPE);
  const told = await app.introspect(token);
  expect(told).toMatchObject({ active: true, aud: accountApi(keyhold), scope: SCOPE, acr: 'aal1' });
  expect(Number(told.auth_time)).toBeGreaterThan(Date.now() / 1000 - 300);
  expect((await ask(bearer(token), '/userinfo')).status).toBe(403);
});

test('what is revoked, ended or turned off tells nothing any more', async () => {
  const token = await accountToken(keyhold, ada, app, SCOPE);
  await app.revoke(token);
  expect((await ask(bearer(token))).status).toBe(401);
  const other = await accountToken(keyhold, ada, app, SCOPE);
  const suspend = (state: string) => keyhold.db('accounts').update({ state });
  await suspend('suspended');
  expect((await ask(bearer(other))).status).toBe(401);
  await suspend('active');
  expect((await ask(bearer(other))).status).toBe(200);
});

test('C40: an app that is not registered for a scope does not get it', async () => {
  const stranger = await openRelyingParty(keyhold, { scope: 'openid profile email' });
  await ada.goto(
    await stranger.authorizationUrl({ scope: `openid ${SCOPE}`, resource: accountApi(keyhold) }),
  );
  if (ada.page.buttons.includes('Allow')) await ada.press('Allow');
  const { access_token } = await stranger.exchange(ada.page.url);
  const { status } = await ask(bearer(access_token));
  expect([401, 403]).toContain(status);
  await stranger.close();
});

test('C38, C43: a bound token takes a proof of its key for this very request, once', async () => {
  const keys = await openid.randomDPoPKeyPair();
  const DPoP = openid.getDPoPHandle(app.configuration, keys);
  const { access_token, token_type } = await accountTokens(keyhold, ada, app, SCOPE, { proving: { DPoP } });
  expect(token_type).toBe('dpop');
  expect((await ask(bearer(access_token))).body.code).toBe('invalid_token');
  expect((await ask({ authorization: `DPoP ${access_token}` })).body.code).toBe('invalid_token');
  const answer = await openid.fetchProtectedResource(
    app.configuration,
    access_token,
    new URL('/api/me', keyhold.origin),
    'GET',
    undefined,
    undefined,
    { DPoP },
  );
  expect(answer.status).toBe(200);
});

test('C32: only the origins of the app read an answer', async () => {
  const token = await accountToken(keyhold, ada, app, SCOPE);
  const from = (origin: string) => ask({ ...bearer(token), origin });
  expect(await from('https://spa.example.test')).toMatchObject({
    status: 200,
    origin: 'https://spa.example.test',
  });
  for (const origin of ['https://evil.test', 'null', 'https://spa.example.test.evil.test']) {
    expect(await from(origin)).toMatchObject({
      status: 400,
      origin: null,
      body: { code: 'invalid_request' },
    });
  }
  const preflight = await fetch(new URL('/api/me', keyhold.origin), {
    method: 'OPTIONS',
    headers: { origin: 'https://spa.example.test', 'access-control-request-method': 'GET' },
  });
  expect([preflight.status, preflight.headers.get('access-control-allow-credentials')]).toEqual([204, null]);
  expect(preflight.headers.get('access-control-allow-headers')).toContain('Authorization');
});

test('an unknown parameter, another method and an unknown address are answered as problems', async () => {
  const token = await accountToken(keyhold, ada, app, SCOPE);
  const unknown = await ask(bearer(token), '/api/me?accountId=x');
  expect([unknown.status, unknown.body.code]).toEqual([400, 'invalid_input']);
  expect(unknown.body.errors).toEqual([{ field: 'query', message: expect.stringContaining('accountId') }]);
  const wrong = await ask(bearer(token), '/api/me', { method: 'DELETE' });
  expect([wrong.status, wrong.body.code]).toEqual([405, 'method_not_allowed']);
  const missing = await ask({ accept: 'text/html' }, '/api/me/nothing');
  expect([missing.status, missing.type]).toEqual([404, 'application/problem+json']);
});

test('the description is valid OpenAPI 3.1, and open to everybody', async () => {
  const { status, origin, body } = await ask({ origin: 'https://any.example' }, '/api/me/openapi.json');
  expect([status, origin]).toEqual([200, '*']);
  const { valid, errors } = await new Validator().validate(body);
  expect([valid, errors]).toEqual([true, undefined]);
  expect(body.openapi).toMatch(/^3\.1/);
  const described = Object.entries<Readonly<Record<string, Described>>>(body.paths).flatMap(
    ([path, methods]) =>
      Object.entries(methods).map(([method, one]) => ({ ...one, route: `${method.toUpperCase()} ${path}` })),
  );
  const routes = API_OPERATIONS.map(({ method, path }) => `${method} ${path.replace(/:(\w+)/g, '{$1}')}`);
  expect(described.map(({ route }) => route).sort()).toEqual([...routes].sort());
  expect(new Set(described.map(({ operationId }) => operationId)).size).toBe(described.length);
  const { scopes } = body.components.securitySchemes.account.flows.authorizationCode;
  for (const { security } of described)
    expect(Object.keys(scopes)).toEqual(expect.arrayContaining([...security[0].account]));
  const metadata = await ask({}, '/.well-known/oauth-protected-resource/api/me');
  expect(metadata.body).toMatchObject({
    resource: accountApi(keyhold),
    authorization_servers: [keyhold.issuer],
    bearer_methods_supported: ['header'],
  });
});
