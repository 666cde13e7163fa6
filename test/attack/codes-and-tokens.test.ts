import { createHmac, randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import * as jose from 'jose';
import { startKeyhold, type TestKeyhold } from '../support/keyhold.js';
import type { Person } from '../support/person.js';
import { bringCode, newMember, rowCounts } from '../support/protocol.js';
import { openRawClient, type RawAnswer, type RawClient } from '../support/raw-client.js';
import { openRelyingParty, type RelyingParty, type Tokens } from '../support/relying-party.js';

// D. Codes, tokens and apps: what one token is good for, no other is.

let keyhold: TestKeyhold;
let app: RelyingParty;
let client: RawClient;
let member: Person;
let tokens: Tokens;
let logoutToken: string;
let publicKey: string;

beforeAll(async () => {
  keyhold = await startKeyhold();
  app = await openRelyingParty(keyhold, {
    first_party: true,
    token_endpoint_auth_method: 'client_secret_post',
  });
  client = await openRawClient(keyhold, app.client);
  member = await newMember(keyhold, app, 'tokens@example.test');
  const other = await newMember(keyhold, app, 'leaving@example.test');
  await other.goto(`${keyhold.origin}/sign-out`);
  await other.press('Sign out');
  logoutToken = await app.nextLogoutToken();
  await member.goto(await app.authorizationUrl());
  tokens = await app.exchange();
  const { keys } = (await (await fetch(`${keyhold.origin}/jwks`)).json()) as { keys: jose.JWK[] };
  const rsa = keys.find(({ kty }) => kty === 'RSA') ?? {};
  publicKey = await jose.exportSPKI((await jose.importJWK(rsa, 'RS256')) as jose.CryptoKey);
});

afterAll(async () => {
  await app?.close();
  await keyhold?.close();
});

const encoded = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');
const payloadOf = (token: string) => jose.decodeJwt(token);

/** An ID token of ours, signed by somebody else in the ways that libraries have fallen for. */
function forged(): Readonly<Record<string, string>> {
  const { kid } = jose.decodeProtectedHeader(tokens.id_token ?? '');
  const claims = encoded(payloadOf(tokens.id_token ?? ''));
  const [header = '', , signature = ''] = (tokens.id_token ?? '').split('.');
  const unsigned = (alg: string) => `${encoded({ alg, kid })}.${claims}.`;
  const byPublicKey = `${encoded({ alg: 'HS256', kid })}.${claims}`;
  const changed = encoded({ ...payloadOf(tokens.id_token ?? ''), sub: randomUUID() });
  return {
    none: unsigned('none'),
    None: unsigned('None'),
    'the public key as a secret': `${byPublicKey}.${createHmac('sha256', publicKey).update(byPublicKey).digest('base64url')}`,
    'another subject': `${header}.${changed}.${signature}`,
    'no signature': `${header}.${claims}.`,
    'a header that names its own keys': `${encoded({ alg: 'RS256', jku: 'http://127.0.0.1:9/', jwk: { kty: 'RSA' } })}.${claims}.${signature}`,
  };
}

async function expectUseless(token: string): Promise<void> {
  const before = await rowCounts(keyhold.db);
  expect((await client.userInfo(token)).status).toBe(401);
  expect((await client.introspect(token)).body['active']).not.toBe(true);
  const secret = { client_id: app.clientId, client_secret: app.client.client_secret ?? '' };
  const assertion = {
    client_id: app.clientId,
    client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
    client_assertion: token,
  };
  const answers: RawAnswer[] = [
    await client.post('/token', { grant_type: 'refresh_token', refresh_token: token, ...secret }),
    await client.post('/token', { grant_type: 'authorization_code', code: token, ...secret }),
    await client.post('/token', { grant_type: 'client_credentials', ...assertion }),
    await client.post('/introspect', { token: tokens.access_token, ...assertion }),
  ];
  for (const { status, body } of answers)
    expect([status >= 400, body['access_token']]).toEqual([true, undefined]);
  expect(await rowCounts(keyhold.db)).toEqual(before);
}

test('C42: an ID token and a logout token are no access token, no refresh token, no code and no assertion', async () => {
  await expectUseless(tokens.id_token ?? '');
  await expectUseless(logoutToken);
});

test('C42: a refresh token is no access token, and an access token is no refresh token', async () => {
  expect((await client.userInfo(tokens.refresh_token ?? '')).status).toBe(401);
  expect((await client.refresh(tokens.access_token)).body).toMatchObject({ error: 'invalid_grant' });
});

test('C42: a forged hint names nobody, neither for signing in nor for signing out', async () => {
  for (const [name, hint] of Object.entries(forged())) {
    const page = await member.goto(await app.authorizationUrl({ id_token_hint: hint, prompt: 'none' }));
    expect([name, page.url.searchParams.get('error') ?? page.status]).toEqual([name, 'invalid_request']);
    const leaving = await member.goto(app.endSessionUrl({ id_token_hint: hint }));
    expect([name, leaving.status]).toEqual([name, 400]);
    await expectUseless(hint);
  }
  for (const hint of [logoutToken, tokens.access_token]) {
    const page = await member.goto(await app.authorizationUrl({ id_token_hint: hint, prompt: 'none' }));
    expect(page.url.searchParams.get('code')).toBeNull();
  }
});

test('C40: a refresh asks for no more than was allowed, and an unknown scope or API is refused', async () => {
  const { code, verifier, redirectUri } = await bringCode(member, app, { scope: 'openid email' });
  const granted = (await client.code(code, verifier, redirectUri)).body;
  const secret = { client_id: app.clientId, client_secret: app.client.client_secret ?? '' };
  const refresh = (more: Record<string, string>) =>
    client.post('/token', {
      grant_type: 'refresh_token',
      refresh_token: String(granted['refresh_token']),
      ...secret,
      ...more,
    });
  for (const more of [
    { scope: 'openid email profile' },
    { scope: 'openid email offline_access' },
    { scope: 'admin' },
    { resource: 'https://api.example.test' },
  ]) {
    const { status, body } = await refresh(more);
    expect([more, status, body['access_token']]).toEqual([more, 400, undefined]);
  }
});

test('C38, C34: a code is good for its app, its address, its verifier and one use', async () => {
  const other = await openRelyingParty(keyhold, { first_party: true });
  const foreign = await openRawClient(keyhold, other.client);
  const fresh = () => bringCode(member, app);
  const one = await fresh();
  expect((await foreign.code(one.code, one.verifier, one.redirectUri)).status).toBe(400);
  const two = await fresh();
  expect((await client.code(two.code, two.verifier, other.redirectUri)).status).toBe(400);
  const three = await fresh();
  expect((await client.code(three.code, one.verifier, three.redirectUri)).status).toBe(400);
  const four = await fresh();
  expect((await client.code(four.code, four.verifier, four.redirectUri)).status).toBe(200);
  expect((await client.code(four.code, four.verifier, four.redirectUri)).status).toBe(400);
  await other.close();
});
