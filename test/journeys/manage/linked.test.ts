import { afterAll, beforeAll, beforeEach, expect, test } from '@jest/globals';
import { jobsDone } from '../../support/jobs.js';
import { personAt, signIn, signUp } from '../../support/journeys.js';
import { startKeyhold, type TestKeyhold } from '../../support/keyhold.js';
import { accountOf } from '../../support/ledger.js';
import { bringTogether } from '../../support/merging.js';
import { signInBeside } from '../../support/people.js';
import type { Person } from '../../support/person.js';
import { openRelyingParty, type RelyingParty } from '../../support/relying-party.js';
import { continueWith, declareOpenid, openUpstream, type TestUpstream } from '../../support/upstream.js';

let keyhold: TestKeyhold;
let house: RelyingParty;
let acme: TestUpstream;
let hall: TestUpstream;
let count = 0;
let email: string;
let person: Person;

beforeAll(async () => {
  keyhold = await startKeyhold();
  house = await openRelyingParty(keyhold, { first_party: true });
  [acme, hall] = [await openUpstream(), await openUpstream()];
  await declareOpenid(keyhold, { id: 'acme', name: 'Acme', issuer: acme.issuer });
  await declareOpenid(keyhold, { id: 'hall', name: 'Hall', issuer: hall.issuer });
});

afterAll(async () => {
  await acme?.close();
  await hall?.close();
  await house?.close();
  await keyhold?.close();
});

beforeEach(async () => {
  count += 1;
  email = `ada${count}@example.test`;
  acme.says({ sub: `ada-${count}`, email: `ada${count}@acme.test`, email_verified: true, shoe: '38' });
  hall.says({ sub: `ada-${count}` });
  person = personAt(keyhold);
  await signUp(person, house, email);
  await toLinked();
});

const toLinked = () => person.goto(new URL('/account/linked', keyhold.origin));
const links = async () =>
  keyhold.db('federated_links').where({ account_id: await accountOf(keyhold.db, email) });

/* Before its pages were ever asked for, a provider's form leads back to the page once. */
async function add(name: string): Promise<void> {
  await person.press(`Add ${name}`);
  if (person.page.text.includes('One more time')) await person.press(`Add ${name}`);
}

async function byProvider(): Promise<Person> {
  const other = personAt(keyhold);
  await other.goto(await house.authorizationUrl());
  await continueWith(other, 'acme');
  return other;
}

const everySession = async () =>
  keyhold
    .db('sessions')
    .where({ account_id: await accountOf(keyhold.db, email) })
    .whereNull('ended_at');

test('an account elsewhere is added by signing in there, whatever its address, and signs its owner in from then on', async () => {
  await add('Acme');
  expect(person.page.text).toContain('It is added.');
  expect(person.page.text).toContain(`ada${count}@acme.test`);
  await jobsDone(keyhold.db);
  const mail = await person.newestMail(email, /Acme/);
  expect(mail?.text).toContain('/objection/');
  const other = await byProvider();
  expect(other.page.heading).toBe('Back in the app');
  expect((await house.exchange()).claims()?.sub).toBe(await accountOf(keyhold.db, email));
  await person.goto(new URL(`/account/linked/${(await links())[0].id}`, keyhold.origin));
  expect(person.page.text).toContain('shoe');
  expect(person.page.text).toContain('38');
});

test('taken away, it signs nobody in, and whoever came in by it is out; a password still lets its owner in', async () => {
  await add('Acme');
  await byProvider();
  const tokens = await house.exchange();
  await toLinked();
  await person.follow('Details: Acme');
  await person.press('Take Acme away');
  expect(person.page.text).toContain('It is taken away.');
  expect(await links()).toEqual([]);
  expect((await everySession()).filter(({ amr }) => amr?.includes('fed'))).toEqual([]);
  await expect(house.userInfo(tokens)).rejects.toThrow();
  const again = await byProvider();
  expect(again.page.heading).toBe('Create your account with Acme');
  await jobsDone(keyhold.db);
  expect((await person.newestMail(email, /no longer signs you in/))?.subject).toContain('Acme');
});

test('the last way in stays, and a link counts as one', async () => {
  await add('Acme');
  await person.goto(new URL('/account/sign-in/password', keyhold.origin));
  await person.press('Remove the password');
  expect(person.page.text).not.toContain('last way');
  const accountId = await accountOf(keyhold.db, email);
  expect(await keyhold.db('passwords').where({ account_id: accountId })).toEqual([]);
  const [link] = await links();
  await person.goto(new URL(`/account/linked/${link.id}`, keyhold.origin));
  expect(person.page.buttons).not.toContain('Take Acme away');
  const csrf = /name="csrf" value="([^"]+)"/.exec(person.page.html)?.[1] ?? '';
  await person.post(`/account/linked/${link.id}/remove`, { csrf, for: accountId });
  expect(person.page.status).toBe(409);
  expect(await links()).toHaveLength(1);
});

test('somebody elsewhere who is tied to one account is tied to no other, and the page says what to do', async () => {
  await add('Acme');
  const second = personAt(keyhold);
  await signUp(second, house, `other${count}@example.test`);
  await second.goto(new URL('/account/linked', keyhold.origin));
  await second.press('Add Acme');
  expect(second.page.text).toContain('I have another account');
  expect(await links()).toHaveLength(1);
});

test('C02: begun by one person, in one browser, for one provider, it is finished by no other', async () => {
  const away = personAt(keyhold, { away: [acme.issuer] });
  await away.goto(await house.authorizationUrl());
  await signIn(away, email);
  await away.goto(new URL('/account/linked', keyhold.origin));
  await away.press('Add Acme');
  const going = away.page.url.href;
  const trip = await personAt(keyhold).goto(going);
  expect(trip.status).toBeGreaterThanOrEqual(400);
  const [request] = await keyhold.db('federated_requests').orderBy('created_at', 'desc').limit(1);
  await keyhold
    .db('federated_requests')
    .where({ id: request.id })
    .update({ answered_at: new Date(), answer: request.notes });
  const second = personAt(keyhold);
  await signUp(second, house, `mallory${count}@example.test`);
  await second.goto(new URL(`/account/linked/back/${request.id}`, keyhold.origin));
  expect(second.page.text).toContain('begun in another browser');
  expect(await links()).toEqual([]);
  const mallory = await accountOf(keyhold.db, `mallory${count}@example.test`);
  expect(await keyhold.db('federated_links').where({ account_id: mallory })).toEqual([]);
});

test('C02: begun by one of two people in a browser, it is not finished as the other', async () => {
  const away = personAt(keyhold, { away: [acme.issuer] });
  const other = `beside${count}@example.test`;
  await signUp(personAt(keyhold), house, other);
  await away.goto(await house.authorizationUrl());
  await signIn(away, email);
  await away.goto(new URL('/account/linked', keyhold.origin));
  await away.press('Add Acme');
  if (away.page.text.includes('One more time')) await away.press('Add Acme');
  const answer = await fetch(away.page.url, { redirect: 'manual' });
  await signInBeside(away, house, other);
  await away.goto(new URL('/account/switch', keyhold.origin));
  await away.press(other);
  await away.goto(answer.headers.get('location') ?? '');
  expect(away.page.url.searchParams.get('done')).toBe('over');
  expect(away.page.text).toContain(other);
  const both = [await accountOf(keyhold.db, email), await accountOf(keyhold.db, other)];
  expect(await keyhold.db('federated_links').whereIn('account_id', both)).toEqual([]);
});

test('C03: a provider that is turned off on the way adds nothing', async () => {
  const away = personAt(keyhold, { away: [hall.issuer] });
  await away.goto(await house.authorizationUrl());
  await signIn(away, email);
  await away.goto(new URL('/account/linked', keyhold.origin));
  await away.press('Add Hall');
  if (away.page.text.includes('One more time')) await away.press('Add Hall');
  const going = away.page.url.href;
  await declareOpenid(keyhold, { id: 'hall', name: 'Hall', issuer: hall.issuer, state: 'disabled' });
  const answer = await fetch(going, { redirect: 'manual' });
  await away.goto(answer.headers.get('location') ?? '');
  expect(away.page.text).toContain('That did not work.');
  expect(await links()).toEqual([]);
});

test('an account elsewhere comes along when two accounts become one, and goes back', async () => {
  await add('Acme');
  const goes = await accountOf(keyhold.db, email);
  const main = `main${count}@example.test`;
  const mine = personAt(keyhold);
  await signUp(mine, house, main);
  const stays = await accountOf(keyhold.db, main);
  await mine.goto(new URL('/account', keyhold.origin));
  await bringTogether(keyhold, mine, email);
  await byProvider();
  expect((await house.exchange()).claims()?.sub).toBe(stays);
  await mine.goto(new URL('/account/merge', keyhold.origin));
  await mine.press('Take the two accounts apart');
  await byProvider();
  expect((await house.exchange()).claims()?.sub).toBe(goes);
});
