import { afterAll, beforeAll, beforeEach, expect, test } from '@jest/globals';
import { personAt } from '../support/journeys.js';
import { startKeyhold, type TestKeyhold } from '../support/keyhold.js';
import { accountOf } from '../support/ledger.js';
import { objectionIn, type ReceivedMail } from '../support/mailbox.js';
import { openRelyingParty, type RelyingParty } from '../support/relying-party.js';
import { memberOf, postStep, toRecoveryCredential } from '../support/steps.js';

// Whatever is done about an account, its owner is told everywhere, each mailbox with a link of its own.

let keyhold: TestKeyhold;
let house: RelyingParty;
let email: string;
let accountId: string;
let count = 0;
const NEW_PASSWORD = 'seven badgers rehearse muffled anthems';

beforeAll(async () => {
  keyhold = await startKeyhold({ TRUSTED_PROXIES: '127.0.0.1/32' });
  house = await openRelyingParty(keyhold, { first_party: true });
});

beforeEach(async () => {
  email = `ada${++count}@example.test`;
  await memberOf(keyhold, house, email);
  accountId = await accountOf(keyhold.db, email);
});

afterAll(async () => {
  await house?.close();
  await keyhold?.close();
});

async function alsoReadsAt(address: string, proven: boolean): Promise<string> {
  const now = new Date();
  const row = { account_id: accountId, address, verified_at: proven ? now : null, is_primary: false };
  await keyhold.db('email_addresses').insert({ ...row, added_at: now });
  return address;
}

/** The account is recovered by a browser at some address in the internet. */
async function recovered(from = '203.0.113.9'): Promise<ReceivedMail> {
  const person = personAt(keyhold, { headers: { 'X-Forwarded-For': from } });
  await toRecoveryCredential(person, house, email);
  const earlier = await keyhold.mailbox.latest(email);
  await postStep(person, '/recovery/password', { password: NEW_PASSWORD });
  return keyhold.mailbox.latest(email, earlier);
}

const object = async (notice: ReceivedMail) => {
  const person = personAt(keyhold);
  await person.goto(objectionIn(notice));
  await person.press("This wasn't me");
  return person;
};

test('every proven address is told, each with a link of its own; one that is not proven is not', async () => {
  const second = await alsoReadsAt(`second-${email}`, true);
  const unproven = await alsoReadsAt(`third-${email}`, false);
  const notice = await recovered();
  const other = await keyhold.mailbox.latest(second);
  expect([notice.subject, other.subject]).toEqual(Array(2).fill('Your Keyhold password was changed'));
  expect(objectionIn(other)).not.toBe(objectionIn(notice));
  expect(await keyhold.db('objections').where({ account_id: accountId })).toHaveLength(2);
  const began = await keyhold.db('events').where({ account_id: accountId, type: 'objection.begun' });
  expect(began.map(({ detail }) => detail)).toEqual([{ about: 'recovered_with_password' }]);
  expect(await personAt(keyhold).newestMail(unproven)).toBeUndefined();

  await object(notice);
  const late = await object(other);
  expect(late.page.heading).toBe('Your account is frozen');
  const frozen = await keyhold.db('events').where({ account_id: accountId, type: 'account.frozen' });
  expect(frozen).toHaveLength(1);
});

test('a notice says when, in the zone of its reader, in which country, and by which browser', async () => {
  await keyhold.db('profile_attributes').insert({
    account_id: accountId,
    attribute: 'zoneinfo',
    value: JSON.stringify('Europe/Zurich'),
    source: 'person',
    recorded_at: new Date(),
  });
  const notice = await recovered('129.132.19.216');
  for (const part of ['Country: Switzerland', 'Firefox · Linux', '129.132.19.216'])
    expect(notice.text).toContain(part);
  expect(notice.text).toMatch(/Time: .*(GMT\+[12]|CES?T)/);
  const person = personAt(keyhold);
  await person.goto(objectionIn(notice));
  expect(person.page.text).toContain('Switzerland');
});

test('a zone that does not exist is none, and a private network is nowhere', async () => {
  await keyhold.db('profile_attributes').insert({
    account_id: accountId,
    attribute: 'zoneinfo',
    value: JSON.stringify('Moon/Tycho'),
    source: 'person',
    recorded_at: new Date(),
  });
  const notice = await recovered('10.0.0.7');
  expect(notice.text).toMatch(/Time: .*UTC/);
  expect(notice.text).not.toContain('Country');
});

test('a link that an earlier version sent about something unknown freezes all the same', async () => {
  const notice = await recovered();
  await keyhold.db('objections').where({ account_id: accountId }).update({ about: 'recovery' });
  const person = personAt(keyhold);
  await person.goto(objectionIn(notice));
  expect(person.page.text).toContain('Something about your account was changed.');
  await person.press("This wasn't me");
  expect(person.page.heading).toBe('Your account is frozen');
  expect((await keyhold.mailbox.latest(email, notice)).text).not.toContain('/objection/');
});
