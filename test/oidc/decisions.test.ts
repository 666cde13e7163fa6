import { afterAll, beforeAll, beforeEach, expect, test } from '@jest/globals';
import { exportJWK, generateKeyPair, SignJWT } from 'jose';
import { chooseSale } from '../../src/domain/accounts/accounts.js';
import {
  type ConsentGiven,
  findConsent,
  giveConsent,
  withdrawConsent,
} from '../../src/domain/consents/consents.js';
import { applySchema, openSchema, standardSchema } from '../../src/domain/profiles/profiles.js';
import type { Purpose } from '../../src/domain/purposes/purposes.js';
import { openWork } from '../../src/platform/storage/work.js';
import { startKeyhold, type TestKeyhold } from '../support/keyhold.js';
import { accountOf, recordedDuring } from '../support/ledger.js';
import { newMember } from '../support/protocol.js';
import { openRelyingParty, type RelyingParty } from '../support/relying-party.js';

// "May I, now, for this purpose?": asked by apps in the words of AuthZEN, answered from what stands.

const ADA = 'ada@example.test';
const BEA = 'bea@example.test';
const OFFERS: Purpose = {
  id: 'offers',
  basis: 'consent',
  name: { en: 'Offers' },
  why: { en: 'To show you offers that fit you, also by others.' },
  retention: '30 days',
  dpv: { purposes: ['dpv:TargetedAdvertising'] },
};
const DECLARED = {
  client_name: 'Cinema',
  scope: 'openid email',
  purposes: ['account', 'age', 'comfort', 'offers', 'security'],
  required_claims: ['birthdate'],
  optional_claims: ['zoneinfo'],
};

let keyhold: TestKeyhold;
let cinema: RelyingParty;
let other: RelyingParty;
/** Apps of single tests. */
const opened: RelyingParty[] = [];
let ada: string;
let bea: string;

/** One that asks for no more than it declared. */
async function openApp(metadata: Readonly<Record<string, unknown>> = {}): Promise<RelyingParty> {
  const app = await openRelyingParty(keyhold, { ...DECLARED, ...metadata });
  const asking = (more: Headers = {}) => app.authorizationUrl({ scope: 'openid email', ...more });
  return { ...app, authorizationUrl: asking };
}

async function openOther(metadata: Readonly<Record<string, unknown>>): Promise<RelyingParty> {
  const app = await openApp(metadata);
  opened.push(app);
  return app;
}

const applied = (purposes: readonly Purpose[]) =>
  openWork(keyhold.db, { kind: 'operator' }, work =>
    applySchema(work, { ...standardSchema().schema, purposes }, { source: 'operator', version: 1 }),
  );

beforeAll(async () => {
  keyhold = await startKeyhold({ RATE_LIMITS: 'on' });
  await openSchema(keyhold.db);
  await applied([...standardSchema().schema.purposes, OFFERS]);
  cinema = await openApp();
  other = await openApp({ client_name: 'Other' });
  await newMember(keyhold, other, ADA);
  await newMember(keyhold, other, BEA);
  ada = await accountOf(keyhold.db, ADA);
  bea = await accountOf(keyhold.db, BEA);
});

beforeEach(async () => {
  await withdraw();
  await keyhold.db('attempts').delete();
  await keyhold.db('accounts').update({ state: 'active' });
});

afterAll(async () => {
  await Promise.all([cinema, other, ...opened].map(app => app?.close()));
  await keyhold?.close();
});

const basic = ({ client }: RelyingParty, secret = client.client_secret) => ({
  authorization: `Basic ${Buffer.from(`${client.client_id}:${secret}`).toString('base64')}`,
});

type Headers = Readonly<Record<string, string>>;

async function post(path: string, body: unknown, headers: Headers = basic(cinema)) {
  const answer = await fetch(keyhold.origin + path, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify(body),
  });
  const text = await answer.text();
  return { status: answer.status, headers: answer.headers, text, body: JSON.parse(text) };
}

const about = (id: string) => ({ subject: { type: 'user', id }, action: { name: 'use' } });
const purpose = (id: string, claims?: readonly string[]) => ({
  resource: { type: 'purpose', id, ...(claims && { properties: { claims } }) },
});

async function may(id: string, claims?: readonly string[], action = 'use') {
  const asked = { ...about(ada), ...purpose(id, claims), action: { name: action } };
  const { status, body, headers } = await post('/access/v1/evaluation', asked);
  expect(status).toBe(200);
  return { ...body.context, decision: body.decision, cache: headers.get('cache-control') };
}

const NOTHING = { refusedScopes: [], refusedClaims: [], scopes: [], claims: [], language: 'en' };
const STANDING = { account: 9, age: 9, comfort: 9, offers: 9 };

const allow = (given: Partial<ConsentGiven>, accountId = ada, clientId = cinema.clientId) =>
  openWork(keyhold.db, { kind: 'person', id: accountId }, work =>
    giveConsent(work, { accountId, clientId, ...NOTHING, notices: STANDING, ...given }),
  );

const withdraw = (accountId = ada) =>
  openWork(keyhold.db, { kind: 'person', id: accountId }, work =>
    withdrawConsent(work, accountId, cinema.clientId),
  );

test('what was allowed may be done, until its end, with the event that says so', async () => {
  const validUntil = new Date(Date.now() + 30_000);
  await allow({
    scopes: ['openid', 'email'],
    claims: ['birthdate'],
    refusedClaims: ['zoneinfo'],
    validUntil,
  });
  const standing = await findConsent(keyhold.db, ada, cinema.clientId);
  const age = await may('age');
  expect(age).toMatchObject({
    decision: true,
    reason: 'consented',
    basis: 'consent',
    event: standing?.id,
    until: validUntil.toISOString(),
  });
  expect(age.max_age).toBeLessThanOrEqual(30);
  expect(age.cache).toBe(`private, max-age=${age.max_age}`);
  expect(await may('account')).toMatchObject({ decision: true, reason: 'consented', basis: 'contract' });
  expect(await may('age', ['birthdate'])).toMatchObject({ decision: true });
  expect(await may('age', ['age_over_16'])).toMatchObject({ decision: true });
});

test('what was refused, was never asked, is another claim or was not declared may not', async () => {
  await allow({ claims: ['birthdate'], refusedClaims: ['zoneinfo'], refusedUses: ['offers'] });
  for (const [asked, claims, reason] of [
    ['comfort', undefined, 'refused'],
    ['offers', undefined, 'refused'],
    ['security', undefined, 'not_asked'],
    ['age', ['zoneinfo'], 'claim_not_allowed'],
    ['naming', undefined, 'not_declared'],
    ['nothing', undefined, 'not_declared'],
  ] as const) {
    expect(await may(asked, claims)).toMatchObject({
      decision: false,
      reason,
      cache: 'no-store',
      max_age: 0,
    });
  }
});

test('it is over with the withdrawal, the end, the notice and the account', async () => {
  await allow({ claims: ['birthdate'] });
  await keyhold.db('accounts').where({ id: ada }).update({ state: 'frozen' });
  expect(await may('age')).toMatchObject({ decision: false, reason: 'account_unavailable' });
  await keyhold.db('accounts').where({ id: ada }).update({ state: 'active' });
  expect(await may('age')).toMatchObject({ decision: true });
  await allow({ claims: ['birthdate'], notices: { age: 0 } });
  await keyhold
    .db('consents')
    .where({ account_id: ada })
    .update({ notices: { age: 0 } });
  expect(await may('age')).toMatchObject({ decision: false, reason: 'ask_again' });
  await keyhold
    .db('consents')
    .where({ account_id: ada })
    .update({ valid_until: new Date(Date.now() - 1_000) });
  expect(await may('age')).toMatchObject({ decision: false, reason: 'expired' });
  await withdraw();
  expect(await may('age')).toMatchObject({ decision: false, reason: 'withdrawn' });
});

test('a use that rests on consent to be sold counts until a signal says no; what was not asked for selling is not sold', async () => {
  await allow({ uses: ['offers'], claims: ['birthdate'] });
  expect(await may('offers')).toMatchObject({ decision: true, reason: 'consented' });
  expect(await may('age', undefined, 'sell')).toMatchObject({ decision: false, reason: 'sale_opted_out' });
  await openWork(keyhold.db, { kind: 'person', id: ada }, work =>
    chooseSale(work, ada, 'opted_out', 'signal'),
  );
  expect(await may('offers')).toMatchObject({ decision: false, reason: 'sale_opted_out' });
  expect(await may('age')).toMatchObject({ decision: true });
  await keyhold
    .db('accounts')
    .where({ id: ada })
    .update({ sale_choice: null, sale_chosen_by: null, sale_chosen_at: null });
});

test('of somebody whom nothing connects with the app it tells what it tells of nobody, and counts the questions', async () => {
  const asked = (id: string) => post('/access/v1/evaluation', { ...about(id), ...purpose('age') });
  const [real, nobody, nonsense] = [
    await asked(bea),
    await asked('00000000-0000-7000-8000-000000000000'),
    await asked('nobody at all'),
  ];
  expect(real.body).toEqual({ decision: false, context: { reason: 'not_connected', max_age: 0 } });
  expect([nobody.text, nonsense.text]).toEqual([real.text, real.text]);
  const { count } = await keyhold.db('attempts').where('subject', 'like', 'decision:app:%').first('count');
  expect(count).toBe(3);
  await keyhold
    .db('attempts')
    .where('subject', 'like', 'decision:app:%')
    .update({
      count: 600,
      window_ends_at: new Date(Date.now() + 600 * 3_600_000),
    });
  const events = await recordedDuring(keyhold.db, async () => {
    const refused = await asked(bea);
    expect([refused.status, refused.headers.get('retry-after') !== null]).toEqual([429, true]);
    expect((await asked(bea)).status).toBe(429);
  });
  expect(events).toMatchObject([{ type: 'limit.reached', client_id: cinema.clientId }]);
});

test('an answer costs two round trips at most, and is no event', async () => {
  await allow({ claims: ['birthdate'] });
  let trips: readonly string[] = [];
  const events = await recordedDuring(keyhold.db, async () => {
    trips = await keyhold.trips.during(() => may('age'));
  });
  expect(trips).toHaveLength(1);
  expect(events).toEqual([]);
});

test('several questions at once, up to the first no or yes', async () => {
  await allow({ claims: ['birthdate'] });
  const evaluations = [
    purpose('naming'),
    purpose('age'),
    purpose('comfort'),
    { ...about(bea), ...purpose('age') },
  ];
  const ask = async (semantic: string) => {
    const options = { evaluations_semantic: semantic };
    const { body } = await post('/access/v1/evaluations', { ...about(ada), evaluations, options });
    return body.evaluations.map((one: { decision: boolean }) => one.decision);
  };
  expect(await ask('execute_all')).toEqual([false, true, false, false]);
  expect(await ask('deny_on_first_deny')).toEqual([false]);
  expect(await ask('permit_on_first_permit')).toEqual([false, true]);
  const single = await post('/access/v1/evaluations', { ...about(ada), ...purpose('age') });
  expect(single.body.decision).toBe(true);
});

test('an app knows people by its own names for them', async () => {
  const paired = await openApp({ subject_type: 'pairwise' });
  await newMember(keyhold, paired, 'cleo@example.test');
  const tokens = await paired.exchange();
  const asked = (id = '') =>
    post('/access/v1/evaluation', { ...about(id), ...purpose('account') }, basic(paired));
  expect((await asked(tokens.claims()?.sub)).body.decision).toBe(true);
  expect((await asked(await accountOf(keyhold.db, 'cleo@example.test'))).body.context.reason).toBe(
    'not_connected',
  );
  await paired.close();
});

test('what another sector knows somebody by is nobody: no app learns whose subjects belong together', async () => {
  const sector = (host: string) => ({
    subject_type: 'pairwise',
    redirect_uris: [`https://${host}/callback`],
    post_logout_redirect_uris: [],
  });
  const [here, there] = [
    await openOther({ subject_type: 'pairwise' }),
    await openOther(sector('elsewhere.example')),
  ];
  await newMember(keyhold, here, 'flora@example.test');
  const mine = (await here.exchange()).claims()?.sub ?? '';
  const dora = await accountOf(keyhold.db, 'flora@example.test');
  await allow({ claims: ['birthdate'] }, dora, there.clientId);
  const asked = (app: RelyingParty, id: string) =>
    post('/access/v1/evaluation', { ...about(id), ...purpose('age') }, basic(app));
  expect((await asked(here, mine)).body.context.reason).not.toBe('not_connected');
  const [theirs, nobody] = [
    await asked(there, mine),
    await asked(there, Buffer.alloc(32).toString('base64url')),
  ];
  expect(theirs.body.context.reason).toBe('not_connected');
  expect(theirs.text).toBe(nobody.text);
});

test('an app proves itself as it does elsewhere, by secret or by signature, once', async () => {
  await allow({ claims: ['birthdate'] });
  const asked = { ...about(ada), ...purpose('age') };
  const path = '/access/v1/evaluation';
  const wrong = await post(path, asked, basic(cinema, 'wrong'));
  expect([wrong.status, wrong.body.error]).toEqual([401, 'invalid_client']);
  expect(wrong.headers.get('www-authenticate')).toMatch(/^Basic/);
  expect((await post(path, asked, {})).status).toBe(400);
  expect((await post(path, { ...asked, client_id: cinema.clientId }, {})).status).toBe(401);

  const keys = await generateKeyPair('ES256');
  const jwk = { ...(await exportJWK(keys.publicKey)), kid: 'one', use: 'sig' };
  const signing = await keyhold.registerClient({
    client_name: 'Signing',
    redirect_uris: ['https://signing.example/callback'],
    token_endpoint_auth_method: 'private_key_jwt',
    jwks: { keys: [jwk] },
    purposes: ['age'],
    scope: 'openid',
    optional_claims: ['birthdate'],
  });
  await allow({ claims: ['birthdate'] }, ada, signing.client_id);
  const seconds = Math.floor(Date.now() / 1_000);
  const assertion = await new SignJWT({
    iss: signing.client_id,
    sub: signing.client_id,
    aud: keyhold.issuer + path,
    jti: crypto.randomUUID(),
    iat: seconds,
    exp: seconds + 60,
  })
    .setProtectedHeader({ alg: 'ES256', kid: 'one' })
    .sign(keys.privateKey);
  const proof = {
    client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
    client_assertion: assertion,
  };
  expect((await post(path, { ...asked, ...proof }, {})).body.decision).toBe(true);
  expect((await post(path, { ...asked, ...proof }, {})).body.error).toBe('invalid_client');
  const elsewhere = await fetch(`${keyhold.origin}/introspect`, {
    method: 'POST',
    body: new URLSearchParams({ ...proof, token: 'x' }),
  });
  expect([elsewhere.status, (await elsewhere.json()).error]).toEqual([401, 'invalid_client']);
});

test('an app that keeps no secret asks with the token of its person, about nobody else', async () => {
  const open = await openApp({ token_endpoint_auth_method: 'none' });
  await newMember(keyhold, open, 'dora@example.test');
  const dora = await accountOf(keyhold.db, 'dora@example.test');
  await allow({ claims: ['birthdate'] }, ada, open.clientId);
  const { access_token: token } = await open.exchange();
  const asked = (id: string, headers: Headers) =>
    post('/access/v1/evaluation', { ...about(id), ...purpose('account') }, headers);
  const bearer = { authorization: `Bearer ${token}` };
  expect((await asked(dora, bearer)).body.decision).toBe(true);
  expect((await asked(ada, bearer)).body.context.reason).toBe('not_connected');
  const elsewhere = await asked(dora, { ...bearer, origin: 'https://evil.example' });
  expect([elsewhere.status, elsewhere.headers.get('access-control-allow-origin')]).toEqual([400, null]);
  expect((await asked(dora, { authorization: 'Bearer nonsense' })).status).toBe(401);
  await open.close();
});

test('what is no question is refused, and discovery names the place', async () => {
  for (const body of [
    {},
    { ...about(ada), resource: { type: 'file', id: 'age' } },
    { ...about(ada), action: { name: 'burn' }, ...purpose('age') },
    { ...about(ada), ...purpose('x'.repeat(41)) },
  ]) {
    const refused = await post('/access/v1/evaluation', body);
    expect([refused.status, refused.body.code]).toEqual([400, 'invalid_input']);
  }
  const many = { ...about(ada), evaluations: Array.from({ length: 51 }, () => purpose('age')) };
  expect((await post('/access/v1/evaluations', many)).status).toBe(400);
  const discovery = await (await fetch(`${keyhold.origin}/.well-known/openid-configuration`)).json();
  const metadata = await (await fetch(`${keyhold.origin}/.well-known/authzen-configuration`)).json();
  expect(metadata).toEqual({
    policy_decision_point: keyhold.issuer,
    access_evaluation_endpoint: `${keyhold.issuer}/access/v1/evaluation`,
    access_evaluations_endpoint: `${keyhold.issuer}/access/v1/evaluations`,
  });
  expect(discovery).toMatchObject({ access_evaluation_endpoint: metadata.access_evaluation_endpoint });
  const request = await post('/access/v1/evaluation', {}, { ...basic(cinema), 'x-request-id': 'a-1' });
  expect(request.headers.get('x-request-id')).toBe('a-1');
});
