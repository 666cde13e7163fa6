import { hash } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { exportJWK, type JWTPayload, SignJWT } from 'jose';
import * as openid from 'openid-client';
import { startKeyhold, type TestKeyhold } from '../support/keyhold.js';
import type { Person } from '../support/person.js';
import { bringCode, newMember } from '../support/protocol.js';
import { openRawClient, type RawAnswer, type RawClient } from '../support/raw-client.js';
import { openRelyingParty, type RelyingParty } from '../support/relying-party.js';

let keyhold: TestKeyhold;
let second: TestKeyhold;
/** One without a secret, and one that has its tokens bound always. */
let app: RelyingParty;
let machine: RelyingParty;
let ada: Person;
let keys: CryptoKeyPair;
let stolen: CryptoKeyPair;
let processes: readonly [RawClient, RawClient];

beforeAll(async () => {
  keyhold = await startKeyhold();
  second = await startKeyhold({}, { beside: keyhold });
  app = await openRelyingParty(keyhold, {
    first_party: true,
    token_endpoint_auth_method: 'none',
    dpop_bound_access_tokens: true,
  });
  machine = await openRelyingParty(keyhold, {
    grant_types: ['authorization_code', 'client_credentials'],
    token_endpoint_auth_method: 'client_secret_post',
    dpop_bound_access_tokens: true,
  });
  processes = [
    await openRawClient(keyhold, app.client, keyhold.dispatcher),
    await openRawClient(keyhold, app.client, second.dispatcher),
  ];
  ada = await newMember(keyhold, app, 'ada@example.test');
  keys = await openid.randomDPoPKeyPair('ES256', { extractable: true });
  stolen = await openid.randomDPoPKeyPair('ES256', { extractable: true });
});

afterAll(async () => {
  await app?.close();
  await machine?.close();
  await second?.close();
  await keyhold?.close();
});

interface Wish {
  readonly claims?: JWTPayload;
  readonly header?: Readonly<Record<string, unknown>>;
  readonly by?: CryptoKeyPair;
}

const now = () => Math.floor(Date.now() / 1000);

/** A proof as no library would make it, for a post to this path. */
async function proof(path: string, { claims, header, by = keys }: Wish = {}): Promise<string> {
  const standard = { jti: crypto.randomUUID(), htm: 'POST', htu: `${keyhold.issuer}${path}`, iat: now() };
  return new SignJWT({ ...standard, ...claims })
    .setProtectedHeader({
      alg: 'ES256',
      typ: 'dpop+jwt',
      jwk: await exportJWK(by.publicKey),
      ...header,
    })
    .sign(by.privateKey);
}

/** Tokens bound to our key, by a real library. */
async function boundTokens() {
  const proving = { DPoP: openid.getDPoPHandle(app.configuration, keys) };
  await ada.goto(await app.authorizationUrl());
  return { proving, tokens: await app.exchange(undefined, proving) };
}

const ask = async (raw: RawClient, dpop: string): Promise<RawAnswer> => {
  const { client_id, client_secret = '' } = machine.client;
  return raw.post('/token', { grant_type: 'client_credentials', client_id, client_secret }, { DPoP: dpop });
};

const athOf = (token: string) => hash('sha256', token, 'base64url');

const userInfo = async (raw: RawClient, token: string, wish: Wish = {}): Promise<RawAnswer> =>
  raw.post(
    '/userinfo',
    {},
    {
      Authorization: `DPoP ${token}`,
      DPoP: await proof('/userinfo', { ...wish, claims: { ath: athOf(token), ...wish.claims } }),
    },
  );

test('a library binds a code, tokens, refreshes and userinfo to its key', async () => {
  const { proving, tokens } = await boundTokens();
  expect(tokens.token_type).toBe('dpop');
  expect((await app.userInfo(tokens, proving)).email).toBe('ada@example.test');
  const refreshed = await app.refresh(tokens.refresh_token ?? '', proving);
  expect(refreshed.token_type).toBe('dpop');
  const told = await keyhold.db('access_tokens').whereNotNull('jkt').first('jkt');
  expect(told.jkt).toMatch(/^[\w-]{43}$/);
  expect(processes[0].server.dpop_signing_alg_values_supported).toContain('ES256');
});

test('an app whose tokens are bound gets none without a proof', async () => {
  const { code, verifier, redirectUri } = await bringCode(ada, app);
  const answer = await processes[0].code(code, verifier, redirectUri);
  expect([answer.status, answer.body.error]).toEqual([400, 'invalid_grant']);
});

test('C38: a bound token in other hands opens nothing', async () => {
  const { tokens } = await boundTokens();
  const { access_token: token, refresh_token: refresh = '' } = tokens;
  const [raw] = processes;
  expect((await raw.userInfo(token)).status).toBe(401);
  expect((await userInfo(raw, token, { by: stolen })).status).toBe(401);
  expect((await userInfo(raw, token, { claims: { ath: athOf('another') } })).status).toBe(401);
  expect((await userInfo(raw, token)).status).toBe(200);
  const form = { grant_type: 'refresh_token', refresh_token: refresh, client_id: app.clientId };
  for (const headers of [{}, { DPoP: await proof('/token', { by: stolen }) }]) {
    expect((await raw.post('/token', form, headers)).body.error).toBe('invalid_grant');
  }
});

test('C38: a code that was asked for by a key is only given to that key', async () => {
  const wish = { dpop_jkt: 'A'.repeat(43) };
  const { code, verifier, redirectUri } = await bringCode(ada, app, wish);
  const form = {
    grant_type: 'authorization_code',
    code,
    code_verifier: verifier,
    redirect_uri: redirectUri,
    client_id: app.clientId,
  };
  const answer = await processes[0].post('/token', form, { DPoP: await proof('/token') });
  expect([answer.status, answer.body.error]).toEqual([400, 'invalid_grant']);
});

const FORGED: Readonly<Record<string, () => Wish>> = {
  'for another address': () => ({ claims: { htu: `${keyhold.issuer}/userinfo` } }),
  'for another method': () => ({ claims: { htm: 'GET' } }),
  'of yesterday': () => ({ claims: { iat: now() - 86_400 } }),
  'of tomorrow': () => ({ claims: { iat: now() + 86_400 } }),
  'without a jti': () => ({ claims: { jti: undefined } as never }),
  'that is no proof by its type': () => ({ header: { typ: 'jwt' } }),
  'with a nonce, of which we give none': () => ({ claims: { nonce: 'x' } }),
};

test.each(Object.keys(FORGED))('a proof %s is refused', async name => {
  const answer = await ask(processes[0], await proof('/token', FORGED[name]?.()));
  expect([answer.status, answer.body.error]).toEqual([400, 'invalid_dpop_proof']);
});

test('a proof whose key is not the one that signed it is refused', async () => {
  const jwk = await exportJWK(stolen.publicKey);
  const answer = await ask(processes[0], await proof('/token', { header: { jwk } }));
  expect([answer.status, answer.body.error]).toEqual([400, 'invalid_dpop_proof']);
});

const twenty = (act: (raw: RawClient) => Promise<RawAnswer>) =>
  Promise.all(Array.from({ length: 20 }, (_, at) => act(processes[at % 2 === 0 ? 0 : 1])));

const errorsOf = (answers: readonly RawAnswer[]) =>
  answers.filter(({ status }) => status !== 200).map(({ status, body }) => `${status} ${String(body.error)}`);

test('C43: of twenty token requests with one proof at two processes one is answered, and none later', async () => {
  const dpop = await proof('/token');
  const losers = errorsOf(await twenty(raw => ask(raw, dpop)));
  expect(losers).toEqual(Array.from({ length: 19 }, () => '400 invalid_dpop_proof'));
  expect((await ask(processes[1], dpop)).body.error).toBe('invalid_dpop_proof');
});

test('C43: of twenty looks at userinfo with one proof at two processes one is answered', async () => {
  const { tokens } = await boundTokens();
  const token = tokens.access_token;
  const dpop = await proof('/userinfo', { claims: { ath: athOf(token) } });
  const headers = { Authorization: `DPoP ${token}`, DPoP: dpop };
  const answers = await twenty(raw => raw.post('/userinfo', {}, headers));
  expect(errorsOf(answers)).toEqual(Array.from({ length: 19 }, () => '401 invalid_dpop_proof'));
  const lost = answers.find(({ status }) => status === 401);
  expect(lost?.headers.get('www-authenticate')).toContain('DPoP error="invalid_dpop_proof"');
  expect(lost?.body.sub).toBeUndefined();
});

test('C43: a used proof stays remembered for as long as it could be good', async () => {
  const before = now();
  await ask(processes[0], await proof('/token', { claims: { iat: now() + 250 } }));
  const { expires_at } = await keyhold.db('replays').orderBy('expires_at', 'desc').first('expires_at');
  expect(Number(expires_at)).toBeGreaterThanOrEqual(before + 250 + 300);
});
