import { afterAll, beforeAll, expect, test } from '@jest/globals';
import pg from 'pg';
import { until } from '../support/jobs.js';
import { personAt } from '../support/journeys.js';
import { startKeyhold, type TestKeyhold } from '../support/keyhold.js';
import { accountOf } from '../support/ledger.js';
import { codeIn } from '../support/mailbox.js';
import type { Person } from '../support/person.js';
import { openRelyingParty, type RelyingParty } from '../support/relying-party.js';
import { CODE, memberOf, nextCodeMail, postStep } from '../support/steps.js';
import {
  continueWith,
  declareOpenid,
  openUpstream,
  type Said,
  type TestUpstream,
} from '../support/upstream.js';
import { GOOD_PASSWORD } from '../support/walk.js';

let keyhold: TestKeyhold;
let house: RelyingParty;
let upstream: TestUpstream;
let count = 0;

beforeAll(async () => {
  keyhold = await startKeyhold();
  await letUnprovedIn();
  house = await openRelyingParty(keyhold, { first_party: true });
  upstream = await openUpstream();
  await declareOpenid(keyhold, { id: 'acme', name: 'Acme', issuer: upstream.issuer });
  await declareOpenid(keyhold, {
    id: 'narrow',
    name: 'Narrow',
    issuer: upstream.issuer,
    mapping: { email_domains: ['elsewhere.test'] },
  });
});

afterAll(async () => {
  await upstream?.close();
  await house?.close();
  await keyhold?.close();
});

/* Here nobody has an account without a proved address; they may have come from a system where somebody did. */
async function letUnprovedIn(): Promise<void> {
  const client = new pg.Client({ connectionString: keyhold.config.migrationDatabaseUrl });
  await client.connect();
  await client.query('ALTER TABLE email_addresses DISABLE TRIGGER email_addresses__reachable');
  await client.end();
}

/** A member with a password, whose address is proved unless said otherwise. */
async function member(proved = true): Promise<string> {
  const email = `member${++count}@example.test`;
  await memberOf(keyhold, house, email);
  if (!proved) {
    await keyhold
      .db('email_addresses')
      .where({ account_id: await accountOf(keyhold.db, email) })
      .update({ verified_at: null });
  }
  return email;
}

const linksOf = async (email: string) =>
  keyhold
    .db('federated_links')
    .where({ account_id: await accountOf(keyhold.db, email) })
    .select('provider_id', 'subject', 'came_by');

/** Comes from a provider, which says that, and stands on the page that this leads to. */
async function comesFrom(said: Said, info: Readonly<Record<string, unknown>> = {}, id = 'acme') {
  upstream.says(said, info);
  const person = personAt(keyhold);
  await person.goto(await house.authorizationUrl());
  await continueWith(person, id);
  return person;
}

/** Signs in with the password, from whatever page of the request is open. */
async function signsIn(person: Person, email: string): Promise<void> {
  if (person.page.heading !== 'Enter your password') {
    await person.follow('Sign in');
    person.fill('Email', email);
    await person.press('Continue');
  }
  person.fill('Password', GOOD_PASSWORD);
  await person.press('Sign in');
  expect(person.page.heading).toBe('Back in the app');
}

const BOTH = [true, false];
const MATRIX = BOTH.flatMap(there => BOTH.flatMap(here => BOTH.map(signedIn => ({ there, here, signedIn }))));

test.each(MATRIX)(
  'C01: proved there $there, proved here $here, signed in here $signedIn: tied only with all three',
  async ({ there, here, signedIn }) => {
    const email = await member(here);
    const said = { sub: `matrix-${email}`, email, email_verified: there };
    const person = await comesFrom(said);
    expect(person.page.heading).toBe(there ? 'Enter your password' : 'Create your account');
    if (there) expect(person.page.text).toContain('You already have an account with this address.');
    if (signedIn) await signsIn(person, email);
    const tied = there && here && signedIn;
    const link = { provider_id: 'acme', subject: said.sub, came_by: 'proved' };
    expect(await linksOf(email)).toEqual(tied ? [link] : []);
    const again = await comesFrom(said);
    expect(again.page.heading === 'Back in the app').toBe(tied);
  },
);

test.each([
  ['as the word "true"', { email_verified: 'true' }, {}],
  ['as a number', { email_verified: 1 }, {}],
  ['nowhere', {}, {}],
  ['in UserInfo alone, of an address in the ID token', {}, { email_verified: true }],
])('C01: an address that is verified %s is not', async (_how, claims, info) => {
  const email = await member();
  const person = await comesFrom({ sub: `how-${email}`, email, ...claims }, { email, ...info });
  expect(person.page.heading).toBe('Create your account');
  expect(person.page.text).toContain('Acme did not confirm an email address of yours.');
  expect(person.page.text).not.toContain('You already have an account');
});

test('C01: an address and the word that it is verified may both come by UserInfo', async () => {
  const email = await member();
  const person = await comesFrom({ sub: `info-${email}` }, { email, email_verified: true });
  expect(person.page.heading).toBe('Enter your password');
});

test('C01: the word of a provider counts for the domains that its mapping names and no other', async () => {
  const email = await member();
  const person = await comesFrom({ sub: `narrow-${email}`, email, email_verified: true }, {}, 'narrow');
  expect(person.page.heading).toBe('Create your account');
  const theirs = { sub: 'narrow-1', email: 'ada@elsewhere.test', email_verified: true };
  expect((await comesFrom(theirs, {}, 'narrow')).page.heading).toBe('Create your account with Narrow');
});

test('C04: an address in another spelling is the same address', async () => {
  const email = await member();
  const spelled = ` ${email.toUpperCase().replace('MEMBER', 'ＭEMBER')} `;
  const person = await comesFrom({ sub: `spelled-${email}`, email: spelled, email_verified: true });
  expect(person.page.heading).toBe('Enter your password');
  await signsIn(person, email);
  expect(await linksOf(email)).toHaveLength(1);
});

test('C01, C09: who has an address that a provider did not confirm is not told, and proves it here as in any sign-up', async () => {
  const known = await member();
  const pages = await Promise.all(
    [known, `nobody${++count}@example.test`].map(async email => {
      const person = personAt(keyhold);
      await person.goto(await house.authorizationUrl());
      return { person, email };
    }),
  );
  const texts: string[] = [];
  for (const { person, email } of pages) {
    upstream.says({ sub: `unproved-${email}`, email });
    await continueWith(person, 'acme');
    await person.press('Continue');
    expect(person.page.heading).toBe('Check your email');
    texts.push(person.page.text.replaceAll(email, 'EMAIL'));
  }
  expect(texts[0]).toBe(texts[1]);
  const [, fresh] = pages;
  if (!fresh) throw new Error('nobody came');
  fresh.person.fill('Code', codeIn(await fresh.person.latestMail(fresh.email)));
  await fresh.person.press('Continue');
  expect(fresh.person.page.heading).toBe('Create your account with Acme');
  fresh.person.tick('I accept the terms');
  await fresh.person.press('Create account');
  expect(fresh.person.page.heading).toBe('Back in the app');
  expect(await linksOf(fresh.email)).toMatchObject([{ came_by: 'opened' }]);
});

test('C01: whoever signs in to another account than the one with the address ties nothing', async () => {
  const [mine, other] = [await member(), await member()];
  const person = await comesFrom({ sub: `other-${mine}`, email: mine, email_verified: true });
  await person.press('Change');
  person.fill('Email', other);
  await person.press('Continue');
  person.fill('Password', GOOD_PASSWORD);
  await person.press('Sign in');
  expect(person.page.heading).toBe('Back in the app');
  expect([await linksOf(mine), await linksOf(other)]).toEqual([[], []]);
});

test('C01: a password typed for another address on the page of a known one ties nothing to anybody', async () => {
  const [mine, other] = [await member(), await member()];
  const person = await comesFrom({ sub: `typed-${mine}`, email: mine, email_verified: true });
  await postStep(person, '/identifier', { email: other });
  person.fill('Password', GOOD_PASSWORD);
  await person.press('Sign in');
  expect(person.page.heading).toBe('Back in the app');
  expect([await linksOf(mine), await linksOf(other)]).toEqual([[], []]);
});

test('C01: the sign-in here may be by another provider that is tied already', async () => {
  const email = `two${++count}@example.test`;
  const person = await comesFrom({ sub: `first-${email}`, email, email_verified: true });
  person.tick('I accept the terms');
  await person.press('Create account');
  await declareOpenid(keyhold, { id: 'second', name: 'Second', issuer: upstream.issuer });
  const other = { sub: `second-${email}`, email, email_verified: true };
  const again = await comesFrom(other, {}, 'second');
  expect(again.page.heading).toBe('Enter your password');
  expect(again.page.buttons).not.toContain('Continue with Second');
  upstream.says({ sub: `first-${email}` });
  await continueWith(again, 'acme');
  expect(again.page.heading).toBe('Back in the app');
  expect(await linksOf(email)).toEqual(
    expect.arrayContaining([{ provider_id: 'second', subject: other.sub, came_by: 'proved' }]),
  );
  expect((await comesFrom(other, {}, 'second')).page.heading).toBe('Back in the app');
});

test('a link that is made is told to its owner, and "this wasn\'t me" takes it away', async () => {
  const email = await member();
  const said = { sub: `told-${email}`, email, email_verified: true };
  const person = await comesFrom(said);
  await signsIn(person, email);
  expect(await linksOf(email)).toHaveLength(1);
  const told = () => person.newestMail(email, /Acme can now sign you in/);
  await until(async () => (await told()) !== undefined);
  const url = /http\S+\/objection\/[\w-]{43}/.exec((await told())?.text ?? '')?.[0] ?? '';
  await person.goto(url);
  expect(person.page.text).toContain('The new way in is removed.');
  await person.press("This wasn't me");
  expect(await linksOf(email)).toEqual([]);
  expect((await comesFrom(said)).page.heading).not.toBe('Back in the app');
});

/** Somebody who opened an account with an address that is not theirs, and is signed in to it. */
async function squatter(): Promise<{ readonly email: string; readonly person: Person }> {
  const email = await member(false);
  const person = personAt(keyhold);
  await person.goto(await house.authorizationUrl());
  person.fill('Email', email);
  await person.press('Continue');
  person.fill('Password', GOOD_PASSWORD);
  await person.press('Sign in');
  expect(person.page.heading).toBe('Back in the app');
  return { email, person };
}

async function nothingIsLeftOf(email: string, person: Person): Promise<void> {
  const account_id = await accountOf(keyhold.db, email);
  const sessions = await keyhold.db('sessions').where({ account_id }).select('ended_reason');
  expect(sessions.filter(({ ended_reason }) => ended_reason === null).length).toBeLessThanOrEqual(1);
  expect(sessions).toContainEqual({ ended_reason: 'account-changed' });
  await person.goto(await house.authorizationUrl());
  expect(person.page.heading).toBe('Sign in');
  person.fill('Email', email);
  await person.press('Continue');
  person.fill('Password', GOOD_PASSWORD);
  await person.press('Sign in');
  expect(person.page.status).toBe(400);
}

test('C01: whoever registered with my address first has neither password nor session once I prove it, by a code', async () => {
  const { email, person: mallory } = await squatter();
  const ada = await comesFrom({ sub: `mine-${email}`, email, email_verified: true });
  const before = await ada.newestMail(email, CODE);
  await ada.press('Email me a code');
  ada.fill('Code', codeIn(await nextCodeMail(ada, email, before)));
  await ada.press('Continue');
  expect(ada.page.heading).toBe('Back in the app');
  expect(await linksOf(email)).toMatchObject([{ came_by: 'proved' }]);
  await nothingIsLeftOf(email, mallory);
});

test('C01: and by recovering the account', async () => {
  const { email, person: mallory } = await squatter();
  const ada = await comesFrom({ sub: `back-${email}`, email, email_verified: true });
  const before = await ada.newestMail(email, CODE);
  await ada.press('Forgot password?');
  ada.fill('Code', codeIn(await nextCodeMail(ada, email, before)));
  await ada.press('Continue');
  expect(ada.page.heading).toBe('Choose how you sign in');
  ada.fill('New password', 'eleven walruses polish quiet trombones');
  await ada.press('Set the new password');
  expect(ada.page.heading).toBe('Back in the app');
  expect(await linksOf(email)).toHaveLength(1);
  await nothingIsLeftOf(email, mallory);
});
