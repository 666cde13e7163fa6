import { afterAll, beforeAll, expect, test } from '@jest/globals';
import * as openid from 'openid-client';
import { setAttributes, standardSchema } from '../../src/domain/profiles/profiles.js';
import { registerResourceServer } from '../../src/domain/resources/resources.js';
import { openDatabase } from '../../src/platform/storage/db.js';
import { openWork } from '../../src/platform/storage/work.js';
import { type Between, claimsOf, leftTo, missingOf } from '../support/disclosures.js';
import { until } from '../support/jobs.js';
import { startKeyhold, type TestKeyhold } from '../support/keyhold.js';
import { accountOf } from '../support/ledger.js';
import { bringCode, memberAgain, newMember } from '../support/protocol.js';
import { openRawClient } from '../support/raw-client.js';
import { openRelyingParty, type RelyingParty, type Tokens } from '../support/relying-party.js';
import { ownRoutes } from '../support/routes.js';

const EMAIL = 'ada@example.test';
const API = 'https://api.example.test/orders';
const DEVICE_CODE = 'urn:ietf:params:oauth:grant-type:device_code';

let keyhold: TestKeyhold;
let app: RelyingParty;
let accountId: string;

beforeAll(async () => {
  keyhold = await startKeyhold();
  await openWork(keyhold.db, { kind: 'operator' }, work =>
    registerResourceServer(work, { identifier: API, name: 'Orders', scopes: ['orders:read'] }),
  );
  app = await openRelyingParty(keyhold, { scope: 'openid profile email phone address orders:read' });
  await newMember(keyhold, app, EMAIL);
  accountId = await accountOf(keyhold.db, EMAIL);
  await change({ name: 'Ada Lovelace', given_name: 'Ada', address: { country: 'GB', locality: 'London' } });
}, 60_000);

afterAll(async () => {
  await app?.close();
  await keyhold?.close();
});

const change = (values: Readonly<Record<string, unknown>>) =>
  openWork(keyhold.db, { kind: 'operator' }, work =>
    setAttributes(work, standardSchema().schema, accountId, values, 'operator'),
  );

const between = (clientId = app.clientId): Between => ({
  db: keyhold.db,
  secret: keyhold.config.secret,
  email: EMAIL,
  clientId,
});

/** The app's tokens of a new sign-in. */
async function tokensOf(
  party: RelyingParty = app,
  parameters: Readonly<Record<string, string>> = {},
): Promise<Tokens> {
  const ada = await memberAgain(keyhold, party, EMAIL);
  if (ada.page.buttons.includes('Allow')) await ada.press('Allow');
  await ada.goto(await party.authorizationUrl(parameters));
  if (ada.page.buttons.includes('Allow')) await ada.press('Allow');
  return party.exchange();
}

const rows = (clientId?: string) => leftTo(between(clientId));
const told = async (way: string, clientId?: string) =>
  (await rows(clientId)).filter(row => row.way === way).map(row => row.claim);

test('what a code and a refresh token bring in an ID token is on record, each claim once', async () => {
  const must = { essential: true };
  const wanted = { claims: JSON.stringify({ id_token: { email: must, name: must, address: must } }) };
  const tokens = await tokensOf(app, { ...wanted, scope: 'openid profile email address' });
  expect(claimsOf(tokens.id_token)).toMatchObject({ name: 'Ada Lovelace', email: EMAIL });
  expect(await missingOf(claimsOf(tokens.id_token), 'id_token', between())).toEqual([]);
  const after = await rows();
  const first = await told('id_token');
  expect(first).toEqual(expect.arrayContaining(['address', 'email', 'name', 'sub']));
  expect(new Set(first).size).toBe(first.length);

  const again = await app.refresh(tokens.refresh_token ?? '');
  expect(await missingOf(claimsOf(again.id_token), 'id_token', between())).toEqual([]);
  expect(await rows()).toEqual(after);

  await change({ name: 'Ada King' });
  const changed = await app.refresh(again.refresh_token ?? '');
  expect(claimsOf(changed.id_token)['name']).toBe('Ada King');
  expect(await missingOf(claimsOf(changed.id_token), 'id_token', between())).toEqual([]);
  expect((await told('id_token')).slice(first.length)).toEqual(['name']);
  await change({ name: 'Ada Lovelace' });
});

test('a row says why: the purpose that is declared, and the consent that stands', async () => {
  const consent = await keyhold
    .db('consents')
    .where({ account_id: accountId, client_id: app.clientId })
    .first();
  const found = (await rows()).filter(row => row.way === 'id_token');
  expect(new Set(found.map(({ consent_id }) => consent_id))).toEqual(new Set([consent?.id]));
  const purposes = new Map(found.map(({ claim, purpose }) => [claim, purpose]));
  expect(purposes.get('name')).toBe('naming');
  expect(purposes.get('email')).toBe('account');
  expect(purposes.get('sub')).toBe(null);
});

test('what userinfo answers is on record, as JSON and signed, and again only when it has changed', async () => {
  const tokens = await tokensOf(app, { scope: 'openid profile email address' });
  const first = await app.userInfo(tokens);
  expect(first).toMatchObject({ email: EMAIL, name: 'Ada Lovelace', address: { formatted: 'London\nGB' } });
  expect(await missingOf(first, 'userinfo', between())).toEqual([]);
  const after = await rows();
  expect((await keyhold.trips.during(() => app.userInfo(tokens))).length).toBe(1);
  expect(await rows()).toEqual(after);

  await change({ address: { country: 'GB', locality: 'Ockham' } });
  expect((await keyhold.trips.during(() => app.userInfo(tokens))).length).toBe(2);
  expect((await rows()).slice(after.length).map(({ claim }) => claim)).toEqual(['address']);

  const signing = await openRelyingParty(keyhold, { userinfo_signed_response_alg: 'ES256' });
  const { access_token } = await tokensOf(signing);
  const answer = await fetch(`${keyhold.origin}/userinfo`, {
    headers: { Authorization: `Bearer ${access_token}` },
  });
  expect(answer.headers.get('Content-Type')).toMatch(/application\/jwt/);
  const claims = claimsOf(await answer.text());
  expect(claims).toMatchObject({ email: EMAIL, name: 'Ada Lovelace' });
  expect(await missingOf(claims, 'userinfo', between(signing.clientId))).toEqual([]);
  await signing.close();
});

test('what introspection answers is on record, of access and refresh tokens, and costs nothing when it is known', async () => {
  const tokens = await tokensOf();
  for (const token of [tokens.access_token, tokens.refresh_token ?? '']) {
    const answer = await app.introspect(token);
    expect(answer).toMatchObject({ active: true, sub: accountId });
    expect(await missingOf(answer, 'introspection', between())).toEqual([]);
    expect((await keyhold.trips.during(() => app.introspect(token))).length).toBe(1);
  }
  expect(await told('introspection')).toEqual(['sub']);
});

test('an API that asks about an app’s token is a recipient of its own', async () => {
  const api = await openRelyingParty(keyhold, {
    redirect_uris: [],
    response_types: [],
    grant_types: ['client_credentials'],
  });
  await openWork(keyhold.db, { kind: 'operator' }, work =>
    registerResourceServer(work, {
      identifier: `urn:${api.clientId}`,
      name: 'Api',
      scopes: ['orders:see'],
      access_token_format: 'opaque',
    }),
  );
  const { access_token } = await tokensOf();
  await keyhold.db('access_tokens').update({ aud: api.clientId });
  const answer = await openid.tokenIntrospection(api.configuration, access_token);
  expect(answer).toMatchObject({ active: true, sub: accountId });
  expect(await missingOf(answer, 'introspection', between(api.clientId))).toEqual([]);
  const consent = await keyhold
    .db('consents')
    .where({ account_id: accountId, client_id: app.clientId })
    .first();
  expect((await rows(api.clientId)).map(({ consent_id }) => consent_id)).toEqual([consent?.id]);
  const ask = () => openid.tokenIntrospection(api.configuration, access_token);
  expect((await keyhold.trips.during(ask)).length).toBe(1);
  await api.close();
});

test('a JWT access token tells who it is about, and that is on record', async () => {
  const code = await bringCode(await memberAgain(keyhold, app, EMAIL), app, {
    scope: 'openid orders:read',
    resource: API,
  }).catch(async () => {
    const ada = await memberAgain(keyhold, app, EMAIL);
    await ada.goto(await app.authorizationUrl({ scope: 'openid orders:read', resource: API }));
    await ada.press('Allow');
    return bringCode(ada, app, { scope: 'openid orders:read', resource: API });
  });
  const raw = await openRawClient(keyhold, app.client);
  const { body } = await raw.post(
    '/token',
    {
      grant_type: 'authorization_code',
      code: code.code,
      redirect_uri: code.redirectUri,
      code_verifier: code.verifier,
    },
    { Authorization: `Basic ${btoa(`${app.clientId}:${app.client.client_secret}`)}` },
  );
  const claims = claimsOf(String(body.access_token));
  expect(claims).toMatchObject({ aud: API, sub: accountId });
  expect(await missingOf(claims, 'access_token', between())).toEqual([]);
  expect(await told('access_token')).toEqual(['sub']);
});

test('a device’s ID token is on record', async () => {
  const tv = await openRelyingParty(keyhold, {
    client_name: 'Television',
    grant_types: [DEVICE_CODE, 'refresh_token'],
    response_types: [],
    redirect_uris: [],
    post_logout_redirect_uris: [],
    token_endpoint_auth_method: 'none',
    first_party: true,
  });
  const device = await openid.initiateDeviceAuthorization(tv.configuration, { scope: 'openid email' });
  const ada = await memberAgain(keyhold, app, EMAIL);
  await ada.goto(device.verification_uri_complete ?? '');
  await ada.press('Continue');
  await ada.press('Yes, this is my device');
  const tokens = await openid.pollDeviceAuthorizationGrant(tv.configuration, device);
  expect(await missingOf(claimsOf(tokens.id_token), 'id_token', between(tv.clientId))).toEqual([]);
  const found = await rows(tv.clientId);
  expect(found.map(({ claim }) => claim)).toContain('sub');
  expect(new Set(found.map(({ consent_id }) => consent_id))).toEqual(new Set([null]));
  await tv.close();
}, 30_000);

test('an app that knows people by a pairwise subject is recorded with that one', async () => {
  const pairwise = await openRelyingParty(keyhold, { subject_type: 'pairwise' });
  const tokens = await tokensOf(pairwise);
  const { sub } = claimsOf(tokens.id_token);
  expect(sub).not.toBe(accountId);
  expect(await missingOf(claimsOf(tokens.id_token), 'id_token', between(pairwise.clientId))).toEqual([]);
  const answer = await pairwise.introspect(tokens.access_token);
  expect(answer.sub).toBe(sub);
  expect(await missingOf(answer, 'introspection', between(pairwise.clientId))).toEqual([]);
  await pairwise.close();
});

test('an app that acts for itself is told about nobody', async () => {
  const robot = await openRelyingParty(keyhold, {
    redirect_uris: [],
    response_types: [],
    grant_types: ['client_credentials'],
    scope: 'orders:read',
  });
  const ask = { resource: API, scope: 'orders:read' };
  const { access_token } = await openid.clientCredentialsGrant(robot.configuration, ask);
  expect(claimsOf(access_token)).toMatchObject({ sub: robot.clientId });
  expect(await keyhold.db('disclosures').where({ client_id: robot.clientId })).toEqual([]);
  await robot.close();
});

test('there is no other way out: no answer but these can carry a claim', async () => {
  const metadata = await (await fetch(`${keyhold.origin}/.well-known/openid-configuration`)).json();
  expect(metadata.response_types_supported).toEqual(['code']);
  expect(metadata.grant_types_supported.sort()).toEqual(
    ['authorization_code', 'client_credentials', 'refresh_token', DEVICE_CODE].sort(),
  );
  expect(metadata.response_modes_supported.filter((mode: string) => mode.includes('jwt'))).toEqual([]);
  const encrypts = Object.keys(metadata).filter(name => name.includes('_encryption_'));
  expect(encrypts).toEqual([]);
  const endpoints = Object.keys(metadata).filter(name => name.endsWith('_endpoint'));
  /* Where an app asks whether it may, it is told yes or no. */
  expect(endpoints.sort()).toEqual([
    'access_evaluation_endpoint',
    'access_evaluations_endpoint',
    'authorization_endpoint',
    'device_authorization_endpoint',
    'end_session_endpoint',
    'introspection_endpoint',
    'pushed_authorization_request_endpoint',
    'revocation_endpoint',
    'token_endpoint',
    'userinfo_endpoint',
  ]);
  /* Of these only the answer says anything about anybody: `test/saml/sign-on.test.ts` holds it against the record. */
  const saml = ownRoutes().filter(({ path }) => path.startsWith('/saml/'));
  expect(saml.map(({ method, path }) => `${method} ${path}`).sort()).toEqual([
    'GET /saml/answer',
    'GET /saml/logout',
    'GET /saml/logout/asked',
    'GET /saml/logout/next',
    'GET /saml/metadata',
    'GET /saml/sso',
    'GET /saml/sso/:id',
    'POST /saml/logout',
    'POST /saml/sso',
  ]);
});

test('equal values of two people do not look alike', async () => {
  const other = 'grace@example.test';
  await newMember(keyhold, app, other);
  const otherId = await accountOf(keyhold.db, other);
  await openWork(keyhold.db, { kind: 'operator' }, work =>
    setAttributes(work, standardSchema().schema, otherId, { name: 'Ada Lovelace' }, 'operator'),
  );
  await app.userInfo(await app.exchange());
  const name = { claim: 'name', way: 'userinfo', client_id: app.clientId };
  const hashes = await keyhold.db('disclosures').where(name).pluck('value_hash');
  expect(hashes).toHaveLength(2);
  expect(new Set(hashes.map(hash => hash.toString('hex'))).size).toBe(2);
});

test('many answers at once with a new value leave one row, and none of them fails', async () => {
  const tokens = await tokensOf();
  await app.userInfo(tokens);
  const before = (await rows()).length;
  for (const nickname of ['Countess', 'Enchantress', 'Analyst']) {
    await change({ nickname });
    const answers = await Promise.all(Array.from({ length: 12 }, () => app.userInfo(tokens)));
    expect(new Set(answers.map(answer => answer.nickname))).toEqual(new Set([nickname]));
  }
  const new_ = (await rows()).slice(before);
  expect(new_.filter(({ claim }) => claim === 'nickname')).toHaveLength(3);
});

/** Runs `act` while the database takes no row of what leaves. */
async function whileRefusing(act: () => Promise<void>): Promise<void> {
  const owner = openDatabase(keyhold.config.migrationDatabaseUrl);
  try {
    await owner.raw('ALTER TABLE disclosures ADD CONSTRAINT disclosures__refused CHECK (false) NOT VALID');
    await act();
  } finally {
    await owner.raw('ALTER TABLE disclosures DROP CONSTRAINT disclosures__refused');
    await owner.destroy();
  }
}

test('what cannot be put on record does not leave', async () => {
  const tokens = await tokensOf();
  await app.userInfo(tokens);
  await change({ middle_name: 'Augusta' });
  const before = await rows();
  const headers = { Authorization: `Bearer ${tokens.access_token}` };
  await whileRefusing(async () => {
    const answer = await fetch(`${keyhold.origin}/userinfo`, { headers });
    expect(answer.status).toBe(500);
    expect(await answer.text()).not.toMatch(/Ada|Augusta|example\.test/);
  });
  expect(await rows()).toEqual(before);
  expect(await app.userInfo(tokens)).toMatchObject({ middle_name: 'Augusta' });

  await change({ middle_name: 'Byron' });
  const holder = openDatabase(keyhold.config.migrationDatabaseUrl);
  try {
    await holder.transaction(async tx => {
      await tx.raw('LOCK TABLE disclosures IN ACCESS EXCLUSIVE MODE');
      const answer = await fetch(`${keyhold.origin}/userinfo`, { headers });
      expect(answer.status).toBe(503);
      expect(await answer.text()).not.toMatch(/Ada|Byron|example\.test/);
    });
  } finally {
    await holder.destroy();
  }
  await until(async () => (await app.userInfo(tokens)).middle_name === 'Byron');
}, 30_000);

test('an account cannot be deleted while nobody has told its person who got what', async () => {
  const deleting = keyhold.db('accounts').where({ id: accountId }).delete();
  await expect(deleting).rejects.toMatchObject({ constraint: expect.stringMatching(/^disclos/) });
});

test('somebody whose sign-in brings nothing new costs the token endpoint no row', async () => {
  await tokensOf();
  const before = await keyhold.db('disclosed').where({ account_id: accountId }).select('xmin', 'way');
  const ada = await memberAgain(keyhold, app, EMAIL);
  await ada.goto(await app.authorizationUrl());
  await app.exchange();
  expect(await keyhold.db('disclosed').where({ account_id: accountId }).select('xmin', 'way')).toEqual(
    before,
  );
});
