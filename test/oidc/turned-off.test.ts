import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from '@jest/globals';
import { setAccountState } from '../../src/domain/accounts/accounts.js';
import { disableClient, enableClient } from '../../src/domain/clients/clients.js';
import { openWork } from '../../src/platform/storage/work.js';
import { until } from '../support/jobs.js';
import { personAt, signIn } from '../support/journeys.js';
import { startKeyhold, type TestKeyhold } from '../support/keyhold.js';
import type { Person } from '../support/person.js';
import { bringCode, eventsOf, memberAgain, newMember } from '../support/protocol.js';
import { openRawClient, type RawClient } from '../support/raw-client.js';
import { openRelyingParty, type RelyingParty } from '../support/relying-party.js';
import { GOOD_PASSWORD } from '../support/walk.js';

const ADA = 'ada@example.test';

let keyhold: TestKeyhold;
let house: RelyingParty;
let shop: RelyingParty;
let client: RawClient;
let api: RawClient;
let ada: Person;
let accountId: string;

beforeAll(async () => {
  keyhold = await startKeyhold({ LOG_LEVEL: 'silent' });
  house = await openRelyingParty(keyhold, { first_party: true });
  shop = await openRelyingParty(keyhold);
  client = await openRawClient(keyhold, house.client);
  api = await openRawClient(keyhold, shop.client);
  await newMember(keyhold, house, ADA);
  accountId = (await house.exchange()).claims()?.sub ?? '';
});

afterAll(async () => {
  await Promise.all([house?.close(), shop?.close()]);
  await keyhold?.close();
});

beforeEach(async () => {
  ada = await memberAgain(keyhold, house, ADA);
});

afterEach(async () => {
  await openWork(keyhold.db, { kind: 'operator' }, async work => {
    await setAccountState(work, accountId, 'active');
    await enableClient(work, house.clientId);
  });
  await until(async () => (await client.introspect('kh_at_x')).status === 200);
});

const suspend = () =>
  openWork(keyhold.db, { kind: 'operator' }, work => setAccountState(work, accountId, 'suspended'));

/** Turns the app off and waits until the notice of it has arrived. */
async function disable(): Promise<void> {
  await openWork(keyhold.db, { kind: 'operator' }, work => disableClient(work, house.clientId));
  await until(async () => (await client.introspect('kh_at_x')).status === 401);
}

async function tokens(): Promise<{ access: string; refresh: string }> {
  const { code, verifier, redirectUri } = await bringCode(ada, house);
  const { body } = await client.code(code, verifier, redirectUri);
  return { access: String(body.access_token), refresh: String(body.refresh_token) };
}

const countOf = async (table: string) => Number((await keyhold.db(table).count({ n: '*' }))[0]?.n);

async function expectRefusedPage(): Promise<void> {
  expect([ada.page.status, ada.page.heading]).toEqual([400, 'Request error']);
  expect(ada.page.url.origin).toBe(keyhold.origin);
}

test('a disabled app is refused before it begins, with a page and not a redirect', async () => {
  await disable();
  await ada.goto(await house.authorizationUrl());
  await expectRefusedPage();
  await ada.goto(await house.authorizationUrl({ prompt: 'none' }));
  await expectRefusedPage();
});

test('C03: an app that is disabled while somebody signs in gets no code', async () => {
  const person = personAt(keyhold);
  await person.goto(await house.authorizationUrl());
  person.fill('Email', ADA);
  await person.press('Continue');
  const codes = await countOf('authorization_codes');
  await disable();
  person.fill('Password', GOOD_PASSWORD);
  await person.press('Sign in');
  expect(person.page.status).toBeGreaterThanOrEqual(400);
  expect(person.page.url.origin).toBe(keyhold.origin);
  expect(await countOf('authorization_codes')).toBe(codes);
});

test('C03: an app that is disabled redeems no code, refreshes nothing, reads nothing, asks nothing', async () => {
  const granted = await bringCode(ada, house);
  const { access, refresh } = await tokens();
  const before = await countOf('access_tokens');
  await disable();
  for (const answer of [
    await client.code(granted.code, granted.verifier, granted.redirectUri),
    await client.refresh(refresh),
    await client.introspect(access),
    await client.revoke(access),
  ]) {
    expect(answer).toMatchObject({ status: 401, body: { error: 'invalid_client' } });
  }
  expect(await client.userInfo(access)).toMatchObject({ status: 401, body: { error: 'invalid_token' } });
  expect(await countOf('access_tokens')).toBe(before);
  expect((await eventsOf(keyhold.db, 'client.disabled')).at(-1)).toMatchObject({ client_id: house.clientId });
});

test('a suspended account is asked to sign in, and cannot', async () => {
  await suspend();
  await ada.goto(await house.authorizationUrl({ prompt: 'none' }));
  expect(ada.page.url.searchParams.get('error')).toBe('login_required');
  const sessions = await countOf('sessions');
  const failed = (await eventsOf(keyhold.db, 'sign_in.failed')).length;
  const person = personAt(keyhold);
  await person.goto(await house.authorizationUrl());
  await signIn(person, ADA);
  expect([person.page.status, person.page.heading]).toEqual([400, 'Enter your password']);
  expect(await countOf('sessions')).toBe(sessions);
  expect((await eventsOf(keyhold.db, 'sign_in.failed')).length).toBe(failed + 1);
});

test('somebody who is suspended between sign-in and consent brings the app nothing', async () => {
  const person = personAt(keyhold);
  await person.goto(await shop.authorizationUrl());
  await signIn(person, ADA);
  expect(person.page.buttons).toContain('Allow');
  const before = [await countOf('authorization_codes'), await countOf('grants')];
  await suspend();
  await person.press('Allow');
  expect(person.page.url.searchParams.has('code')).toBe(false);
  expect([await countOf('authorization_codes'), await countOf('grants')]).toEqual(before);
});

test('C22: what a suspended account gave out is worth nothing, from the next request on', async () => {
  const granted = await bringCode(ada, house);
  const { access, refresh } = await tokens();
  expect((await client.introspect(access)).body.active).toBe(true);
  const before = await countOf('access_tokens');
  await suspend();
  for (const answer of [
    await client.code(granted.code, granted.verifier, granted.redirectUri),
    await client.refresh(refresh),
  ]) {
    expect(answer).toMatchObject({ status: 400, body: { error: 'invalid_grant' } });
  }
  expect(await client.userInfo(access)).toMatchObject({ status: 401, body: { error: 'invalid_token' } });
  expect((await client.introspect(access)).body).toEqual({ active: false });
  expect((await client.introspect(refresh)).body).toEqual({ active: false });
  expect(await countOf('access_tokens')).toBe(before);
  await ada.goto(keyhold.origin);
  expect(ada.page.text).not.toContain(ADA);
});

test('C38: another app learns nothing by introspection, and revokes nothing', async () => {
  const { access, refresh } = await tokens();
  for (const token of [access, refresh]) {
    expect((await api.introspect(token)).body).toEqual({ active: false });
    expect((await api.revoke(token)).status).toBeLessThan(500);
    expect((await client.introspect(token)).body.active).toBe(true);
  }
});
