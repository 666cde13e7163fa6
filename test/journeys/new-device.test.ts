import { afterAll, beforeAll, beforeEach, expect, test } from '@jest/globals';
import { jobsLeft, until } from '../support/jobs.js';
import { personAt } from '../support/journeys.js';
import { startKeyhold, type TestKeyhold } from '../support/keyhold.js';
import { accountOf } from '../support/ledger.js';
import { objectionIn } from '../support/mailbox.js';
import { signInBeside } from '../support/people.js';
import type { Person } from '../support/person.js';
import { eventsOf, newMember } from '../support/protocol.js';
import { openRelyingParty, type RelyingParty } from '../support/relying-party.js';
import { postStep, toRecoveryCredential } from '../support/steps.js';

// Whoever signs in in a browser that the account has not known is told of, everywhere, and may be sent away.

const PHONE = 'Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) Version/18.0 Safari/604.1';
const SUBJECT = /New sign-in/;

let keyhold: TestKeyhold;
let app: RelyingParty;
let email: string;
let accountId: string;
let home: Person;
let count = 0;

beforeAll(async () => {
  keyhold = await startKeyhold({ RATE_LIMITS: 'on', TRUSTED_PROXIES: '127.0.0.1/32' });
  app = await openRelyingParty(keyhold, { client_name: 'Photos', first_party: true });
});

afterAll(async () => {
  await app?.close();
  await keyhold?.close();
});

beforeEach(async () => {
  await keyhold.db('attempts').delete();
  email = `ada${++count}@example.test`;
  home = await newMember(keyhold, app, email);
  accountId = await accountOf(keyhold.db, email);
});

const settled = () => until(async () => (await jobsLeft(keyhold.db, 'tell-new-device')) === 0);
const told = async (address = email) => {
  await settled();
  await until(async () => (await jobsLeft(keyhold.db)) === 0);
  return home.newestMail(address, SUBJECT);
};
const times = async () =>
  (await eventsOf(keyhold.db, 'objection.begun')).filter(
    event => event.account_id === accountId && event.detail['about'] === 'new_device',
  ).length;

async function abroad(): Promise<Person> {
  const person = personAt(keyhold, { userAgent: PHONE, headers: { 'X-Forwarded-For': '193.0.6.139' } });
  await signInBeside(person, app, email);
  return person;
}

test('the first sign-in after signing up is nothing new, and neither is the next in that browser', async () => {
  await signInBeside(home, app, email);
  await signInBeside(home, app, email);
  expect(await told()).toBeUndefined();
});

test('every proven address is told of a new browser: device, country, app and time; never of the next time there', async () => {
  const second = `second-${email}`;
  const now = new Date();
  const row = { account_id: accountId, address: second, verified_at: now, is_primary: false, added_at: now };
  await keyhold.db('email_addresses').insert(row);
  const person = await abroad();
  const mail = await told();
  expect(mail?.subject).toBe('New sign-in to your Keyhold account');
  for (const word of ['Safari · iOS', 'Netherlands', 'Photos', '193.0.6.139'])
    expect(mail?.text).toContain(word);
  expect(await told(second)).toBeDefined();
  expect(await times()).toBe(1);
  await signInBeside(person, app, email);
  await told();
  expect(await times()).toBe(1);
});

test('a browser that is known to somebody else is new to this one', async () => {
  const other = `other${count}@example.test`;
  await newMember(keyhold, app, other);
  await signInBeside(home, app, other);
  expect(await told(other)).toBeDefined();
  expect(await told()).toBeUndefined();
});

const knownTo = (id: string) => keyhold.db('known_browsers').where({ account_id: id });

test('a browser that was known for ninety days and no more is new again, and the same device', async () => {
  await knownTo(accountId).update({ expires_at: new Date() });
  const [before] = await knownTo(accountId);
  await signInBeside(home, app, email);
  expect(await told()).toBeDefined();
  const { device, first_seen_at } = before;
  expect(await knownTo(accountId)).toMatchObject([{ device, first_seen_at }]);
  await signInBeside(home, app, email);
  await told();
  expect(await times()).toBe(1);
});

test('a sign-in gives the browser its new name for everybody who is known there, and changes nothing else for them', async () => {
  const other = `other${count}@example.test`;
  await newMember(keyhold, app, other);
  await signInBeside(home, app, other);
  const others = await accountOf(keyhold.db, other);
  const [mine] = await knownTo(accountId);
  const [theirs] = await knownTo(others).where({ browser: mine.browser });
  await signInBeside(home, app, other);
  const [after] = await knownTo(others).where({ device: theirs.device });
  expect(after.browser).not.toEqual(theirs.browser);
  expect(after.first_seen_at).toEqual(theirs.first_seen_at);
  expect(after.signed_in_at.getTime()).toBeGreaterThan(theirs.signed_in_at.getTime());
  expect(await knownTo(accountId)).toEqual([{ ...mine, browser: after.browser }]);
});

test('"this wasn\'t me" ends that session and all others, and freezes the account', async () => {
  const thief = await abroad();
  const mail = await told();
  const owner = personAt(keyhold);
  await owner.goto(objectionIn(mail ?? fail()));
  expect(owner.page.text).toContain('Safari · iOS');
  await owner.press("This wasn't me");
  expect((await keyhold.db('accounts').where({ id: accountId }).first('state'))?.state).toBe('frozen');
  expect(await keyhold.db('sessions').where({ account_id: accountId }).whereNull('ended_at')).toEqual([]);
  await thief.goto(new URL('/account', keyhold.origin));
  expect(thief.page.heading).toBe('Sign in');
});

const fail = (): never => {
  throw new Error('nobody was told');
};

test('of a recovery every address was told already', async () => {
  const person = personAt(keyhold, { userAgent: PHONE });
  await toRecoveryCredential(person, app, email);
  await postStep(person, '/recovery/password', { password: 'seven badgers rehearse muffled anthems' });
  expect(await told()).toBeUndefined();
});

test('ever new browsers fill no mailbox: after ten notices in a day the rest stands in the history', async () => {
  const digests = Array.from({ length: 10 }, (_, n) => ({ n }));
  for (const { n } of digests)
    await keyhold.db('objections').insert({
      account_id: accountId,
      digest: Buffer.from(`${email} ${n}`),
      about: 'new_device',
      asked_from: Buffer.alloc(1),
      created_at: new Date(Date.now() - n * 1_000),
      expires_at: new Date(Date.now() + 86_400_000),
    });
  await abroad();
  expect(await told()).toBeUndefined();
  await keyhold
    .db('objections')
    .where({ account_id: accountId })
    .update({ created_at: keyhold.db.raw(`created_at - interval '1 day'`) });
  await abroad();
  expect(await told()).toBeDefined();
});

test('a known browser costs no statement more, and an unknown one none either', async () => {
  const known = await keyhold.trips.during(() => signInBeside(home, app, email));
  const fresh = personAt(keyhold);
  const unknown = await keyhold.trips.during(() => signInBeside(fresh, app, email));
  expect(unknown.length).toBeLessThanOrEqual(known.length);
  await settled();
});
