import { afterAll, beforeAll, beforeEach, expect, test } from '@jest/globals';
import { jobsDone } from '../support/jobs.js';
import { personAt, signIn } from '../support/journeys.js';
import { startKeyhold, type TestKeyhold } from '../support/keyhold.js';
import type { Person } from '../support/person.js';
import { eventsOf, memberAgain, newMember, rowCounts } from '../support/protocol.js';
import { openRelyingParty, type RelyingParty, type Tokens } from '../support/relying-party.js';

const ADA = 'ada@example.test';
const BOB = 'bob@example.test';

let keyhold: TestKeyhold;
let house: RelyingParty;
let shop: RelyingParty;
/** Signed in at both apps, whose tokens are `atHouse` and `atShop`. */
let ada: Person;
let atHouse: Tokens;
let atShop: Tokens;

beforeAll(async () => {
  keyhold = await startKeyhold();
  house = await openRelyingParty(keyhold, { first_party: true, client_name: 'House' });
  shop = await openRelyingParty(keyhold, { first_party: true, client_name: 'Shop' });
  await newMember(keyhold, house, ADA);
  await newMember(keyhold, house, BOB);
});

afterAll(async () => {
  await Promise.all([house?.close(), shop?.close()]);
  await keyhold?.close();
});

beforeEach(async () => {
  ada = await memberAgain(keyhold, house, ADA);
  atHouse = await house.exchange();
  await ada.goto(await shop.authorizationUrl());
  atShop = await shop.exchange();
});

const signedOutAt = (app: RelyingParty) => `${new URL(app.redirectUri).origin}/signed-out`;
const formActions = () =>
  /form-action ([^;]*)/.exec(ada.page.headers.get('content-security-policy') ?? '')?.[1];
const isAlive = async (app: RelyingParty, tokens: Tokens) =>
  (await app.introspect(tokens.access_token)).active;

async function isSignedIn(person: Person): Promise<boolean> {
  await person.goto(await house.authorizationUrl({ prompt: 'none' }));
  return person.page.url.searchParams.has('code');
}

async function expectNothingEnded(): Promise<void> {
  expect(await Promise.all([isAlive(house, atHouse), isAlive(shop, atShop)])).toEqual([true, true]);
  expect(await isSignedIn(ada)).toBe(true);
}

async function expectAllEnded(): Promise<void> {
  expect(await isSignedIn(ada)).toBe(false);
  expect(await Promise.all([isAlive(house, atHouse), isAlive(shop, atShop)])).toEqual([false, false]);
  await expect(house.refresh(atHouse.refresh_token ?? '')).rejects.toMatchObject({ error: 'invalid_grant' });
  await expect(house.userInfo(atHouse)).rejects.toThrow();
}

test('an app signs somebody out of everything, after asking, and gets its state back', async () => {
  const before = (await eventsOf(keyhold.db, 'session.ended')).length;
  const url = house.endSessionUrl({
    id_token_hint: atHouse.id_token ?? '',
    post_logout_redirect_uri: signedOutAt(house),
    state: 'a "state" & <more>',
  });
  await ada.goto(url);
  await expectNothingEnded();
  await ada.goto(url);
  expect(formActions()).toBe(`'self' ${new URL(house.redirectUri).origin}`);
  await ada.press('Sign out');
  expect(ada.page.heading).toBe('Signed out of the app');
  expect(Object.fromEntries(ada.page.url.searchParams)).toEqual({ state: 'a "state" & <more>' });
  await expectAllEnded();
  const ended = (await eventsOf(keyhold.db, 'session.ended')).slice(before);
  expect(ended).toEqual([
    expect.objectContaining({
      account_id: expect.any(String),
      detail: expect.objectContaining({ reason: 'signed-out' }),
    }),
  ]);
});

test('C21: without a hint it asks as well, and ends at a page of ours', async () => {
  await ada.goto(new URL('/end-session', keyhold.issuer));
  expect(ada.page.buttons).toEqual(['Sign out', 'Stay signed in']);
  expect(formActions()).toBe(`'self'`);
  await ada.press('Sign out');
  expect(ada.page.heading).toBe('You are signed out');
  await expectAllEnded();
});

test('C21: nobody is sent to an address that is not registered for it', async () => {
  const before = await rowCounts(keyhold.db);
  for (const address of ['https://evil.test/', `${signedOutAt(house)}/`, signedOutAt(shop)]) {
    const hinted = { id_token_hint: atHouse.id_token ?? '', post_logout_redirect_uri: address };
    for (const parameters of [hinted, { client_id: house.clientId, post_logout_redirect_uri: address }]) {
      await ada.goto(`${keyhold.issuer}/end-session?${new URLSearchParams(parameters)}`);
      expect([ada.page.status, ada.page.heading]).toEqual([400, 'Request error']);
    }
  }
  expect(await rowCounts(keyhold.db)).toEqual(before);
  await ada.goto(`${keyhold.issuer}/end-session?post_logout_redirect_uri=https://evil.test/`);
  expect(formActions()).toBe(`'self'`);
  await ada.press('Sign out');
  expect(ada.page.heading).toBe('You are signed out');
});

test('somebody who is not signed in goes straight on to the app', async () => {
  const nobody = personAt(keyhold);
  const hint = { id_token_hint: atHouse.id_token ?? '', post_logout_redirect_uri: signedOutAt(house) };
  await nobody.goto(house.endSessionUrl(hint));
  expect(nobody.page.headers.get('content-security-policy')).toContain(
    `form-action 'self' ${new URL(house.redirectUri).origin};`,
  );
  await nobody.press('Continue');
  expect(nobody.page.heading).toBe('Signed out of the app');
  await expectNothingEnded();
});

test('C21, C42: a forged hint, and the hint of one app with the name of another, are refused', async () => {
  const wrong = [
    { id_token_hint: 'x' },
    { id_token_hint: `${atHouse.id_token}x` },
    { id_token_hint: atHouse.id_token ?? '', client_id: shop.clientId },
    { client_id: 'app_unknown' },
  ];
  for (const parameters of wrong) {
    await ada.goto(
      `${keyhold.issuer}/end-session?${new URLSearchParams(parameters as Record<string, string>)}`,
    );
    expect([ada.page.status, ada.page.heading]).toEqual([400, 'Request error']);
  }
  await expectNothingEnded();
});

test('C21: no other page can confirm it: without the form’s own token nothing ends', async () => {
  await ada.goto(new URL('/end-session', keyhold.issuer));
  const before = (await eventsOf(keyhold.db, 'session.ended')).length;
  for (const fields of [{}, { xsrf: '' }, { xsrf: 'x'.repeat(48) }]) {
    await ada.post(`${keyhold.issuer}/end-session/confirm`, { ...fields, logout: 'yes' });
    expect(ada.page.status).toBe(400);
  }
  const other = await memberAgain(keyhold, house, BOB);
  await other.goto(new URL('/end-session', keyhold.issuer));
  const xsrf = /name="xsrf" value="([^"]+)"/.exec(other.page.html)?.[1] ?? '';
  expect(xsrf).not.toBe('');
  await ada.post(`${keyhold.issuer}/end-session/confirm`, { xsrf, logout: 'yes' });
  expect(ada.page.status).toBe(400);
  await ada.post(`${keyhold.issuer}/sign-out`, {});
  expect(ada.page.status).toBe(403);
  expect((await eventsOf(keyhold.db, 'session.ended')).length).toBe(before);
  await expectNothingEnded();
});

test('"Stay signed in" only signs out of the app that asked', async () => {
  await ada.goto(house.endSessionUrl({ id_token_hint: atHouse.id_token ?? '' }));
  await ada.press('Stay signed in');
  expect(await isAlive(house, atHouse)).toBe(false);
  expect(await isAlive(shop, atShop)).toBe(true);
  await ada.goto(await shop.authorizationUrl({ prompt: 'none' }));
  expect(ada.page.url.searchParams.get('code')).toMatch(/^kh_ac_/);
});

test('a person signs out on the start page, of every app', async () => {
  await ada.goto(keyhold.origin);
  await ada.press('Sign out');
  if (ada.page.buttons.includes('Sign out')) await ada.press('Sign out');
  expect(ada.page.heading).toBe('You are signed out');
  await expectAllEnded();
});

test('somebody else who signs in beside a session leaves it as it was, and goes on to the app as themselves', async () => {
  /* What others of this file ended has been told by then, and what this one might end as well. */
  await jobsDone(keyhold.db);
  const told = house.logoutTokens.length;
  await ada.goto(await house.authorizationUrl({ prompt: 'login' }));
  await signIn(ada, BOB);
  expect(ada.page.heading).toBe('Back in the app');
  const bob = await house.exchange();
  expect(bob.claims()?.sub).not.toBe(atHouse.claims()?.sub);
  expect(await Promise.all([isAlive(house, atHouse), isAlive(shop, atShop), isAlive(house, bob)])).toEqual([
    true,
    true,
    true,
  ]);
  await jobsDone(keyhold.db);
  expect(house.logoutTokens).toHaveLength(told);
});
