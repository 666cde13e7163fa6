import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { exportJWK, generateKeyPair, type JWK, type JWTPayload, SignJWT } from 'jose';
import * as oauth from 'oauth4webapi';
import { startKeyhold, type TestKeyhold } from '../support/keyhold.js';
import { openRawClient, type RawAnswer, type RawClient } from '../support/raw-client.js';
import type { RegisteredClient } from '../support/relying-party.js';

const DEVICE_CODE = 'urn:ietf:params:oauth:grant-type:device_code';

let keyhold: TestKeyhold;
let second: TestKeyhold;
let keySet: Server;
let keys: CryptoKeyPair;
let stranger: CryptoKeyPair;
/** One that registered its keys, and one that serves them. */
let clients: readonly [RegisteredClient, RegisteredClient];
let processes: readonly [RawClient, RawClient];

beforeAll(async () => {
  keyhold = await startKeyhold();
  second = await startKeyhold({}, { beside: keyhold });
  keys = await generateKeyPair('ES256', { extractable: true });
  stranger = await generateKeyPair('ES256', { extractable: true });
  const jwks = { keys: [await publicJwk(keys)] };
  keySet = createServer((_request, response) =>
    response.setHeader('content-type', 'application/jwk-set+json').end(JSON.stringify(jwks)),
  );
  await new Promise<void>(resolve => keySet.listen(0, 'localhost', resolve));
  const { port } = keySet.address() as AddressInfo;
  const metadata = {
    client_name: 'Machine',
    grant_types: ['client_credentials'],
    token_endpoint_auth_method: 'private_key_jwt',
    token_endpoint_auth_signing_alg: 'ES256',
    development: true,
  };
  clients = [
    await keyhold.registerClient({ ...metadata, jwks }),
    await keyhold.registerClient({ ...metadata, jwks_uri: `http://localhost:${port}/keys` }),
  ];
  processes = [
    await openRawClient(keyhold, clients[0], keyhold.dispatcher),
    await openRawClient(keyhold, clients[0], second.dispatcher),
  ];
});

afterAll(async () => {
  keySet?.close();
  await second?.close();
  await keyhold?.close();
});

const publicJwk = async ({ publicKey }: CryptoKeyPair): Promise<JWK> => ({
  ...(await exportJWK(publicKey)),
  kid: 'one',
  use: 'sig',
});

interface Wish {
  readonly header?: Readonly<Record<string, unknown>>;
  readonly claims?: JWTPayload;
  readonly key?: CryptoKey | Uint8Array;
}

const now = () => Math.floor(Date.now() / 1000);

function assertion(client: RegisteredClient, { header, claims, key = keys.privateKey }: Wish = {}) {
  const { client_id: id } = client;
  const standard = {
    iss: id,
    sub: id,
    aud: keyhold.issuer,
    jti: crypto.randomUUID(),
    iat: now(),
    exp: now() + 60,
  };
  return new SignJWT({ ...standard, ...claims })
    .setProtectedHeader({ alg: 'ES256', kid: 'one', ...header })
    .sign(key, { crit: { mine: true } });
}

const ask = (raw: RawClient, jwt: string, headers = {}): Promise<RawAnswer> =>
  raw.post(
    '/token',
    {
      grant_type: 'client_credentials',
      client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
      client_assertion: jwt,
    },
    headers,
  );

test('oauth4webapi is let in by its own key, registered or served', async () => {
  const { server } = processes[0];
  for (const { client_id } of clients) {
    const answer = await oauth.clientCredentialsGrantRequest(
      server,
      { client_id },
      oauth.PrivateKeyJwt({ key: keys.privateKey, kid: 'one' }),
      {},
      { [oauth.allowInsecureRequests]: true },
    );
    expect(await oauth.processClientCredentialsResponse(server, { client_id }, answer)).toMatchObject({
      token_type: 'bearer',
    });
  }
});

test('C43: an assertion is taken once, whatever came of it', async () => {
  const jwt = await assertion(clients[0]);
  expect((await ask(processes[0], jwt)).status).toBe(200);
  expect(await ask(processes[1], jwt)).toMatchObject({ status: 401, body: { error: 'invalid_client' } });
});

test('C43: of twenty uses of an assertion at two processes one is let in', async () => {
  const jwt = await assertion(clients[0]);
  const answers = await Promise.all(
    Array.from({ length: 20 }, (_, at) => ask(processes[at % 2 === 0 ? 0 : 1], jwt)),
  );
  expect(answers.filter(({ status }) => status === 200)).toHaveLength(1);
  expect(
    answers.filter(({ status, body }) => status === 401 && body.error === 'invalid_client'),
  ).toHaveLength(19);
});

const REFUSED: Readonly<Record<string, () => Wish>> = {
  'for somebody else': () => ({ claims: { aud: 'https://other.test' } }),
  'of somebody else': () => ({ claims: { iss: clients[1].client_id } }),
  'about somebody else': () => ({ claims: { sub: clients[1].client_id } }),
  'without a jti': () => ({ claims: { jti: undefined } as never }),
  'without an end': () => ({ claims: { exp: undefined } as never }),
  expired: () => ({ claims: { exp: now() - 60 } }),
  'living for more than five minutes': () => ({ claims: { exp: now() + 330 } }),
  'not good yet': () => ({ claims: { nbf: now() + 120 } }),
  'by a key that is not registered': () => ({ key: stranger.privateKey }),
  'by a key of another name': () => ({ header: { kid: 'two' } }),
  'with a critical header nobody knows': () => ({ header: { crit: ['mine'], mine: true } }),
  'signed by a shared secret': () => ({
    header: { alg: 'HS256' },
    key: new TextEncoder().encode('x'.repeat(64)),
  }),
};

test.each(Object.keys(REFUSED))(
  'C42, C43: an assertion %s is refused, and nothing comes of it',
  async name => {
    const tokens = () => keyhold.db('client_credentials_tokens').select('client_id');
    const before = (await tokens()).length;
    const answer = await ask(processes[0], await assertion(clients[0], REFUSED[name]?.()));
    expect([answer.status, answer.body.error]).toEqual([401, 'invalid_client']);
    expect((await tokens()).length).toBe(before);
  },
);

test('C42: an assertion without a signature is refused', async () => {
  const [, payload] = (await assertion(clients[0])).split('.');
  const header = Buffer.from(JSON.stringify({ alg: 'none', kid: 'one' })).toString('base64url');
  const answer = await ask(processes[0], `${header}.${payload}.`);
  expect([answer.status, answer.body.error]).toEqual([401, 'invalid_client']);
});

test('an assertion and a proof in one request are each taken once, and each says so in its own words', async () => {
  const proofKeys = await generateKeyPair('ES256', { extractable: true });
  const jwk = await exportJWK(proofKeys.publicKey);
  const proof = () =>
    new SignJWT({ jti: crypto.randomUUID(), htm: 'POST', htu: `${keyhold.issuer}/token`, iat: now() })
      .setProtectedHeader({ alg: 'ES256', typ: 'dpop+jwt', jwk })
      .sign(proofKeys.privateKey);
  const send = (jwt: string, dpop: string) => ask(processes[0], jwt, { DPoP: dpop });
  const [first, dpop] = [await assertion(clients[0]), await proof()];
  expect((await send(first, dpop)).body).toMatchObject({ token_type: 'DPoP' });
  expect(await send(await assertion(clients[0]), dpop)).toMatchObject({
    status: 400,
    body: { error: 'invalid_dpop_proof' },
  });
  expect(await send(first, await proof())).toMatchObject({ status: 401, body: { error: 'invalid_client' } });
});

test('an assertion proves who asks at every endpoint, and at one of them only', async () => {
  const app = await keyhold.registerClient({
    client_name: 'Server',
    redirect_uris: ['https://app.example.org/cb'],
    grant_types: ['authorization_code', DEVICE_CODE],
    token_endpoint_auth_method: 'private_key_jwt',
    jwks: { keys: [await publicJwk(keys)] },
  });
  const proof = (jwt: string) => ({
    client_id: app.client_id,
    client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
    client_assertion: jwt,
  });
  const request = { response_type: 'code', scope: 'openid', redirect_uri: 'https://app.example.org/cb' };
  const challenge = { code_challenge: 'A'.repeat(43), code_challenge_method: 'S256' };
  const endpoints = [
    ['/par', 201, { ...request, ...challenge }],
    ['/device_authorization', 200, { scope: 'openid' }],
    ['/introspect', 200, { token: 'kh_at_x' }],
    ['/revoke', 200, { token: 'kh_at_x' }],
  ] as const;
  for (const [at, [path, status, form]] of endpoints.entries()) {
    const jwt = await assertion(app);
    expect([path, (await processes[0].post(path, { ...form, ...proof(jwt) })).status]).toEqual([
      path,
      status,
    ]);
    const next = endpoints[(at + 1) % endpoints.length] ?? endpoints[0];
    for (const [elsewhere, other] of [
      [path, form],
      [next[0], next[2]],
    ] as const) {
      const answer = await processes[1].post(elsewhere, { ...other, ...proof(jwt) });
      expect([elsewhere, answer.status, answer.body]).toEqual([
        elsewhere,
        401,
        expect.objectContaining({ error: 'invalid_client' }),
      ]);
    }
    const foreign = await assertion(clients[0]);
    expect((await processes[0].post(path, { ...form, ...proof(foreign) })).status).toBeGreaterThanOrEqual(
      400,
    );
  }
});
