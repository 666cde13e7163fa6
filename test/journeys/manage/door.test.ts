import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { personAt, signIn } from '../../support/journeys.js';
import { startKeyhold, type TestKeyhold } from '../../support/keyhold.js';
import { accountOf } from '../../support/ledger.js';
import { signInBeside } from '../../support/people.js';
import { newMember } from '../../support/protocol.js';
import { openRelyingParty, type RelyingParty } from '../../support/relying-party.js';

let keyhold: TestKeyhold;
let app: RelyingParty;

const ADA = 'ada@example.test';
const BOB = 'bob@example.test';
const account = () => new URL('/account', keyhold.origin);

beforeAll(async () => {
  keyhold = await startKeyhold();
  app = await openRelyingParty(keyhold);
  await newMember(keyhold, app, ADA);
  await newMember(keyhold, app, BOB);
});

afterAll(async () => {
  await app?.close();
  await keyhold?.close();
});

test('whoever is not signed in is asked by an ordinary request, and comes back to where they were', async () => {
  const person = personAt(keyhold);
  await person.goto(new URL('/account?x=1', keyhold.origin));
  expect(person.page.heading).toBe('Sign in');
  const request = person.trail.find(({ pathname }) => pathname === '/authorize');
  expect(request?.searchParams.get('client_id')).toBe('keyhold-account');
  expect(request?.searchParams.get('code_challenge_method')).toBe('S256');
  await signIn(person, ADA);
  expect(person.page.heading).toBe('Your account');
  expect(`${person.page.url.pathname}${person.page.url.search}`).toBe('/account?x=1');
  expect(person.page.text).toContain(ADA);
});

test('whoever is signed in alone is there at once', async () => {
  const person = personAt(keyhold);
  await signInBeside(person, app, ADA);
  await person.goto(account());
  expect([person.page.heading, person.trail.length]).toEqual(['Your account', 1]);
});

test('of several people nobody is taken for granted: they choose, and switch by choosing', async () => {
  const person = personAt(keyhold);
  await signInBeside(person, app, ADA);
  await signInBeside(person, app, BOB);
  await person.goto(account());
  expect(person.page.heading).toBe('Choose an account');
  await person.press(ADA);
  expect(person.page.text).toContain(ADA);
  expect(person.page.text).not.toContain(BOB);
  await person.follow('Switch person');
  await person.press(BOB);
  expect(person.page.heading).toBe('Your account');
  expect(person.page.text).toContain(BOB);
  expect(person.page.text).not.toContain(ADA);
});

test('times are told in the zone that a person has named', async () => {
  const person = personAt(keyhold);
  await signInBeside(person, app, ADA);
  expect((await person.goto(account())).text).toContain(' UTC ');
  await keyhold.db('profile_attributes').insert({
    account_id: await accountOf(keyhold.db, ADA),
    attribute: 'zoneinfo',
    value: JSON.stringify('Asia/Tokyo'),
    source: 'person',
    recorded_at: new Date(),
  });
  const { text } = await person.goto(account());
  expect(text).toContain('GMT+9');
  expect(text).not.toContain(' UTC ');
});

test('signing out on a page of the account signs that person out and leaves the other', async () => {
  const person = personAt(keyhold);
  await signInBeside(person, app, ADA);
  await signInBeside(person, app, BOB);
  await person.goto(account());
  await person.press(ADA);
  await person.press('Sign out');
  await person.goto(account());
  expect(person.page.heading).toBe('Your account');
  expect(person.page.text).toContain(BOB);
  expect(person.page.text).not.toContain(ADA);
});

test('an account with nothing set up twice is told what to see to, and where', async () => {
  const person = personAt(keyhold);
  await signInBeside(person, app, ADA);
  await person.goto(account());
  expect(person.page.text).toContain('You have no passkey yet');
  expect(person.page.text).toContain('Latest sign-ins');
  expect(person.page.text).toContain('Firefox · Linux');
  await person.follow('Add a passkey');
  expect(person.page.url.pathname).toBe('/account/sign-in/passkeys/new');
});

test('the start page leads to the account, and only whoever is signed in', async () => {
  const person = personAt(keyhold);
  await person.goto(keyhold.origin);
  expect(person.page.text).not.toContain('Your account');
  await signInBeside(person, app, ADA);
  await person.goto(keyhold.origin);
  await person.follow('Your account');
  expect(person.page.heading).toBe('Your account');
});

test('the pages of the account speak the language that was chosen, and keep where one is', async () => {
  const person = personAt(keyhold);
  await signInBeside(person, app, ADA);
  await person.goto(new URL('/account?x=1', keyhold.origin));
  await person.follow('العربية');
  expect([person.page.heading, person.page.url.searchParams.get('x')]).toEqual(['حسابك', '1']);
  expect(person.page.html).toContain('dir="rtl"');
});

test('the navigation says where one is, on the pages below a place too', async () => {
  const person = personAt(keyhold);
  await signInBeside(person, app, ADA);
  for (const [path, place] of [
    ['/account', 'Overview'],
    ['/account/contacts', 'Email and phone'],
    ['/account/contacts/add-email', 'Email and phone'],
  ]) {
    await person.goto(new URL(path ?? '', keyhold.origin));
    expect(person.page.html.match(/aria-current="page">([^<]+)/)?.[1]).toBe(place);
    expect(person.page.html.match(/aria-current="page"/g)).toHaveLength(1);
  }
});

test('signing in on these pages is in the history, and the pages are no app there', async () => {
  const person = personAt(keyhold);
  await person.goto(new URL('/account/history', keyhold.origin));
  await signIn(person, ADA);
  expect(person.page.text).toContain('Signed in with the password');
  expect(person.page.html).not.toContain('keyhold-account');
  const json = await person.goto(new URL('/account/history.json', keyhold.origin));
  expect(json.html).not.toContain('keyhold-account');
});
