import { afterAll, beforeAll, beforeEach, expect, test } from '@jest/globals';
import { decodeJwt } from 'jose';
import { startKeyhold, type TestKeyhold } from '../support/keyhold.js';
import { browserOf, silently, subjectIn } from '../support/people.js';
import type { Person } from '../support/person.js';
import { newMember } from '../support/protocol.js';
import { openRelyingParty, type RelyingParty, type Tokens } from '../support/relying-party.js';

const ADA = 'ada@example.test';
const BOB = 'bob@example.test';
const CODE = { code: expect.stringMatching(/^kh_ac_/) };
const GONE = { error: 'login_required' };

let keyhold: TestKeyhold;
let house: RelyingParty;
/** A browser in which Bob and Ada are signed in, with what the app got for each. */
let person: Person;
let tokens: Readonly<Record<string, Tokens>>;

beforeAll(async () => {
  keyhold = await startKeyhold();
  house = await openRelyingParty(keyhold, { first_party: true, client_name: 'House' });
  for (const email of [ADA, BOB]) await newMember(keyhold, house, email);
});

afterAll(async () => {
  await house?.close();
  await keyhold?.close();
});

beforeEach(async () => {
  person = await browserOf(keyhold, house, [BOB]);
  const ofBob = await house.exchange();
  await browserOf(keyhold, house, [ADA], person);
  tokens = { [BOB]: ofBob, [ADA]: await house.exchange() };
});

const hint = (email: string) => ({ id_token_hint: tokens[email]?.id_token ?? '' });
const back = () => ({
  post_logout_redirect_uri: `${new URL(house.redirectUri).origin}/signed-out`,
  state: 'a & b',
});
const isAlive = async (email: string) => (await house.introspect(tokens[email]?.access_token ?? '')).active;
const leave = (parameters: Record<string, string>) => person.goto(house.endSessionUrl(parameters));
const subjectOf = (email: string) => subjectIn(tokens[email]?.id_token);

/** Everything of theirs has ended, and their app was told about that session alone. */
async function expectGone(email: string): Promise<void> {
  expect(await isAlive(email)).toBe(false);
  expect(await silently(person, house, hint(email))).toMatchObject(GONE);
  const told = decodeJwt(await house.nextLogoutToken());
  expect(told).toMatchObject({ sub: subjectOf(email), sid: tokens[email]?.claims()?.['sid'] });
}

async function expectHere(email: string): Promise<void> {
  expect(await isAlive(email)).toBe(true);
  expect(await silently(person, house, hint(email))).toMatchObject(CODE);
}

test('an app that does not say who asks: one is chosen, the other stays, the app gets its answer', async () => {
  await leave(back());
  expect(person.page.heading).toBe('Who shall be signed out?');
  expect(person.page.text).toContain('Asked for by House');
  expect([...person.page.buttons].sort()).toEqual(['Sign out everyone', ADA, BOB]);
  await expectHere(ADA);
  await expectHere(BOB);
  await leave(back());
  await person.press(ADA);
  expect(person.page.heading).toBe('Sign out?');
  expect(person.page.text).toContain(ADA);
  expect(person.page.url.searchParams.get('state')).toBe('a & b');
  expect(person.page.url.href).not.toContain('csrf');
  expect(decodeURIComponent(person.page.url.href)).not.toContain(ADA);
  await person.press('Sign out');
  expect(person.page.heading).toBe('Signed out of the app');
  expect(person.page.url.searchParams.get('state')).toBe('a & b');
  await expectGone(ADA);
  await expectHere(BOB);
});

test('the question speaks the language that is asked for, and the request goes on with it', async () => {
  await leave(back());
  await person.follow('Deutsch');
  expect(person.page.heading).toBe('Wer soll abgemeldet werden?');
  await person.follow('English');
  await person.follow('Deutsch');
  await person.press(ADA);
  expect(person.page.heading).toBe('Abmelden?');
  await person.press('Abmelden');
  expect(person.page.heading).toBe('Signed out of the app');
  await expectGone(ADA);
});

test('or everyone is signed out at once, and the app gets its answer', async () => {
  await leave(back());
  await person.press('Sign out everyone');
  if (person.page.heading === '') await person.press('Continue');
  expect(person.page.heading).toBe('Signed out of the app');
  expect(person.page.url.searchParams.get('state')).toBe('a & b');
  const told = [await house.nextLogoutToken(), await house.nextLogoutToken()].map(
    token => decodeJwt(token).sub,
  );
  expect(told.sort()).toEqual([subjectOf(ADA), subjectOf(BOB)].sort());
  expect([await isAlive(ADA), await isAlive(BOB)]).toEqual([false, false]);
});

test('without an app it is asked just so, and staying ends nobody', async () => {
  await person.goto(`${keyhold.origin}/end-session`);
  expect(person.page.heading).toBe('Who shall be signed out?');
  await person.follow('Stay signed in');
  expect(person.page.heading).toBe('Several accounts are signed in');
  await expectHere(ADA);
  await expectHere(BOB);
});

test.each([
  ['an ID token', () => ({ ...hint(BOB), ...back() })],
  ['an address', () => ({ logout_hint: BOB, ...back() })],
  ['a subject', () => ({ logout_hint: subjectOf(BOB), ...back() })],
])('who is named by %s is signed out alone', async (_name, parameters) => {
  await leave(parameters());
  expect(person.page.heading).toBe('Sign out?');
  expect(person.page.text).toContain(BOB);
  expect(person.page.text).not.toContain(ADA);
  await person.press('Sign out');
  expect(person.page.heading).toBe('Signed out of the app');
  await expectGone(BOB);
  await expectHere(ADA);
});

test('a hint about somebody who is signed out already ends nobody and goes back to the app', async () => {
  await leave({ ...hint(BOB), ...back() });
  await person.press('Sign out');
  await expectGone(BOB);
  await leave({ ...hint(BOB), ...back() });
  if (person.page.heading === '') await person.press('Continue');
  expect(person.page.heading).toBe('Signed out of the app');
  await expectHere(ADA);
});

test('the page ends whom it shows, whoever came and went in other tabs meanwhile', async () => {
  await leave({ ...hint(ADA), ...back() });
  expect(person.page.text).toContain(ADA);
  for (let round = 0; round < 3; round++) await expectHere(BOB);
  await expectHere(ADA);
  await person.press('Sign out');
  expect(person.page.heading).toBe('Signed out of the app');
  await expectGone(ADA);
  await expectHere(BOB);
});

test('an unregistered address to go back to is refused, whoever is chosen', async () => {
  await leave({ post_logout_redirect_uri: 'https://evil.test/' });
  await person.press(ADA);
  expect([person.page.status, person.page.heading]).toEqual([400, 'Request error']);
  await expectHere(ADA);
});

test('the start page shows everybody and signs each out, or all', async () => {
  await person.goto(keyhold.origin);
  expect(person.page.heading).toBe('Several accounts are signed in');
  expect([...person.page.buttons].sort()).toEqual(
    ['Sign out everyone', `Sign out ${ADA}`, `Sign out ${BOB}`].sort(),
  );
  await person.press(`Sign out ${ADA}`);
  expect([person.page.url.pathname, person.page.heading]).toEqual(['/', 'You are signed in']);
  expect(person.page.text).toContain(BOB);
  expect(person.page.text).not.toContain(ADA);
  await expectGone(ADA);
  await expectHere(BOB);

  await browserOf(keyhold, house, [ADA], person);
  tokens = { ...tokens, [ADA]: await house.exchange() };
  await person.goto(`${keyhold.origin}/sign-out`);
  expect(person.page.url.pathname).toBe('/');
  await person.press('Sign out everyone');
  expect(person.page.heading).toBe('You are signed out');
  expect([await isAlive(ADA), await isAlive(BOB)]).toEqual([false, false]);
  await Promise.all([house.nextLogoutToken(), house.nextLogoutToken()]);
  await person.goto(keyhold.origin);
  expect(person.page.heading).toBe('Nobody is signed in');
});

test('nobody who is not here can be signed out, and no form of another browser does it', async () => {
  const stranger = await browserOf(keyhold, house, [ADA]);
  const theirs = await house.exchange();
  await person.goto(keyhold.origin);
  const csrf = /name="csrf" value="([^"]+)"/.exec(person.page.html)?.[1] ?? '';
  for (const account of ['019ac1d2-6f3c-7c1e-9d8a-2f6b8d7c1e55', '', 'x']) {
    await person.post(`${keyhold.origin}/sign-out`, { csrf, account });
    expect(person.page.heading).toBe('Several accounts are signed in');
  }
  await stranger.post(`${keyhold.origin}/sign-out`, { csrf });
  expect(stranger.page.status).toBe(403);
  await person.post(`${keyhold.origin}/sign-out`, { account: subjectOf(ADA) });
  expect(person.page.status).toBe(403);
  await expectHere(ADA);
  await expectHere(BOB);
  await person.goto(keyhold.origin);
  await person.press('Sign out everyone');
  await Promise.all([house.nextLogoutToken(), house.nextLogoutToken()]);
  expect((await house.introspect(theirs.access_token)).active).toBe(true);
});
