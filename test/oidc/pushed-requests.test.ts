import { afterAll, beforeAll, expect, test } from '@jest/globals';
import * as openid from 'openid-client';
import { fetch } from 'undici';
import { disableClient, enableClient } from '../../src/domain/clients/clients.js';
import { openWork } from '../../src/platform/storage/work.js';
import { until } from '../support/jobs.js';
import { signUp } from '../support/journeys.js';
import { startKeyhold, type TestKeyhold } from '../support/keyhold.js';
import { newPerson, type Person } from '../support/person.js';
import { newMember } from '../support/protocol.js';
import { openRawClient, type RawClient } from '../support/raw-client.js';
import { openRelyingParty, type RelyingParty } from '../support/relying-party.js';

let keyhold: TestKeyhold;
let second: TestKeyhold;
let app: RelyingParty;
let raw: RawClient;
let ada: Person;

beforeAll(async () => {
  keyhold = await startKeyhold();
  second = await startKeyhold({}, { beside: keyhold });
  app = await openRelyingParty(keyhold, { require_pushed_authorization_requests: true });
  raw = await openRawClient(keyhold, app.client);
  ada = newPerson({ origin: keyhold.origin });
});

afterAll(async () => {
  await app?.close();
  await second?.close();
  await keyhold?.close();
});

/** What the app would ask by address, pushed instead (openid-client); gives the address that is left. */
async function push(parameters: Readonly<Record<string, string>> = {}): Promise<URL> {
  const { searchParams } = await app.authorizationUrl(parameters);
  searchParams.delete('client_id');
  return openid.buildAuthorizationUrlWithPAR(app.configuration, searchParams);
}

const codesIssued = async () => {
  const [row] = await keyhold.db('authorization_codes').count<{ count: string }[]>({ count: '*' });
  return Number(row?.count);
};

const waiting = async (): Promise<number> => {
  const { rows } = await keyhold.db.raw(
    `SELECT count(*)::int AS n FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`,
  );
  return rows[0].n;
};

test('a pushed request signs somebody up and in, and the address says nothing of it', async () => {
  const url = await push({ prompt: 'create' });
  expect([...url.searchParams.keys()].sort()).toEqual(['client_id', 'request_uri']);
  await signUp(ada, { ...app, authorizationUrl: async () => url }, 'ada@example.test');
  await ada.press('Allow');
  const tokens = await app.exchange();
  expect(tokens.claims()?.sub).toBeTruthy();
  await ada.goto(await push());
  expect(await app.exchange()).toMatchObject({ token_type: 'bearer' });
});

test('an app that must push is refused without; discovery names the endpoint', async () => {
  const page = await ada.goto(await app.authorizationUrl());
  expect(page.url.searchParams.get('error')).toBe('invalid_request');
  expect(raw.server.pushed_authorization_request_endpoint).toBe(`${keyhold.origin}/par`);
});

test('who is not authenticated pushes nothing, and what could not be asked cannot be pushed', async () => {
  const { client_id } = app.client;
  expect(await raw.post('/par', { client_id })).toMatchObject({
    status: 401,
    body: { error: 'invalid_client' },
  });
  const basic = `Basic ${btoa(`${client_id}:${app.client.client_secret}`)}`;
  const form = { client_id, response_type: 'code', scope: 'openid', redirect_uri: 'https://evil.test/' };
  expect(await raw.post('/par', form, { Authorization: basic })).toMatchObject({
    status: 400,
    body: { error: 'invalid_request', error_description: expect.stringContaining('redirect_uri') },
  });
});

test('C42: a request object is refused where requests are pushed and where devices ask, and nothing is kept', async () => {
  const { client_id, client_secret } = app.client;
  const Authorization = `Basic ${btoa(`${client_id}:${client_secret}`)}`;
  const { searchParams } = await app.authorizationUrl();
  const kept = async () => (await keyhold.db('pushed_authorization_requests').count())[0]?.['count'];
  const before = await kept();
  const tv = await keyhold.registerClient({
    grant_types: ['urn:ietf:params:oauth:grant-type:device_code'],
    redirect_uris: [],
    response_types: [],
    token_endpoint_auth_method: 'none',
  });
  for (const [name, value] of [
    ['request', 'eyJhbGciOiJub25lIn0.e30.'],
    ['request_uri', 'https://app.example.test/request'],
    ['request_uri', 'urn:ietf:params:oauth:request_uri:kh_pr_x'],
  ] as const) {
    const form = { ...Object.fromEntries(searchParams), [name]: value };
    const refused = { status: 400, body: { error: `${name}_not_supported` } };
    expect(await raw.post('/par', form, { Authorization })).toMatchObject(refused);
    const asked = { client_id: tv.client_id, scope: 'openid', [name]: value };
    expect(await raw.post('/device_authorization', asked)).toMatchObject(refused);
  }
  expect(await kept()).toBe(before);
  expect(await keyhold.db('device_codes').select()).toEqual([]);
});

test('reading uses nothing up: the page may be asked for again until a code was issued', async () => {
  const url = await push({ prompt: 'login' });
  for (const _ of [1, 2]) {
    await ada.goto(url);
    expect(ada.page.heading).toBe('Sign in');
  }
  const silent = await push();
  await ada.goto(silent);
  expect(ada.page.heading).toBe('Back in the app');
  await ada.goto(silent);
  expect(ada.page.status).toBe(400);
  expect(ada.page.text).toContain('invalid_request_uri');
});

test('a request_uri of another app, of nobody or past its minute is refused', async () => {
  const other = await openRelyingParty(keyhold);
  const url = await push();
  const foreign = new URL(url);
  foreign.searchParams.set('client_id', other.clientId);
  expect((await ada.goto(foreign)).text).toContain('invalid_request');
  const unknown = new URL(url);
  unknown.searchParams.set('request_uri', 'urn:ietf:params:oauth:request_uri:kh_pr_x');
  expect((await ada.goto(unknown)).text).toContain('invalid_request_uri');
  await keyhold.db('pushed_authorization_requests').update({ expires_at: 1 });
  expect((await ada.goto(url)).text).toMatch(/invalid_request/);
  await other.close();
});

test('of twenty uses of a request_uri at two processes one brings a code', async () => {
  const url = await push();
  const cookie = await ada.jar.getCookieString(keyhold.origin);
  const before = await codesIssued();
  const holder = await keyhold.db.transaction();
  await holder('pushed_authorization_requests').select('digest').forUpdate();
  const headers = { cookie, accept: 'text/html' };
  const answers = Array.from({ length: 20 }, (_, at) => {
    const { dispatcher } = at % 2 === 0 ? keyhold : second;
    return fetch(url, { redirect: 'manual', headers, dispatcher });
  });
  await until(async () => (await waiting()) >= 10);
  await holder.rollback();
  const all = await Promise.all(answers);
  const winners = all.filter(({ status }) => status === 303);
  expect(winners).toHaveLength(1);
  expect(new URL(winners[0]?.headers.get('location') ?? '').searchParams.has('code')).toBe(true);
  for (const lost of all.filter(answer => answer !== winners[0])) {
    expect(lost.status).toBe(400);
    expect(await lost.text()).toContain('invalid_request_uri');
    expect(lost.headers.getSetCookie()).toEqual([]);
  }
  expect((await codesIssued()) - before).toBe(1);
});

test('a request that was pushed with a key brings a code for that key alone', async () => {
  const { searchParams } = await app.authorizationUrl();
  searchParams.delete('client_id');
  const DPoP = openid.getDPoPHandle(app.configuration, await openid.randomDPoPKeyPair());
  const other = openid.getDPoPHandle(app.configuration, await openid.randomDPoPKeyPair());
  const bring = async () => {
    await ada.goto(await openid.buildAuthorizationUrlWithPAR(app.configuration, searchParams, { DPoP }));
  };
  await bring();
  await expect(app.exchange()).rejects.toMatchObject({ error: 'invalid_grant' });
  await bring();
  await expect(app.exchange(undefined, { DPoP: other })).rejects.toMatchObject({ error: 'invalid_grant' });
  await bring();
  expect((await app.exchange(undefined, { DPoP })).token_type).toBe('dpop');
});

test('an app that was turned off after it pushed gets nothing', async () => {
  const url = await push();
  await openWork(keyhold.db, { kind: 'operator' }, work => disableClient(work, app.clientId));
  await until(async () => (await raw.introspect('kh_at_x')).status === 401);
  const before = await codesIssued();
  expect((await ada.goto(url)).status).toBe(400);
  expect(await codesIssued()).toBe(before);
  await openWork(keyhold.db, { kind: 'operator' }, work => enableClient(work, app.clientId));
  await until(async () => (await raw.introspect('kh_at_x')).status === 200);
});

test('who a pushed request means is looked up in it', async () => {
  const plain = await openRelyingParty(keyhold, { first_party: true });
  const bea = await newMember(keyhold, plain, 'bea@example.test');
  await bea.goto(await plain.authorizationUrl({ prompt: 'create' }));
  await signUp(bea, plain, 'cid@example.test');
  const pushed = async (parameters: Readonly<Record<string, string>>) => {
    const { searchParams } = await plain.authorizationUrl(parameters);
    return openid.buildAuthorizationUrlWithPAR(plain.configuration, searchParams);
  };
  for (const email of ['bea@example.test', 'cid@example.test', 'bea@example.test']) {
    await bea.goto(await pushed({ login_hint: email }));
    const tokens = await plain.exchange();
    expect((await plain.userInfo(tokens)).email).toBe(email);
    await bea.goto(await pushed({ id_token_hint: tokens.id_token ?? '', prompt: 'none' }));
    expect((await plain.exchange()).claims()?.sub).toBe(tokens.claims()?.sub);
    const claims = JSON.stringify({ id_token: { sub: { value: tokens.claims()?.sub } } });
    await bea.goto(await pushed({ claims }));
    expect((await plain.exchange()).claims()?.sub).toBe(tokens.claims()?.sub);
  }
  await bea.goto(await pushed({ prompt: 'none' }));
  expect(bea.page.url.searchParams.get('error')).toBe('account_selection_required');
  await plain.close();
});
