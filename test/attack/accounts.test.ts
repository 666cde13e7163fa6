import { afterAll, beforeAll, beforeEach, expect, test } from '@jest/globals';
import { fetch } from 'undici';
import { normaliseEmail } from '../../src/domain/accounts/accounts.js';
import { setPassword } from '../../src/domain/credentials/credentials.js';
import { openWork } from '../../src/platform/storage/work.js';
import { personAt, signIn } from '../support/journeys.js';
import { startKeyhold, type TestKeyhold } from '../support/keyhold.js';
import { accountOf, peopleOnRecord, recordedDuring } from '../support/ledger.js';
import { codeIn } from '../support/mailbox.js';
import type { Person } from '../support/person.js';
import { openRelyingParty, type RelyingParty } from '../support/relying-party.js';
import { memberOf, sendStep, signUpWithPasskey, toPassword } from '../support/steps.js';
import { GOOD_PASSWORD } from '../support/walk.js';

// A. Accounts: guessing, guessing through many doors, and locking the owner out.

let keyhold: TestKeyhold;
let house: RelyingParty;

beforeAll(async () => {
  keyhold = await startKeyhold({ RATE_LIMITS: 'on' });
  house = await openRelyingParty(keyhold, { first_party: true });
});

beforeEach(() => keyhold.db('attempts').delete());

afterAll(async () => {
  await house?.close();
  await keyhold?.close();
});

/* Many requests, on a machine that may be busy with something else. */
const PATIENCE = 120_000;
const WRONG = { password: 'a wrong one' };
const KNOWN = 'keyhold_known';

/** A member, at the browser that they signed up with. */
async function memberAtHome(email: string): Promise<Person> {
  const person = personAt(keyhold);
  await memberOf(keyhold, house, email);
  await person.goto(await house.authorizationUrl());
  await signIn(person, email);
  return person;
}

async function knock(person: Person, password: string): Promise<number> {
  return (await sendStep(person, '/password', { password })).status;
}

/** Takes a cookie from one browser to another. */
async function carry(from: Person, to: Person, change = (value: string) => value): Promise<void> {
  const value = (await from.cookies(keyhold.origin)).get(KNOWN) ?? '';
  await to.jar.setCookie(`${KNOWN}=${change(value)}; path=/`, keyhold.origin);
}

test(
  'C11: a hundred requests with five guesses each are ten guesses, and no session comes of them',
  async () => {
    const email = 'many@example.test';
    await memberOf(keyhold, house, email);
    const people = Array.from({ length: 100 }, () => personAt(keyhold));
    for (const person of people) await toPassword(person, house, email);
    const before = await peopleOnRecord(keyhold.db);
    const statuses: number[] = [];
    const events = await recordedDuring(keyhold.db, async () => {
      for (let guess = 0; guess < 5; guess++) {
        statuses.push(...(await Promise.all(people.map(person => knock(person, WRONG.password)))));
      }
    });
    const looked = events.filter(({ type }) => type === 'sign_in.failed');
    expect([statuses.length, looked.length]).toEqual([500, 10]);
    expect(statuses.filter(status => status === 400)).toHaveLength(10);
    expect(await peopleOnRecord(keyhold.db)).toBe(before);
  },
  PATIENCE,
);

test(
  'C12: after a thousand failures from elsewhere the owner signs in with the password at a browser of theirs',
  async () => {
    const email = 'owner@example.test';
    const home = await memberAtHome(email);
    const accountId = await accountOf(keyhold.db, email);
    const stranger = personAt(keyhold);
    await toPassword(stranger, house, email);
    for (let round = 0; round < 20; round++) {
      await Promise.all(Array.from({ length: 50 }, () => knock(stranger, WRONG.password)));
    }
    expect(await knock(stranger, GOOD_PASSWORD)).toBe(429);
    await home.goto(await house.authorizationUrl({ prompt: 'login' }));
    await signIn(home, email);
    expect(home.page.heading).toBe('Back in the app');
    const counted = await keyhold
      .db('attempts')
      .where('subject', 'like', 'password:%')
      .sum('count as n')
      .first();
    expect(Number(counted?.['n'])).toBeLessThanOrEqual(1_000);
    expect(await keyhold.db('known_browsers').where({ account_id: accountId })).not.toHaveLength(0);
  },
  PATIENCE,
);

test('C12: nor does a stranger use up the mails and codes of the owner', async () => {
  const email = 'mails@example.test';
  const home = await memberAtHome(email);
  const stranger = personAt(keyhold);
  await toPassword(stranger, house, email);
  for (let sent = 0; sent < 8; sent++) await sendStep(stranger, '/code/send', {});
  for (let wrong = 0; wrong < 25; wrong++) await sendStep(stranger, '/code', { code: '00000000' });
  expect((await sendStep(stranger, '/code/send', {})).status).toBe(429);
  const earlier = await home.latestMail(email);
  await home.goto(await house.authorizationUrl({ prompt: 'login' }));
  home.fill('Email', email);
  await home.press('Continue');
  await home.press('Email me a code');
  home.fill('Code', codeIn(await home.latestMail(email, earlier)));
  await home.press('Continue');
  expect(home.page.heading).toBe('Back in the app');
});

test('C12: a passkey signs in whatever was guessed before, and makes its browser a known one', async () => {
  const email = 'passkey@example.test';
  const home = personAt(keyhold);
  await signUpWithPasskey(home, house, keyhold.origin, email);
  const accountId = await accountOf(keyhold.db, email);
  expect(await keyhold.db('known_browsers').where({ account_id: accountId })).toHaveLength(1);
});

test('C24: the cookie of a known browser is nothing for another account, altered, or once it was renamed', async () => {
  const [mine, other] = ['mine@example.test', 'other@example.test'];
  const home = await memberAtHome(mine);
  await memberOf(keyhold, house, other);
  const lockOut = async (email: string) => {
    const stranger = personAt(keyhold);
    await toPassword(stranger, house, email);
    for (let wrong = 0; wrong < 11; wrong++) await knock(stranger, WRONG.password);
  };
  await lockOut(mine);
  await lockOut(other);
  const triedWith = async (email: string, change?: (value: string) => string) => {
    const browser = personAt(keyhold);
    await carry(home, browser, change);
    await toPassword(browser, house, email);
    return knock(browser, WRONG.password);
  };
  expect(await triedWith(mine)).toBe(400);
  expect(await triedWith(other)).toBe(429);
  expect(await triedWith(mine, value => `${value.startsWith('A') ? 'B' : 'A'}${value.slice(1)}`)).toBe(429);
  const former = (await home.cookies(keyhold.origin)).get(KNOWN) ?? '';
  await home.goto(await house.authorizationUrl({ prompt: 'login' }));
  await signIn(home, mine);
  await lockOut(mine);
  expect(await triedWith(mine, () => former)).toBe(429);
  expect(await triedWith(mine)).toBe(400);
});

test('C24: with the password every known browser is forgotten', async () => {
  const email = 'changed@example.test';
  const home = await memberAtHome(email);
  const account_id = await accountOf(keyhold.db, email);
  const [row] = await keyhold.db('passwords').where({ account_id }).select('hash');
  await openWork(keyhold.db, { kind: 'person' }, work => setPassword(work, account_id, row.hash));
  const stranger = personAt(keyhold);
  await toPassword(stranger, house, email);
  for (let wrong = 0; wrong < 11; wrong++) await knock(stranger, WRONG.password);
  await home.goto(await house.authorizationUrl({ prompt: 'login' }));
  home.fill('Email', email);
  await home.press('Continue');
  expect(await knock(home, GOOD_PASSWORD)).toBe(429);
});

test('C10: every spelling of an address is counted as one', async () => {
  const email = 'spelled@example.test';
  await memberOf(keyhold, house, email);
  const spellings = [email, 'SPELLED@example.test', ' spelled@EXAMPLE.test ', 'ｓｐｅｌｌｅｄ@example.test'];
  expect(new Set(spellings.map(normaliseEmail))).toEqual(new Set([email]));
  const statuses: number[] = [];
  for (let at = 0; at < 12; at++) {
    const person = personAt(keyhold);
    await toPassword(person, house, spellings[at % spellings.length] ?? email);
    statuses.push(await knock(person, WRONG.password));
  }
  expect(statuses.filter(status => status === 400)).toHaveLength(10);
});

test('R27: another process counts on where the first one stopped: a restart forgets nothing', async () => {
  const email = 'restart@example.test';
  await memberOf(keyhold, house, email);
  const stranger = personAt(keyhold);
  await toPassword(stranger, house, email);
  for (let wrong = 0; wrong < 11; wrong++) await knock(stranger, WRONG.password);
  const restarted = await startKeyhold({}, { beside: keyhold });
  const url = new URL(stranger.page.url);
  const body = new URLSearchParams({
    csrf: /name="csrf" value="([^"]+)"/.exec(stranger.page.html)?.[1] ?? '',
    password: GOOD_PASSWORD,
  });
  const answer = await fetch(`${url.origin}${url.pathname}/password`, {
    method: 'POST',
    redirect: 'manual',
    dispatcher: restarted.dispatcher,
    headers: { accept: 'text/html', cookie: await stranger.jar.getCookieString(url.href) },
    body,
  });
  await restarted.close();
  expect(answer.status).toBe(429);
});
