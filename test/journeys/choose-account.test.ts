import { afterAll, beforeAll, beforeEach, expect, test } from '@jest/globals';
import { endSession } from '../../src/oidc/session.js';
import { openWork } from '../../src/platform/storage/work.js';
import { personAt, signIn, signUp } from '../support/journeys.js';
import { startKeyhold, type TestKeyhold } from '../support/keyhold.js';
import type { Person } from '../support/person.js';
import { openRelyingParty, type RelyingParty } from '../support/relying-party.js';
import { postStep, requestPath, toCredential } from '../support/steps.js';

const ADA = 'ada@example.test';
const BOB = 'bob@example.test';
const NOBODY = '019ac1d2-6f3c-7c1e-9d8a-2f6b8d7c1e55';

let keyhold: TestKeyhold;
let house: RelyingParty;
let person: Person;

beforeAll(async () => {
  keyhold = await startKeyhold();
  house = await openRelyingParty(keyhold, { first_party: true, client_name: 'The house' });
  await signUp(personAt(keyhold), house, ADA, 'Ada Lovelace');
  await signUp(personAt(keyhold), house, BOB);
});

afterAll(async () => {
  await house?.close();
  await keyhold?.close();
});

beforeEach(async () => {
  person = personAt(keyhold);
});

const ask = async (parameters: Record<string, string> = {}) =>
  person.goto(await house.authorizationUrl(parameters));
const who = async () => (await house.userInfo(await house.exchange())).email;
const live = () => keyhold.db('sessions').whereNull('ended_at').whereNotNull('account_id');

async function bothHere(): Promise<void> {
  await ask();
  await signIn(person, BOB);
  await ask({ prompt: 'login' });
  await signIn(person, ADA);
}

test('with several people here an app is told whom the person chose, and everybody stays', async () => {
  await bothHere();
  const before = await live().select('uid').orderBy('uid');
  for (const [button, email] of [
    [BOB, BOB],
    [`Ada Lovelace ${ADA}`, ADA],
  ] as const) {
    await ask();
    expect(person.page.heading).toBe('Choose an account');
    expect(person.page.text).toContain('to continue to The house');
    expect([...person.page.buttons].sort()).toEqual([`Ada Lovelace ${ADA}`, BOB]);
    await person.press(button);
    expect(person.page.heading).toBe('Back in the app');
    expect(await who()).toBe(email);
  }
  expect(await live().select('uid').orderBy('uid')).toEqual(before);
  expect(house.logoutTokens).toEqual([]);
});

test('one person here is not asked, unless the app wants them asked', async () => {
  await ask();
  await signIn(person, ADA);
  await ask();
  expect(person.page.heading).toBe('Back in the app');
  await ask({ prompt: 'select_account' });
  expect(person.page.buttons).toEqual([`Ada Lovelace ${ADA}`]);
  await person.press(`Ada Lovelace ${ADA}`);
  expect(await who()).toBe(ADA);
});

test('with nobody here there is nothing to choose from: sign in, or sign up', async () => {
  await ask({ prompt: 'select_account' });
  expect(person.page.heading).toBe('Sign in');
  expect(person.page.html).not.toContain('Choose from your accounts');
  await signIn(person, BOB);
  expect(await who()).toBe(BOB);

  person = personAt(keyhold);
  await ask({ prompt: 'select_account' });
  await person.follow('Create account');
  expect(person.page.heading).toBe('Create your account');
});

test('"Use another account" goes on with the same request, and comes back to the choice', async () => {
  await ask();
  await signIn(person, BOB);
  await ask({ prompt: 'select_account' });
  const path = requestPath(person);
  await person.follow('Use another account');
  expect(person.page.heading).toBe('Sign in');
  await person.follow('Choose from your accounts');
  expect(person.page.heading).toBe('Choose an account');
  await person.follow('Use another account');
  person.fill('Email', ADA);
  await person.press('Continue');
  await person.press('Change');
  expect(person.page.heading).toBe('Sign in');
  await person.follow('Choose from your accounts');
  expect(person.page.heading).toBe('Choose an account');
  await person.follow('Use another account');
  expect(requestPath(person)).toBe(path);
  await signIn(person, ADA);
  expect(person.page.heading).toBe('Back in the app');
  expect(await who()).toBe(ADA);
  await ask();
  expect([...person.page.buttons].sort()).toEqual([`Ada Lovelace ${ADA}`, BOB]);
});

test('somebody new signs up from the choice on', async () => {
  await bothHere();
  await ask();
  await person.follow('Use another account');
  await person.follow('Create account');
  expect(person.page.heading).toBe('Create your account');
  person.fill('Email', 'cleo@example.test');
  await person.press('Continue');
  expect(person.page.heading).toBe('Check your email');
});

test('only somebody who is signed in here can be chosen', async () => {
  await bothHere();
  const stranger = personAt(keyhold);
  await stranger.goto(await house.authorizationUrl({ prompt: 'create' }));
  await toCredential(stranger, house, 'dan@example.test');
  const [cleo] = await keyhold
    .db('accounts')
    .select('id')
    .whereNotIn('id', live().select('account_id'))
    .limit(1);
  await ask();
  for (const account of [NOBODY, String(cleo?.id ?? NOBODY), '', "' OR 1=1 --", 'x'.repeat(5_000)]) {
    const page = await postStep(person, '/choose', { account });
    expect([page.status, page.heading]).toEqual([400, 'Choose an account']);
    expect(page.alerts.join()).toContain('not signed in here any more');
  }
  await postStep(person, '/choose', {});
  expect(person.page.status).toBe(400);
});

test('a choice is taken at its own step only', async () => {
  await ask();
  const { status, heading } = await postStep(person, '/choose', { account: NOBODY });
  expect([status, heading]).toEqual([200, 'Sign in']);
});

test('who signed out in another tab is gone from the list; who is left goes on, nobody means sign in', async () => {
  await bothHere();
  await ask();
  const sessions = await live().select('uid', 'account_id');
  const here = person.page.html;
  const leave = async (email: string) => {
    const [row] = await keyhold
      .db('account_snapshots')
      .select('account_id')
      .whereRaw(`email ->> 'address' = ?`, [email]);
    for (const { uid, account_id } of sessions) {
      if (account_id !== row?.account_id || !here.includes(String(account_id))) continue;
      await openWork(keyhold.db, { kind: 'operator' }, work => endSession(work, String(uid), 'operator'));
    }
  };
  await leave(BOB);
  await person.press(BOB);
  expect(person.page.alerts.join()).toContain('not signed in here any more');
  expect(person.page.buttons).toEqual([`Ada Lovelace ${ADA}`]);
  await leave(ADA);
  await person.press(`Ada Lovelace ${ADA}`);
  expect(person.page.heading).toBe('Sign in');
  await signIn(person, ADA);
  expect(await who()).toBe(ADA);
});

test('a chosen person who must prove themselves again does so for the same request', async () => {
  await bothHere();
  await ask({ prompt: 'select_account login' });
  await person.press(BOB);
  expect(person.page.heading).toBe('Sign in');
  expect(person.page.html).toContain(`value="${BOB}"`);
  await signIn(person, BOB);
  expect(await who()).toBe(BOB);
  await ask({ max_age: '0' });
  await person.press(BOB);
  expect(person.page.heading).toBe('Sign in');
});

test('the choice speaks the language that is asked for', async () => {
  await bothHere();
  await ask({ ui_locales: 'de' });
  expect(person.page.heading).toBe('Konto wählen');
  await person.follow('English');
  expect(person.page.heading).toBe('Choose an account');
  await person.follow('Use another account');
  expect(person.page.heading).toBe('Sign in');
});

test('whoever leaves the choice is sent back with an error', async () => {
  await bothHere();
  await ask();
  await postStep(person, '/deny');
  expect(person.page.url.searchParams.get('error')).toBe('access_denied');
});
