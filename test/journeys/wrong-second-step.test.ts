import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { type SetUp, setUpApp } from '../support/authenticator-app.js';
import { until } from '../support/jobs.js';
import { personAt, signIn } from '../support/journeys.js';
import { startKeyhold, type TestKeyhold } from '../support/keyhold.js';
import { accountOf } from '../support/ledger.js';
import { objectionIn } from '../support/mailbox.js';
import type { Person } from '../support/person.js';
import { eventsOf, newMember } from '../support/protocol.js';
import { openRelyingParty, type RelyingParty } from '../support/relying-party.js';
import { postStep, toRecoveryCredential } from '../support/steps.js';

// Somebody knows the password and does not have the second step: its owner is told, once an hour (ASVS 6.3.5).

let keyhold: TestKeyhold;
let app: RelyingParty;
let owner: Person;
let accountId: string;
let mine: SetUp;
const EMAIL = 'ada@example.test';
const OTHER = 'ada@other.example.test';
const SUBJECT = /^Somebody knew the password/;

beforeAll(async () => {
  keyhold = await startKeyhold();
  app = await openRelyingParty(keyhold, { first_party: true });
  owner = await newMember(keyhold, app, EMAIL);
  accountId = await accountOf(keyhold.db, EMAIL);
  mine = await setUpApp(keyhold, owner);
  await keyhold.db('email_addresses').insert({
    account_id: accountId,
    address: OTHER,
    is_primary: false,
    verified_at: new Date(Date.now() - 30 * 86_400_000),
    added_at: new Date(Date.now() - 30 * 86_400_000),
  });
});

afterAll(async () => {
  await app?.close();
  await keyhold?.close();
});

const told = async () =>
  (await eventsOf(keyhold.db, 'objection.begun')).filter(
    ({ detail }) => detail['about'] === 'second_step_failed',
  );

async function thief(): Promise<Person> {
  const person = personAt(keyhold);
  await person.goto(await app.authorizationUrl());
  await signIn(person, EMAIL);
  return person;
}

test('every proven address is told once, however many come at once and however often', async () => {
  const people = [];
  for (let one = 0; one < 4; one += 1) people.push(await thief());
  expect(await told()).toHaveLength(0);
  /* All of them are there before the first may go on. */
  const holder = await keyhold.db.transaction();
  await holder('accounts').where({ id: accountId }).forUpdate();
  const posts = people.map(person => postStep(person, '/second-step', { by: 'app', code: '000000' }));
  await until(async () => {
    const { rows } = await keyhold.db.raw(
      `SELECT count(*)::int AS waiting FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`,
    );
    return rows[0].waiting >= people.length;
  });
  await holder.commit();
  await Promise.all(posts);
  for (const person of people)
    await postStep(person, '/second-step', { by: 'recovery', code: mine.secret.slice(0, 16) });
  for (const to of [EMAIL, OTHER])
    await until(async () => (await owner.newestMail(to, SUBJECT)) !== undefined);
  expect(await told()).toHaveLength(1);
  const wrong = (await eventsOf(keyhold.db, 'sign_in.failed')).filter(
    ({ detail }) => detail['by'] === 'second_step',
  );
  expect(wrong.length).toBeGreaterThanOrEqual(4);
  await keyhold.db('objections').update({ created_at: keyhold.db.raw(`created_at - interval '61 minutes'`) });
  await postStep(people[0] as Person, '/second-step', { by: 'app', code: '000000' });
  await until(async () => (await told()).length === 2);
});

test('what is no code at all tells nobody', async () => {
  await keyhold.db('objections').update({ created_at: keyhold.db.raw(`created_at - interval '61 minutes'`) });
  const before = (await told()).length;
  const person = await thief();
  await postStep(person, '/second-step', { by: 'app', code: 'what?' });
  expect(person.page.status).toBe(400);
  expect(await told()).toHaveLength(before);
});

test('"this wasn\'t me" lets nobody in by that password any more: it is replaced by recovery', async () => {
  const mail = await owner.newestMail(EMAIL, SUBJECT);
  if (!mail) throw new Error('nobody was told');
  expect(mail.text).toContain('typed the right password');
  const elsewhere = personAt(keyhold);
  await elsewhere.goto(objectionIn(mail));
  await elsewhere.press(elsewhere.page.buttons.find(name => /wasn.t me/i.test(name)) ?? '');
  const { state } = await keyhold.db('accounts').where({ id: accountId }).first('state');
  expect(state).toBe('frozen');
  const again = personAt(keyhold);
  await again.goto(await app.authorizationUrl());
  await signIn(again, EMAIL);
  expect(again.page.heading).toBe('Enter your password');
  const back = personAt(keyhold);
  await toRecoveryCredential(back, app, EMAIL);
  expect(back.page.heading).toBe('One more step');
});
