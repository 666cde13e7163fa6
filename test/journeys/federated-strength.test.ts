import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { readAppMetadata } from '../../src/saml/app-metadata.js';
import { appCode, forgetPeriods, type SetUp, setUpApp } from '../support/authenticator-app.js';
import { personAt, signIn } from '../support/journeys.js';
import { startKeyhold, type TestKeyhold } from '../support/keyhold.js';
import { accountOf } from '../support/ledger.js';
import type { Person } from '../support/person.js';
import { openRelyingParty, type RelyingParty } from '../support/relying-party.js';
import { chooseApp } from '../support/step-up.js';
import { memberOf } from '../support/steps.js';
import {
  continueWith,
  declareOpenid,
  declareProvider,
  openUpstream,
  type TestUpstream,
  untilOffered,
} from '../support/upstream.js';

let keyhold: TestKeyhold;
/** A second Keyhold, which this one sends people to. */
let school: TestKeyhold;
let house: RelyingParty;
let strict: RelyingParty;
let acme: TestUpstream;
let ada: SetUp;

const ADA = 'ada@example.test';
const STRONG = 'urn:example:strong';

beforeAll(async () => {
  [keyhold, school] = await Promise.all([startKeyhold(), startKeyhold()]);
  house = await openRelyingParty(keyhold, { first_party: true });
  strict = await openRelyingParty(keyhold, { first_party: true, minimum_acr: 'aal2' });
  acme = await openUpstream();
  await declareOpenid(keyhold, {
    id: 'acme',
    name: 'Acme',
    issuer: acme.issuer,
    mapping: { acr: { [STRONG]: 'aal2' }, amr: ['hwk'] },
  });
  await declareSchool();
  const person = await comes(house, { sub: 'ada', email: ADA, email_verified: true });
  await opens(person);
  ada = await setUpApp(keyhold, person);
});

afterAll(async () => {
  await Promise.all([house?.close(), strict?.close(), acme?.close()]);
  await Promise.all([keyhold?.close(), school?.close()]);
});

async function declareSchool(): Promise<void> {
  const client = await school.registerClient({
    client_name: 'Here',
    redirect_uris: [`${keyhold.origin}/federation/school/callback`],
    grant_types: ['authorization_code'],
    development: true,
    first_party: true,
  });
  await declareProvider(keyhold, {
    id: 'school',
    name: 'School',
    settings: { issuer: school.issuer, client_id: client.client_id },
    secrets: { client_secret: client.client_secret },
  });
}

type Said = Parameters<TestUpstream['says']>[0];

/** Comes from Acme, which says that, to an app. */
async function comes(app: RelyingParty, said: Said, wishes: Readonly<Record<string, string>> = {}) {
  acme.says(said);
  const person = personAt(keyhold);
  await person.goto(await app.authorizationUrl(wishes));
  await continueWith(person, 'acme');
  return person;
}

async function opens(person: Person): Promise<void> {
  person.tick('I accept the terms');
  await person.press('Create account');
}

const claims = async (app = house) => (await app.exchange()).claims();

test('C13: a second step of the account is asked for, and counts beside what they brought', async () => {
  await forgetPeriods(keyhold);
  const person = await comes(house, { sub: 'ada' });
  expect(person.page.heading).toBe('One more step');
  person.fill('Code', appCode(ada.secret));
  await person.press('Continue');
  expect(person.page.heading).toBe('Back in the app');
  expect(await claims()).toMatchObject({ acr: 'aal2', amr: ['fed', 'otp', 'mfa'] });
});

test('C01: what a provider says is taken once its person is in, and not from whoever has no second step', async () => {
  await forgetPeriods(keyhold);
  const accountId = await accountOf(keyhold.db, ADA);
  const taken = async () =>
    (await keyhold.db('events').where({ account_id: accountId, type: 'federated_link.used' })).length;
  const before = await taken();
  const person = await comes(house, { sub: 'ada' });
  expect(person.page.heading).toBe('One more step');
  expect(await taken()).toBe(before);
  person.fill('Code', appCode(ada.secret));
  await person.press('Continue');
  expect(person.page.heading).toBe('Back in the app');
  expect(await taken()).toBe(before + 1);
});

test('C16: the strength that a provider sends counts as its mapping says, with the methods that it names', async () => {
  const person = await comes(house, { sub: 'ada', acr: STRONG, amr: ['hwk', 'pwd'] });
  expect(person.page.heading).toBe('Back in the app');
  expect(await claims()).toMatchObject({ acr: 'aal2', amr: ['fed', 'hwk'] });
});

test.each(['phr', 'aal2', 'urn:example:other', '__proto__', 'constructor', ''])(
  'C16: %j that the mapping does not name counts as nothing',
  async acr => {
    const person = await comes(house, { sub: 'ada', acr, amr: ['hwk'] });
    expect(person.page.heading).toBe('One more step');
  },
);

test('C16: nor does one that is no word', async () => {
  expect((await comes(house, { sub: 'ada', acr: [STRONG] })).page.heading).toBe('One more step');
});

test('C13: an app that demands a second step has one set up by whoever opens an account with what they bring', async () => {
  const email = 'new@example.test';
  const person = await comes(strict, { sub: 'new', email, email_verified: true });
  const asked = person.trail.find(({ origin }) => origin === acme.issuer);
  expect(asked?.searchParams.get('acr_values')).toBe(STRONG);
  await opens(person);
  expect(person.page.heading).toBe('Set up a second step');
  await chooseApp(person);
  await person.press('I have kept them');
  expect(person.page.heading).toBe('Back in the app');
  expect(await claims(strict)).toMatchObject({ acr: 'aal2', amr: ['fed', 'otp', 'mfa'] });
  const methods = await keyhold
    .db('passwords')
    .where({ account_id: await accountOf(keyhold.db, email) })
    .select();
  expect(methods).toEqual([]);
});

const now = () => Math.floor(Date.now() / 1000);

test.each([{ prompt: 'login' }, { max_age: '0' }])(
  'C16: who has to sign in anew (%j) does so there, or is not let in',
  async wishes => {
    const said = { sub: 'fresh', email: 'fresh@example.test', email_verified: true };
    const stale = await comes(house, said, wishes);
    expect([stale.page.status, stale.page.heading]).toEqual([403, 'This did not work']);
    expect(stale.page.text).toContain('You have to sign in anew for this');
    const fresh = await comes(house, { ...said, auth_time: now() }, wishes);
    expect(['Create your account with Acme', 'Back in the app']).toContain(fresh.page.heading);
    const there = fresh.trail.find(({ origin }) => origin === acme.issuer);
    expect(there?.searchParams.get('max_age')).toBe('0');
    expect(there?.searchParams.get('prompt')).toBe('login');
    if (fresh.page.heading !== 'Back in the app') await opens(fresh);
    expect(fresh.page.heading).toBe('Back in the app');
  },
);

test('C16: a session at a provider is no fresh sign-in: what matters takes one, there or here', async () => {
  const SENSITIVE = new URL('/account/sign-in/passkeys/new', keyhold.origin);
  const said = { sub: 'lately', email: 'lately@example.test', email_verified: true };
  await opens(await comes(house, said));
  for (const auth_time of [undefined, now() - 86_400]) {
    const person = await comes(house, { ...said, auth_time });
    expect(person.page.heading).toBe('Back in the app');
    const told = Number((await claims())?.['auth_time']);
    expect(now() - told).toBeGreaterThan(300);
    await person.goto(SENSITIVE);
    expect(person.page.url.pathname).toMatch('/interaction/');
  }
  const person = await comes(house, { ...said, auth_time: now() });
  await person.goto(SENSITIVE);
  expect(person.page.url.pathname).toBe(SENSITIVE.pathname);
});

test('C16: a session at a provider sets up no second factor where an account has none: its owner signs in there anew', async () => {
  const said = { sub: 'found', email: 'found@example.test', email_verified: true };
  await opens(await comes(house, said));
  const person = await comes(strict, said);
  expect(person.page.heading).toBe('Sign in');
  expect(person.page.text).toContain('sign in again');
  await continueWith(person, 'acme');
  expect([person.page.status, person.page.heading]).toEqual([403, 'This did not work']);
  const owner = await comes(strict, said);
  acme.says({ ...said, auth_time: now() });
  await continueWith(owner, 'acme');
  expect(owner.page.heading).toBe('Set up a second step');
});

test.each(['disabled', 'changed'])(
  'C03: a provider that is %s between the first step and the second signs nobody in',
  async change => {
    await forgetPeriods(keyhold);
    const declared = {
      id: 'acme',
      name: 'Acme',
      issuer: acme.issuer,
      mapping: {
        acr: { [STRONG]: 'aal2' },
        amr: ['hwk'],
        attributes: { nickname: { from: 'nickname', wins: 'always' } },
      },
    };
    const person = await comes(house, { sub: 'ada' });
    expect(person.page.heading).toBe('One more step');
    const other = change === 'disabled' ? { state: 'disabled' } : { name: 'Acme Inc.' };
    await declareOpenid(keyhold, { ...declared, ...other });
    person.fill('Code', appCode(ada.secret));
    await person.press('Continue');
    expect(person.page.heading).toBe('Sign in');
    expect(person.page.url.origin).toBe(keyhold.origin);
    await declareOpenid(keyhold, declared);
  },
);

test('somebody comes from another Keyhold, opens an account, and comes again', async () => {
  const email = 'pupil@example.test';
  const portal = await openRelyingParty(school, { first_party: true });
  await memberOf(school, portal, email);
  await portal.close();
  const person = personAt(keyhold);
  await person.goto(await house.authorizationUrl());
  await continueWith(person, 'school');
  expect(person.page.url.origin).toBe(school.origin);
  await signIn(person, email);
  expect(person.page.heading).toBe('Create your account with School');
  expect(person.page.text).toContain(email);
  await opens(person);
  const first = await claims();
  const again = personAt(keyhold);
  await again.goto(await house.authorizationUrl({ max_age: '0' }));
  await continueWith(again, 'school');
  await signIn(again, email);
  expect(again.page.heading).toBe('Back in the app');
  expect((await claims())?.sub).toBe(first?.sub);
});

test('somebody comes from another Keyhold by SAML, encrypted, and is led by it on the way out', async () => {
  const email = 'tutor@example.test';
  const portal = await openRelyingParty(school, { first_party: true });
  await memberOf(school, portal, email);
  await portal.close();
  await declareProvider(keyhold, {
    id: 'college',
    name: 'College',
    kind: 'saml',
    secrets: {},
    settings: { metadata_url: `${school.origin}/saml/metadata`, must_encrypt: true },
    mapping: { email_domains: ['example.test'] },
  });
  const ours = await (await fetch(`${keyhold.origin}/federation/college/metadata`)).text();
  await school.registerClient({
    client_name: 'Here',
    first_party: true,
    purposes: ['account'],
    required_claims: ['email'],
    saml: readAppMetadata(ours),
  });
  const person = personAt(keyhold);
  await untilOffered(person, house, 'College');
  await continueWith(person, 'college');
  expect(person.page.heading).toBe('On to College');
  await person.follow('Continue with College');
  await signIn(person, email);
  await person.press('Continue');
  expect(person.page.heading).toBe('Create your account with College');
  expect(person.page.text).toContain(email);
  await opens(person);
  const living = () => keyhold.db('sessions').whereNull('ended_at').pluck('uid');
  const before = (await living()).length;
  const { id_token = '' } = await house.exchange();
  await person.goto(house.endSessionUrl({ id_token_hint: id_token }));
  await person.press('Sign out');
  /* Which of them a cookie is of, localhost does not tell: the other one looks for somebody who is not there, and says so. */
  expect(person.page.url.origin).toBe(school.origin);
  await person.follow('Continue');
  expect(person.page.heading).toBe('You are signed out');
  expect(person.page.url.origin).toBe(keyhold.origin);
  expect((await living()).length).toBe(before - 1);
});

test('whoever does not let the other Keyhold tell who they are is led back, and may choose another way', async () => {
  const person = personAt(keyhold);
  await person.goto(await house.authorizationUrl());
  await continueWith(person, 'school');
  await person.post(new URL(`${person.page.url.pathname}/deny`, school.origin), {
    csrf: /name="csrf" value="([^"]+)"/.exec(person.page.html)?.[1] ?? '',
  });
  expect([person.page.status, person.page.heading]).toEqual([403, 'This did not work']);
  expect(person.page.text).toContain('School did not let you in, or you stopped there.');
  await person.follow('Other ways to sign in');
  expect(person.page.heading).toBe('Sign in');
});

test('an account that was put away comes back by a code to its address', async () => {
  const email = 'away@example.test';
  const said = { sub: 'away', email, email_verified: true };
  await opens(await comes(house, said));
  await keyhold
    .db('accounts')
    .where({ id: await accountOf(keyhold.db, email) })
    .update({ state: 'archived' });
  const person = await comes(house, said);
  expect(person.page.heading).toBe('Check your email');
});
