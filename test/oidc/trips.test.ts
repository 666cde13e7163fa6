import { afterAll, beforeAll, expect, test } from '@jest/globals';
import {
  buildAuthorizationUrlWithPAR,
  type DeviceAuthorizationResponse,
  initiateDeviceAuthorization,
} from 'openid-client';
import { until } from '../support/jobs.js';
import { personAt, signIn, signUp } from '../support/journeys.js';
import { startKeyhold, type TestKeyhold } from '../support/keyhold.js';
import { newMember } from '../support/protocol.js';
import { openRawClient } from '../support/raw-client.js';
import { openRelyingParty, type RelyingParty } from '../support/relying-party.js';
import { GOOD_PASSWORD } from '../support/walk.js';

let keyhold: TestKeyhold;
let app: RelyingParty;

const EMAIL = 'trips@example.test';

beforeAll(async () => {
  keyhold = await startKeyhold({ RATE_LIMITS: 'on' });
  app = await openRelyingParty(keyhold);
  const person = personAt(keyhold);
  await signUp(person, app, EMAIL);
  await person.press('Allow');
});

afterAll(async () => {
  await app?.close();
  await keyhold?.close();
});

/** Counts what each of several acts asks of the database, one after the other, until it has settled. */
async function trips(act: () => Promise<unknown>): Promise<number> {
  return (await keyhold.trips.during(act)).length;
}

test('a sign-in takes twelve round trips at most, a page view one, an identifier two', async () => {
  const person = personAt(keyhold);
  const url = await app.authorizationUrl();
  /* The authorization request and the page it leads to. */
  const begin = await keyhold.trips.during(() => person.goto(url));
  expect(begin.length).toBeLessThanOrEqual(1 + 1);
  const { href } = person.page.url;
  expect(await trips(() => person.goto(href))).toBeLessThanOrEqual(1);

  person.fill('Email', EMAIL);
  expect(await trips(() => person.press('Continue'))).toBeLessThanOrEqual(2 + 1);
  person.fill('Password', GOOD_PASSWORD);
  /* The credential and the resumption, which ends at the app. */
  const signedIn = await keyhold.trips.during(() => person.press('Sign in'));
  expect(person.page.heading).toBe('Back in the app');
  const token = await keyhold.trips.during(() => app.exchange());
  expect(token).toHaveLength(2);
  expect([...begin.slice(0, 1), ...signedIn, ...token].length).toBeLessThanOrEqual(12);
});

test('roles that demand a second step cost nobody else a statement', async () => {
  const demanding = await startKeyhold({ SECOND_STEP_ROLES: 'operator' });
  const house = await openRelyingParty(demanding, { first_party: true });
  await newMember(demanding, house, 'bea@example.test');
  const costs = async (host: TestKeyhold, through: RelyingParty, email: string) => {
    const person = personAt(host);
    await person.goto(await through.authorizationUrl());
    person.fill('Email', email);
    await person.press('Continue');
    person.fill('Password', GOOD_PASSWORD);
    const signedIn = await host.trips.during(() => person.press('Sign in'));
    const again = await host.trips.during(async () => person.goto(await through.authorizationUrl()));
    return [signedIn, again].map(statements => statements.length);
  };
  const without = await startKeyhold();
  const other = await openRelyingParty(without, { first_party: true });
  await newMember(without, other, 'bea@example.test');
  expect(await costs(demanding, house, 'bea@example.test')).toEqual(
    await costs(without, other, 'bea@example.test'),
  );
  await Promise.all([house.close(), other.close()]);
  await Promise.all([demanding.close(), without.close()]);
});

test('an app that is allowed already, tokens, refresh, userinfo and introspection read and write once', async () => {
  const person = personAt(keyhold);
  await person.goto(await app.authorizationUrl());
  await signIn(person, EMAIL);
  const sso = await app.authorizationUrl();
  expect(await trips(() => person.goto(sso))).toBeLessThanOrEqual(2);
  let tokens = await app.exchange();
  const refresh = async () => {
    tokens = await app.refresh(tokens.refresh_token ?? '');
  };
  expect(await trips(refresh)).toBeLessThanOrEqual(2);
  /* What is told for the first time is put on record. */
  for (const count of [2, 1]) {
    expect(await trips(() => app.userInfo(tokens))).toBe(count);
    expect(await trips(() => app.introspect(tokens.access_token))).toBe(count);
  }
});

test('a pushed request costs one write more, and one read more', async () => {
  const person = personAt(keyhold);
  await person.goto(await app.authorizationUrl());
  await signIn(person, EMAIL);
  const { searchParams } = await app.authorizationUrl();
  let url = new URL(keyhold.origin);
  const push = async () => {
    url = await buildAuthorizationUrlWithPAR(app.configuration, searchParams);
  };
  expect(await trips(push)).toBe(1);
  expect(await trips(() => person.goto(url))).toBeLessThanOrEqual(2 + 1);
  expect(person.page.heading).toBe('Back in the app');
});

test('a device asks in one write and is counted in another, and waits in one read and one write', async () => {
  const tv = await openRelyingParty(keyhold, {
    grant_types: ['urn:ietf:params:oauth:grant-type:device_code'],
    response_types: [],
    redirect_uris: [],
    post_logout_redirect_uris: [],
    first_party: true,
  });
  let device: DeviceAuthorizationResponse | undefined;
  const ask = async () => {
    device = await initiateDeviceAuthorization(tv.configuration, { scope: 'openid' });
  };
  /* The app is read as well until the notice of its registration has come. */
  await until(async () => (await trips(ask)) === 2);
  const { device_code = '', verification_uri_complete = '' } = device ?? {};
  const raw = await openRawClient(keyhold, tv.client);
  const headers = { Authorization: `Basic ${btoa(`${tv.clientId}:${tv.client.client_secret}`)}` };
  const form = { grant_type: 'urn:ietf:params:oauth:grant-type:device_code', device_code };
  const poll = () => raw.post('/token', form, headers);
  expect(await trips(poll)).toBe(2);
  const person = personAt(keyhold);
  await person.goto(await app.authorizationUrl());
  await signIn(person, EMAIL);
  expect(await trips(() => person.goto(verification_uri_complete))).toBe(0);
  await person.press('Continue');
  await person.press('Yes, this is my device');
  expect(person.page.heading).toBe('Your device is connected');
  expect(await trips(poll)).toBe(2);
  await tv.close();
});

test('discovery and keys ask the database nothing', async () => {
  const discovery = `${keyhold.origin}/.well-known/openid-configuration`;
  expect(await trips(() => fetch(discovery))).toBe(0);
  expect(await trips(() => fetch(`${keyhold.origin}/jwks`))).toBe(0);
});

test('with two people in the browser each way takes no more', async () => {
  const person = personAt(keyhold);
  await signUp(person, app, 'other@example.test');
  await person.press('Allow');
  const begin = await app.authorizationUrl({ prompt: 'login' });
  /* The authorization request, which looks who is here, and the page it leads to. */
  const begun = await keyhold.trips.during(() => person.goto(begin));
  expect(begun.length).toBeLessThanOrEqual(2 + 1);
  person.fill('Email', EMAIL);
  await person.press('Continue');
  person.fill('Password', GOOD_PASSWORD);
  const signedIn = await keyhold.trips.during(() => person.press('Sign in'));
  const token = await keyhold.trips.during(() => app.exchange());
  expect([...begun.slice(0, 2), ...signedIn, ...token].length).toBeLessThanOrEqual(12);

  const beside = await app.authorizationUrl();
  /* The authorization request, and the page with everybody who is here. */
  expect(await trips(() => person.goto(beside))).toBeLessThanOrEqual(2 + 1);
  expect(person.page.heading).toBe('Choose an account');
  /* The choice, and the resumption, which ends at the app. */
  expect(await trips(() => person.press(EMAIL))).toBeLessThanOrEqual(2 + 2);
  let tokens = await app.exchange();
  for (const name of [{ id_token_hint: tokens.id_token ?? '' }, { login_hint: EMAIL }]) {
    for (const prompt of [{}, { prompt: 'none' }]) {
      const sso = await app.authorizationUrl({ ...name, ...prompt });
      expect(await trips(() => person.goto(sso))).toBeLessThanOrEqual(2);
      expect(person.page.heading).toBe('Back in the app');
    }
  }
  tokens = await app.exchange();
  expect(await trips(() => app.refresh(tokens.refresh_token ?? ''))).toBeLessThanOrEqual(2);
  await app.introspect(tokens.access_token);
  expect(await trips(() => app.userInfo(tokens))).toBe(1);
  expect(await trips(() => app.introspect(tokens.access_token))).toBe(1);
});
