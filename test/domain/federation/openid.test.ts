import { generateKeyPairSync, sign } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, expect, test } from '@jest/globals';
import * as jose from 'jose';
import { type FederationRoom, openFederationRoom, type TripOptions } from '../../support/federation-room.js';
import { openUpstream, type TestUpstream } from '../../support/upstream.js';

let room: FederationRoom;
let upstream: TestUpstream;
interface Requested {
  readonly body: Record<string, string>;
  readonly headers: Record<string, string>;
}
let tokenRequests: Requested[] = [];

/** What the provider does to its answers, for this test. */
let lie: {
  claims?: Record<string, unknown>;
  info?: Record<string, unknown>;
  token?: (body: Record<string, unknown>) => Promise<void> | void;
};

beforeAll(async () => {
  upstream = await openUpstream();
  room = await openFederationRoom();
  await room.declare('acme', upstream.issuer);
  upstream.server.service.on('beforeTokenSigning', (token: { payload: Record<string, unknown> }) => {
    for (const [name, value] of Object.entries(lie.claims ?? {})) {
      if (value === undefined) delete token.payload[name];
      else token.payload[name] = value;
    }
  });
  upstream.server.service.on(
    'beforeResponse',
    (response: { body: Record<string, unknown> }, request: Requested) => {
      tokenRequests.push(request);
      void lie.token?.(response.body);
    },
  );
});

beforeEach(() => {
  lie = {};
  tokenRequests = [];
  upstream.says({ sub: 'ada', email: 'ada@example.test', email_verified: true, name: 'Ada' });
});

afterAll(async () => {
  await room?.close();
  await upstream?.close();
});

const trouble = (options?: TripOptions, id = 'acme') =>
  room.trip(id, options).catch((error: unknown) => error);

test('who somebody is stands in a signed token; what is about the token is not about them', async () => {
  const arrived = await room.trip('acme');
  expect(arrived?.identity).toEqual({
    subject: 'ada',
    email: { address: 'ada@example.test', verified: true },
    claims: expect.objectContaining({ sub: 'ada', name: 'Ada' }),
  });
  expect(Object.keys(arrived?.identity.claims ?? {})).not.toEqual(
    expect.arrayContaining(['nonce', 'aud', 'iss', 'exp']),
  );
  const [{ body } = { body: {} }] = tokenRequests;
  expect(body).toMatchObject({
    grant_type: 'authorization_code',
    redirect_uri: 'https://id.example/federation/acme/callback',
    code_verifier: expect.stringMatching(/^[\w-]{43}$/),
  });
});

const now = () => Math.floor(Date.now() / 1000);

test.each([
  ['for another app', { aud: 'somebody-else' }],
  ['for several apps, and given to another one', { aud: ['keyhold', 'another'], azp: 'another' }],
  ['by another issuer', { iss: 'https://evil.example' }],
  ['with another nonce', { nonce: 'x'.repeat(43) }],
  ['without a nonce', { nonce: undefined }],
  ['that has expired', { exp: now() - 60 }],
  ['that counts from later on', { nbf: now() + 120 }],
  ['without an end', { exp: undefined }],
  ['about nobody', { sub: undefined }],
])('C42: a token %s is not true', async (_what, claims) => {
  lie.claims = claims;
  expect(await trouble()).toMatchObject({ name: 'UpstreamTrouble', kind: 'untrue' });
});

test.each([{ exp: now() - 20 }, { nbf: now() + 20 }])(
  'a clock that is wrong by twenty seconds hinders nobody (%j)',
  async claims => {
    lie.claims = claims;
    expect((await room.trip('acme'))?.identity.subject).toBe('ada');
  },
);

const encoded = (part: object) => Buffer.from(JSON.stringify(part)).toString('base64url');
const claimsOf = (body: Record<string, unknown>) => jose.decodeJwt(String(body['id_token']));
const headerOf = (body: Record<string, unknown>) => jose.decodeProtectedHeader(String(body['id_token']));

test.each([
  [
    'not signed',
    (body: Record<string, unknown>) => {
      body['id_token'] = `${encoded({ alg: 'none' })}.${encoded(claimsOf(body))}.`;
    },
  ],
  [
    'changed after it was signed',
    (body: Record<string, unknown>) => {
      const [header, , signature] = String(body['id_token']).split('.');
      body['id_token'] = `${header}.${encoded({ ...claimsOf(body), sub: 'grace' })}.${signature}`;
    },
  ],
  [
    'signed with its own public key as a secret',
    (body: Record<string, unknown>) => {
      const header = { ...headerOf(body), alg: 'HS256' };
      body['id_token'] = `${encoded(header)}.${encoded(claimsOf(body))}.${'x'.repeat(43)}`;
    },
  ],
  [
    'not there',
    (body: Record<string, unknown>) => {
      delete body['id_token'];
    },
  ],
])('C42: a token that is %s is not true', async (_what, token) => {
  lie.token = token;
  expect(await trouble()).toMatchObject({ name: 'UpstreamTrouble', kind: 'untrue' });
});

test('C42: a token signed by a key that the provider does not have is not true', async () => {
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2_048 });
  lie.token = body => {
    const signed = String(body['id_token']).split('.').slice(0, 2).join('.');
    body['id_token'] = `${signed}.${sign('sha256', Buffer.from(signed), privateKey).toString('base64url')}`;
  };
  expect(await trouble()).toMatchObject({ kind: 'untrue', reason: 'jws_signature_verification_failed' });
});

test('a key that the provider began to sign with just now is fetched', async () => {
  expect((await room.trip('acme'))?.identity.subject).toBe('ada');
  await upstream.server.issuer.keys.generate('RS256');
  for (const _ of [1, 2]) expect((await room.trip('acme'))?.identity.subject).toBe('ada');
});

test('C41: an answer that says it is of another issuer is not true (RFC 9207)', async () => {
  const change = (answer: Record<string, string>) => {
    answer['iss'] = 'https://evil.example';
  };
  expect(await trouble({ change })).toMatchObject({ kind: 'untrue' });
  const right = (answer: Record<string, string>) => {
    answer['iss'] = upstream.issuer;
  };
  expect((await room.trip('acme', { change: right }))?.identity.subject).toBe('ada');
});

test('what the provider or its person refuses is a refusal, in a word and no more', async () => {
  const change = (answer: Record<string, string>) => {
    delete answer['code'];
    answer['error'] = 'access_denied';
    answer['error_description'] = 'Ada Lovelace pressed Cancel';
  };
  const refused = await trouble({ change });
  expect(refused).toMatchObject({ kind: 'refused', reason: 'access_denied' });
  const odd = (answer: Record<string, string>) => {
    delete answer['code'];
    answer['error'] = '<script>ada@example.test</script>';
  };
  expect(await trouble({ change: odd })).toMatchObject({ kind: 'refused', reason: 'error' });
});

test('UserInfo is asked for what the token lacks, and has to be about the same person', async () => {
  await room.declare('more', upstream.issuer, {
    mapping: { attributes: { nickname: { from: 'nickname' } } },
  });
  upstream.says({ sub: 'ada', email: 'ada@example.test', email_verified: true }, { nickname: 'Countess' });
  expect((await room.trip('more'))?.identity.claims).toMatchObject({ nickname: 'Countess' });
  upstream.says({ sub: 'ada', email: 'ada@example.test' }, { nickname: 'Countess', sub: 'grace' });
  expect(await trouble({}, 'more')).toMatchObject({ kind: 'untrue' });
  await room.declare('less', upstream.issuer, {
    settings: { userinfo: 'never' },
    mapping: { attributes: { nickname: { from: 'nickname' } } },
  });
  expect((await room.trip('less'))?.identity.claims).not.toHaveProperty('nickname');
});

test.each([
  ['too long', 'x'.repeat(256)],
  ['empty', ''],
  ['with a line break', 'ada\ngrace'],
  ['with a zero', 'ada\u0000'],
])('nobody is known by a number that is %s', async (_what, sub) => {
  upstream.says({ sub, email: 'ada@example.test' });
  expect(await trouble()).toMatchObject({ kind: 'untrue' });
});

test('C16: whoever has to sign in anew has to have done so there: the token says when', async () => {
  const asked = { freshWithin: 0 };
  const stale = { kind: 'refused', reason: 'not_fresh' };
  for (const auth_time of [undefined, now() - 3_600, now() + 3_600, '']) {
    lie.claims = { auth_time };
    expect([auth_time, await trouble(asked)]).toMatchObject([
      auth_time,
      auth_time === '' ? { kind: 'untrue' } : stale,
    ]);
  }
  lie.claims = { auth_time: now() - 1 };
  expect((await room.trip('acme', asked))?.identity.subject).toBe('ada');
  lie.claims = { auth_time: now() - 200 };
  expect(await trouble({ freshWithin: 100 })).toMatchObject(stale);
  expect((await room.trip('acme', { freshWithin: 300 }))?.identity.subject).toBe('ada');
});

test('a token endpoint is shown a secret in the header or the form, or a signature of a key', async () => {
  const { privateKey, publicKey } = await jose.generateKeyPair('ES256', { extractable: true });
  const jwk = { ...(await jose.exportJWK(privateKey)), kid: 'k1', alg: 'ES256' };
  const ways = [
    { token_endpoint_auth_method: 'client_secret_basic' },
    { token_endpoint_auth_method: 'client_secret_post' },
    { token_endpoint_auth_method: 'private_key_jwt', token_endpoint_auth_signing_alg: 'ES256' },
    { token_endpoint_auth_method: 'none' },
  ];
  for (const [at, settings] of ways.entries()) {
    const secrets = at === 2 ? { private_key: JSON.stringify(jwk) } : { client_secret: 'a secret' };
    await room.declare(`way-${at}`, upstream.issuer, {
      settings,
      ...(at === 3 ? { secrets: {} } : { secrets }),
    });
    expect((await room.trip(`way-${at}`))?.identity.subject).toBe('ada');
  }
  const [basic, post, signed, none] = tokenRequests;
  expect(basic?.headers['authorization']).toBe(`Basic ${Buffer.from('keyhold:a+secret').toString('base64')}`);
  expect(post?.body).toMatchObject({ client_id: 'keyhold', client_secret: 'a secret' });
  const { payload } = await jose.jwtVerify(String(signed?.body['client_assertion']), publicKey);
  expect(payload).toMatchObject({ iss: 'keyhold', sub: 'keyhold', aud: upstream.issuer });
  expect(none?.body).toMatchObject({ client_id: 'keyhold' });
  expect(none?.body).not.toHaveProperty('client_secret');
});

test('C30: what a trip is checked against, its answer and every secret are sealed in the database', async () => {
  await room.trip('acme');
  const trips = await room.db('federated_requests').select();
  const providers = await room.db('identity_providers').select();
  const written = JSON.stringify([trips, providers], (_name, value) =>
    value?.type === 'Buffer' ? Buffer.from(value.data).toString('latin1') : value,
  );
  const { body } = tokenRequests.at(-1) ?? { body: {} as Record<string, string> };
  for (const secret of [body['code'], body['code_verifier'], 'a secret']) {
    expect(secret?.length).toBeGreaterThan(7);
    expect(written).not.toContain(String(secret));
  }
});

test('C52: what is kept of somebody is bounded, and what has a place in the profile comes first', async () => {
  await room.declare('large', upstream.issuer, { mapping: { attributes: { nickname: { from: 'nick' } } } });
  const photo = 'x'.repeat(7_000);
  upstream.says({
    sub: 'ada',
    email: `${'a'.repeat(400)}@example.test`,
    photo,
    more: photo,
    nick: 'y'.repeat(5_000),
  });
  const arrived = await room.trip('large');
  expect(Object.keys(arrived?.identity.claims ?? {})).toEqual(expect.arrayContaining(['nick', 'sub']));
  expect(Object.keys(arrived?.identity.claims ?? {})).not.toEqual(expect.arrayContaining(['photo']));
  expect(JSON.stringify(arrived?.identity).length).toBeLessThan(9_000);
  expect(arrived?.identity).not.toHaveProperty('email');
});
