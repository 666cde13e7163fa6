import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { startKeyhold, type TestKeyhold } from '../support/keyhold.js';
import type { Person } from '../support/person.js';
import { bringCode, newMember } from '../support/protocol.js';
import { openRelyingParty, type RelyingParty } from '../support/relying-party.js';

const REGISTERED = 'https://spa.example.test';

let keyhold: TestKeyhold;
/** Named its origins. */
let named: RelyingParty;
/** A public app that named none: it calls from where it is sent back to. */
let plain: RelyingParty;
let ada: Person;

beforeAll(async () => {
  keyhold = await startKeyhold();
  const spa = { first_party: true, token_endpoint_auth_method: 'none' };
  named = await openRelyingParty(keyhold, { ...spa, allowed_origins: [REGISTERED] });
  plain = await openRelyingParty(keyhold, spa);
  ada = await newMember(keyhold, named, 'ada@example.test');
});

afterAll(async () => {
  await Promise.all([named?.close(), plain?.close()]);
  await keyhold?.close();
});

interface Answer {
  readonly status: number;
  readonly allowed: string | null;
  readonly body: Readonly<Record<string, string>>;
}

async function from(origin: string, path: string, init: RequestInit = {}): Promise<Answer> {
  const headers = { ...(init.headers as Record<string, string>), origin };
  const response = await fetch(new URL(path, keyhold.issuer), { ...init, redirect: 'manual', headers });
  expect(response.headers.get('access-control-allow-credentials')).toBeNull();
  const text = await response.text();
  return {
    status: response.status,
    allowed: response.headers.get('access-control-allow-origin'),
    body: text.startsWith('{') ? JSON.parse(text) : {},
  };
}

async function redeem(app: RelyingParty, origin: string): Promise<Answer> {
  const { code, verifier, redirectUri } = await bringCode(ada, app);
  const form = { grant_type: 'authorization_code', code, code_verifier: verifier, redirect_uri: redirectUri };
  const body = new URLSearchParams({ ...form, client_id: app.clientId });
  return from(origin, '/token', { method: 'POST', body });
}

test('C32: only a registered origin gets tokens and claims in a browser', async () => {
  const { status, allowed, body } = await redeem(named, REGISTERED);
  expect([status, allowed]).toEqual([200, REGISTERED]);
  const authorization = `Bearer ${body.access_token}`;
  const userInfo = (origin: string) => from(origin, '/userinfo', { headers: { authorization } });
  expect(await userInfo(REGISTERED)).toMatchObject({ status: 200, allowed: REGISTERED });
  for (const origin of [
    'https://evil.test',
    'null',
    `${REGISTERED}.evil.test`,
    `${REGISTERED}:444`,
    'http://spa.example.test',
  ]) {
    expect(await redeem(named, origin)).toMatchObject({ status: 400, allowed: null });
    const told = await userInfo(origin);
    expect([origin, told.status, told.allowed, told.body.sub]).toEqual([origin, 400, null, undefined]);
  }
});

test('a public app that names no origins calls from where it is sent back to', async () => {
  const own = new URL(plain.redirectUri).origin;
  expect(await redeem(plain, own)).toMatchObject({ status: 200, allowed: own });
  expect(await redeem(plain, 'https://evil.test')).toMatchObject({ status: 400, allowed: null });
});

test('C32: the authorization endpoint and the pages answer no other origin', async () => {
  const url = await named.authorizationUrl();
  for (const path of [url.href, '/', '/end-session', '/interaction/x', '/authorize/x', '/dev/mailbox']) {
    for (const method of ['GET', 'OPTIONS']) {
      const headers = method === 'OPTIONS' ? { 'access-control-request-method': 'GET' } : {};
      expect([path, method, (await from(REGISTERED, path, { method, headers })).allowed]).toEqual([
        path,
        method,
        null,
      ]);
    }
  }
});

test('discovery and keys are for everybody', async () => {
  for (const path of ['/.well-known/openid-configuration', '/jwks']) {
    expect((await from('https://anybody.test', path)).allowed).toMatch(/^(\*|https:\/\/anybody\.test)$/);
  }
});
