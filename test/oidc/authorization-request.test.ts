import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { personAt } from '../support/journeys.js';
import { startKeyhold, type TestKeyhold } from '../support/keyhold.js';
import type { Person } from '../support/person.js';
import { bringCode, newMember, rowCounts } from '../support/protocol.js';
import { openRawClient } from '../support/raw-client.js';
import { openRelyingParty, type RelyingParty } from '../support/relying-party.js';

let keyhold: TestKeyhold;
let app: RelyingParty;
let ada: Person;

beforeAll(async () => {
  keyhold = await startKeyhold();
  app = await openRelyingParty(keyhold, { first_party: true });
  ada = await newMember(keyhold, app, 'ada@example.test');
});

afterAll(async () => {
  await app?.close();
  await keyhold?.close();
});

const answer = () => Object.fromEntries(ada.page.url.searchParams);

/** Sends a request whose parameters `change` took away or put in. */
async function ask(change: (parameters: URLSearchParams) => void): Promise<void> {
  const url = await app.authorizationUrl({ state: 'a state' });
  change(url.searchParams);
  await ada.goto(url);
}

const without = (name: string) => ask(parameters => parameters.delete(name));
const having = (name: string, value: string) => ask(parameters => parameters.set(name, value));

test('C41: each answer names its issuer and echoes the state, whatever is in it', async () => {
  const state = `"'<b>&=%00 ü 😀`;
  await having('state', state);
  expect(answer()).toMatchObject({ iss: keyhold.issuer, state });
  await ask(parameters => {
    parameters.set('state', state);
    parameters.set('scope', 'openid nothing:here');
    parameters.set('max_age', '-1');
  });
  expect(answer()).toMatchObject({ error: 'invalid_request', iss: keyhold.issuer, state });
});

test('form_post brings the answer in the body of a form that only goes to the app', async () => {
  await having('response_mode', 'form_post');
  expect(ada.page.status).toBe(200);
  expect(ada.page.headers.get('content-security-policy')).toContain(
    `form-action 'self' ${new URL(app.redirectUri).origin};`,
  );
  expect(ada.page.headers.get('cache-control')).toBe('no-store');
  await ada.press('Continue');
  expect(ada.page.url.href).toBe(app.redirectUri);
  expect((await app.exchange()).claims()).toMatchObject({ acr: 'aal1' });
});

test('a request may come by POST, also from another site, which sends no cookie along', async () => {
  const url = await app.authorizationUrl({ state: 'a state' });
  const parameters = Object.fromEntries(url.searchParams);
  const foreign = personAt(keyhold);
  await foreign.post(`${keyhold.issuer}/authorize`, parameters);
  expect(foreign.page.heading).toBe('Sign in');
  await ada.post(`${keyhold.issuer}/authorize`, parameters);
  expect((await app.exchange()).claims()).toMatchObject({ acr: 'aal1' });
  await ada.post(`${keyhold.issuer}/authorize`, { ...parameters, redirect_uri: 'https://evil.test/' });
  expect([ada.page.status, ada.page.heading]).toEqual([400, 'Request error']);
  await ada.post(`${keyhold.issuer}/end-session`, { client_id: app.clientId });
  expect(ada.page.buttons).toEqual(['Sign out', 'Stay signed in']);
});

test('an error goes by form_post too', async () => {
  await ask(parameters => {
    parameters.set('response_mode', 'form_post');
    parameters.set('max_age', 'soon');
  });
  for (const value of ['invalid_request', keyhold.issuer, 'a state']) {
    expect(ada.page.html).toContain(`value="${value}"`);
  }
  expect(ada.page.html).toContain(`action="${app.redirectUri}"`);
});

test.each(['token', 'id_token', 'id_token token', 'code id_token', 'code token', 'none', 'cod'])(
  'the response type "%s" is refused',
  async type => {
    await having('response_type', type);
    const fragment = new URLSearchParams(ada.page.url.hash.slice(1));
    expect({ ...Object.fromEntries(fragment), ...answer() }).toMatchObject({
      error: 'unsupported_response_type',
      iss: keyhold.issuer,
      state: 'a state',
    });
  },
);

test('a parameter that is missing or comes twice is refused', async () => {
  await without('response_type');
  expect(answer()).toMatchObject({ error: 'invalid_request' });
  await ask(parameters => parameters.append('nonce', 'another'));
  expect(answer()).toMatchObject({ error: 'invalid_request' });
});

test('C42, C47: request objects, by value and by reference, are refused', async () => {
  await having('request', 'eyJhbGciOiJub25lIn0.e30.');
  expect(answer()).toMatchObject({ error: 'request_not_supported' });
  await having('request_uri', 'https://app.example.test/request');
  expect(answer()).toMatchObject({ error: 'request_uri_not_supported' });
});

const CHALLENGE = 'E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM';

test.each([
  ['no challenge', {}],
  ['no method, which would mean plain', { code_challenge: CHALLENGE }],
  ['plain', { code_challenge: CHALLENGE, code_challenge_method: 'plain' }],
  ['a challenge that is too short', { code_challenge: CHALLENGE.slice(1), code_challenge_method: 'S256' }],
  ['a challenge that is too long', { code_challenge: 'a'.repeat(129), code_challenge_method: 'S256' }],
  ['a method alone', { code_challenge_method: 'S256' }],
])('PKCE with %s is refused', async (_name, parameters) => {
  const before = await rowCounts(keyhold.db);
  await ask(given => {
    given.delete('code_challenge');
    given.delete('code_challenge_method');
    for (const [name, value] of Object.entries(parameters)) given.set(name, String(value));
  });
  expect(answer()).toMatchObject({ error: 'invalid_request', iss: keyhold.issuer });
  expect(await rowCounts(keyhold.db)).toEqual(before);
});

test('C39: a code without its verifier, or with another, is not redeemed', async () => {
  const client = await openRawClient(keyhold, app.client);
  const { code, verifier, redirectUri } = await bringCode(ada, app);
  const wrong = [
    ['', 'invalid_grant'],
    ['a'.repeat(42), 'invalid_request'],
    ['a'.repeat(129), 'invalid_request'],
    ['a'.repeat(43), 'invalid_grant'],
    [`${verifier.slice(1)}a`, 'invalid_grant'],
  ] as const;
  for (const [presented, error] of wrong) {
    const { status, body } = await client.code(code, presented, redirectUri);
    expect([presented, status, body.error]).toEqual([presented, 400, error]);
  }
  expect((await client.code(code, verifier, redirectUri)).status).toBe(200);
});

test('C39: an app that is excepted from PKCE may go without, and a verifier without a challenge is refused', async () => {
  const old = await openRelyingParty(keyhold, { first_party: true, require_pkce: false });
  try {
    const client = await openRawClient(keyhold, old.client);
    const bring = async () => {
      const url = await old.authorizationUrl();
      url.searchParams.delete('code_challenge');
      url.searchParams.delete('code_challenge_method');
      await ada.goto(url);
      return ada.page.url.searchParams.get('code') ?? '';
    };
    const downgraded = await client.code(await bring(), 'a'.repeat(43), old.redirectUri);
    expect(downgraded).toMatchObject({ status: 400, body: { error: 'invalid_grant' } });
    const form = { grant_type: 'authorization_code', code: await bring(), redirect_uri: old.redirectUri };
    const secret = { client_id: old.clientId, client_secret: old.client.client_secret ?? '' };
    expect((await client.post('/token', { ...form, ...secret })).status).toBe(200);
    await ada.goto(await old.authorizationUrl({ code_challenge_method: 'plain' }));
    expect(answer()).toMatchObject({ error: 'invalid_request' });
  } finally {
    await old.close();
  }
});

test('C40: a scope that the app is not registered for is refused', async () => {
  const small = await openRelyingParty(keyhold, { first_party: true, scope: 'openid' });
  try {
    await ada.goto(await small.authorizationUrl({ scope: 'openid email' }));
    expect(answer()).toMatchObject({ error: 'invalid_scope', iss: keyhold.issuer });
    const { code, verifier, redirectUri } = await bringCode(ada, small, { scope: 'openid' });
    const client = await openRawClient(keyhold, small.client);
    const { body } = await client.code(code, verifier, redirectUri);
    const widened = await client.post('/token', {
      grant_type: 'refresh_token',
      refresh_token: String(body.refresh_token),
      scope: 'openid email',
      client_id: small.clientId,
      client_secret: small.client.client_secret ?? '',
    });
    expect(widened).toMatchObject({ status: 400, body: { error: 'invalid_scope' } });
  } finally {
    await small.close();
  }
});
