import { afterAll, beforeAll, beforeEach, expect, test } from '@jest/globals';
import { until } from '../support/jobs.js';
import { personAt } from '../support/journeys.js';
import { startKeyhold, type TestKeyhold } from '../support/keyhold.js';
import { accountOf, peopleOnRecord, recordedDuring } from '../support/ledger.js';
import { codeIn } from '../support/mailbox.js';
import type { Person } from '../support/person.js';
import { openRelyingParty, type RelyingParty } from '../support/relying-party.js';
import {
  memberOf,
  postScript,
  postStep,
  sendStep,
  signUpWithPasskey,
  toPassword,
  toSignUpCode,
} from '../support/steps.js';
import { GOOD_PASSWORD } from '../support/walk.js';

let keyhold: TestKeyhold;
let house: RelyingParty;
const ADA = 'ada@example.test';

beforeAll(async () => {
  keyhold = await startKeyhold({ RATE_LIMITS: 'on' });
  house = await openRelyingParty(keyhold, { first_party: true });
  await memberOf(keyhold, house, ADA);
});

beforeEach(() => keyhold.db('attempts').delete());

afterAll(async () => {
  await house?.close();
  await keyhold?.close();
});

const letTimePass = () =>
  keyhold.db('attempts').update({ window_ends_at: keyhold.db.raw(`now() - interval '1 second'`) });
const tally = (values: readonly unknown[]) =>
  Object.fromEntries(
    [...new Set(values)].map(value => [String(value), values.filter(each => each === value).length]),
  );

async function requestsOf(count: number, email: string): Promise<readonly Person[]> {
  const people = Array.from({ length: count }, () => personAt(keyhold));
  for (const person of people) await toPassword(person, house, email);
  return people;
}

test.each([[ADA], ['nobody@example.test']])(
  'C10: fifty wrong passwords at once for %s, through ten requests, count once an address: ten are looked at',
  async email => {
    const people = await requestsOf(10, email);
    const before = await peopleOnRecord(keyhold.db);
    const tries = people.flatMap(person => Array.from({ length: 5 }, () => person));
    const events = await recordedDuring(keyhold.db, async () => {
      const answers = await Promise.all(
        tries.map(person => sendStep(person, '/password', { password: 'a wrong one' })),
      );
      expect(tally(answers.map(({ status }) => status))).toEqual({ 400: 10, 429: 40 });
    });
    expect(tally(events.map(event => event.type))).toEqual({ 'sign_in.failed': 10, 'limit.reached': 1 });
    const reached = events.find(event => event.type === 'limit.reached');
    expect(reached?.detail).toEqual({ limit: 'password', per: 'account' });
    expect(reached?.account_id).toBe(email === ADA ? await accountOf(keyhold.db, ADA) : null);
    expect(await peopleOnRecord(keyhold.db)).toBe(before);
  },
);

test('C12: who is limited is told how long, goes back to the same step, and is let in when the time is over', async () => {
  const [ada] = await requestsOf(1, ADA);
  if (!ada) throw new Error('nobody came');
  for (let wrong = 0; wrong < 10; wrong++) await sendStep(ada, '/password', { password: 'a wrong one' });
  const page = await postStep(ada, '/password', { password: GOOD_PASSWORD });
  expect([page.status, page.heading]).toEqual([429, 'Too many tries']);
  expect(Number(page.headers.get('retry-after'))).toBeGreaterThan(800);
  expect(page.text).toContain('Please wait 15 minutes');
  await ada.follow('Try again');
  expect(ada.page.heading).toBe('Enter your password');
  await letTimePass();
  ada.fill('Password', GOOD_PASSWORD);
  await ada.press('Sign in');
  expect(ada.page.heading).toBe('Back in the app');
});

test('C12: whoever is locked out by a stranger still gets in by a passkey or by mail, and mail heals the password', async () => {
  const cleo = personAt(keyhold);
  const email = 'cleo@example.test';
  const authenticator = await signUpWithPasskey(cleo, house, keyhold.origin, email);
  const [stranger] = await requestsOf(1, email);
  if (!stranger) throw new Error('nobody came');
  for (let wrong = 0; wrong < 12; wrong++) await sendStep(stranger, '/password', { password: 'a wrong one' });

  const byPasskey = personAt(keyhold);
  await byPasskey.goto(await house.authorizationUrl());
  const options = await postScript(byPasskey, '/passkey/options');
  expect(
    (await postScript(byPasskey, '/passkey', { credential: authenticator.get(options.body as never) }))
      .status,
  ).toBe(200);

  const byMail = personAt(keyhold);
  const codeMail = () => byMail.newestMail(email, /code/);
  const earlier = await codeMail();
  await toPassword(byMail, house, email);
  await byMail.press('Email me a code');
  await until(async () => (await codeMail())?.id !== earlier?.id);
  byMail.fill('Code', codeIn((await codeMail()) ?? { text: '' }));
  await byMail.press('Continue');
  expect(byMail.page.heading).toBe('Back in the app');
  expect((await sendStep(stranger, '/password', { password: 'a wrong one' })).status).toBe(400);
});

test('a right password forgets the wrong ones before it', async () => {
  const [ada] = await requestsOf(1, ADA);
  if (!ada) throw new Error('nobody came');
  for (let wrong = 0; wrong < 9; wrong++) await sendStep(ada, '/password', { password: 'a wrong one' });
  expect((await sendStep(ada, '/password', { password: GOOD_PASSWORD })).status).toBe(303);
  const [again] = await requestsOf(1, ADA);
  if (!again) throw new Error('nobody came');
  expect((await sendStep(again, '/password', { password: 'a wrong one' })).status).toBe(400);
});

/** As if the tries of a row had been made: so many days it takes to be empty again. */
const fill = (per: string, days: number) =>
  inRow(per).update({ window_ends_at: keyhold.db.raw('now() + make_interval(days => ?)', [days]) });
const inRow = (per = 'account-in-row') =>
  keyhold.db('attempts').where('subject', 'like', `password:${per}:%`);

async function fullRow(email: string) {
  await memberOf(keyhold, house, email);
  const stranger = personAt(keyhold);
  await toPassword(stranger, house, email);
  const wrong = async () => (await sendStep(stranger, '/password', { password: 'a wrong one' })).status;
  expect(await wrong()).toBe(400);
  await fill('account-in-row', 39);
  expect(await wrong()).toBe(400);
  const letMinutesPass = () => keyhold.db('attempts').where('subject', 'not like', '%in-row%').delete();
  await letMinutesPass();
  const events = await recordedDuring(keyhold.db, async () => {
    for (let more = 0; more < 3; more++) expect(await wrong()).toBe(429);
  });
  expect(events.map(({ type, detail }) => [type, detail])).toEqual([
    ['limit.reached', { limit: 'password', per: 'account-in-row' }],
  ]);
  return { wrong, letMinutesPass };
}

test('C12: forty wrong passwords in a row from browsers it does not know are the last of the day, however slowly they come; mail lets the owner in and heals', async () => {
  const email = 'row@example.test';
  await fullRow(email);
  const owner = personAt(keyhold);
  const earlier = await keyhold.mailbox.latest(email);
  await toPassword(owner, house, email);
  owner.fill('Password', GOOD_PASSWORD);
  await owner.press('Sign in');
  expect([owner.page.status, owner.page.heading]).toEqual([429, 'Too many tries']);
  expect(Number(owner.page.headers.get('retry-after'))).toBeGreaterThan(80_000);
  expect(Number(owner.page.headers.get('retry-after'))).toBeLessThanOrEqual(86_400);
  expect(owner.page.text).toContain('It works again tomorrow');
  await owner.follow('Try again');
  await owner.press('Email me a code');
  owner.fill('Code', codeIn(await owner.latestMail(email, earlier)));
  await owner.press('Continue');
  expect(owner.page.heading).toBe('Back in the app');
  expect(await inRow()).toEqual([]);
});

test('C12: a full row heals by itself: a day later there is one more try, and a right one ends the row', async () => {
  const { wrong, letMinutesPass } = await fullRow('slow@example.test');
  const letADayPass = async () => {
    await inRow().update({ window_ends_at: keyhold.db.raw(`window_ends_at - interval '1 day'`) });
    await letMinutesPass();
  };
  await letADayPass();
  expect([await wrong(), await wrong()]).toEqual([400, 429]);
  /* Refused ones put nothing off, from how many networks ever they come. */
  for (let more = 0; more < 20; more++) expect(await wrong()).toBe(429);
  await letADayPass();
  const owner = personAt(keyhold);
  await toPassword(owner, house, 'slow@example.test');
  owner.fill('Password', GOOD_PASSWORD);
  await owner.press('Sign in');
  expect(owner.page.heading).toBe('Back in the app');
  expect(await inRow()).toEqual([]);
});

test('refused tries are none of the forty', async () => {
  const [ada] = await requestsOf(1, ADA);
  if (!ada) throw new Error('nobody came');
  for (let wrong = 0; wrong < 25; wrong++) await sendStep(ada, '/password', { password: 'a wrong one' });
  const row = await keyhold
    .db('attempts')
    .where('subject', 'like', 'password:account-in-row:%')
    .first('count');
  expect(row?.count).toBe(10);
});

test('C11: of fifty wrong codes at once five are looked at, and then the right one is wrong too', async () => {
  const bea = personAt(keyhold);
  await toSignUpCode(bea, house, 'bea@example.test');
  const code = codeIn(await bea.latestMail('bea@example.test'));
  const wrong = code === '00000000' ? '00000001' : '00000000';
  const before = await peopleOnRecord(keyhold.db);
  const events = await recordedDuring(keyhold.db, async () => {
    const answers = await Promise.all(
      Array.from({ length: 50 }, () => sendStep(bea, '/code', { code: wrong })),
    );
    expect(tally(answers.map(({ status }) => status))).toEqual({ 303: 16, 400: 4, 429: 30 });
  });
  expect(tally(events.map(event => event.type))).toEqual({
    'email_proof.failed': 5,
    'email_proof.ended': 1,
    'limit.reached': 1,
  });
  await letTimePass();
  await postStep(bea, '/code', { code });
  expect(bea.page.heading).toBe('Check your email');
  expect(await peopleOnRecord(keyhold.db)).toBe(before);
});

test('C18: of twenty right codes at once one proves', async () => {
  const dan = personAt(keyhold);
  await toSignUpCode(dan, house, 'dan@example.test');
  const code = codeIn(await dan.latestMail('dan@example.test'));
  const events = await recordedDuring(keyhold.db, () =>
    Promise.all(Array.from({ length: 20 }, () => sendStep(dan, '/code', { code }))),
  );
  expect(tally(events.map(event => event.type))).toMatchObject({ 'email_proof.proved': 1 });
});

test.each([['sign-up'], ['sign-in']])(
  'C10: the seventh mail of an hour to one address is refused (%s)',
  async way => {
    const email = `${way}@example.test`;
    const eve = personAt(keyhold);
    if (way === 'sign-up') await toSignUpCode(eve, house, email);
    else {
      await toPassword(eve, house, email);
      await eve.press('Email me a code');
    }
    for (let sent = 1; sent < 6; sent++) expect((await sendStep(eve, '/code/send', {})).status).toBe(303);
    const proofs = await keyhold.db('email_proofs').count();
    const page = await postStep(eve, '/code/send');
    expect([page.status, page.heading]).toEqual([429, 'Too many tries']);
    expect(await keyhold.db('email_proofs').count()).toEqual(proofs);
    const other = personAt(keyhold);
    await toSignUpCode(other, house, email);
    expect(other.page.status).toBe(429);
    await eve.follow('Try again');
    expect(eve.page.heading).toBe('Check your email');
  },
);

test('C10: an account gets twelve mails an hour at whichever of its addresses, and one network makes us send sixty', async () => {
  const account_id = await accountOf(keyhold.db, ADA);
  const others = ['ada@one.test', 'ada@two.test'];
  await keyhold
    .db('identifiers')
    .insert(others.map(value => ({ kind: 'email', value, account_id, added_at: new Date() })));
  const sends = async (email: string) => {
    const [person] = await requestsOf(1, email);
    if (!person) throw new Error('nobody came');
    const { status } = await sendStep(person, '/code/send', {});
    return status;
  };
  const mails = async () =>
    Number((await keyhold.db('email_proofs').where({ account_id }).count())[0]?.['count']);
  const before = await mails();
  const answers: number[] = [];
  for (let sent = 0; sent < 15; sent++) answers.push(await sends([ADA, ...others][sent % 3] ?? ADA));
  expect(answers).toEqual([...Array(12).fill(303), 429, 429, 429]);
  expect((await mails()) - before).toBe(12);

  for (let sent = 12; sent < 60; sent++) expect(await sends(`guest${sent}@example.test`)).toBe(303);
  const events = await recordedDuring(keyhold.db, async () => {
    for (const email of ['guest60@example.test', 'guest61@example.test'])
      expect(await sends(email)).toBe(429);
  });
  expect(events.map(({ type, detail }) => [type, detail])).toEqual([
    ['limit.reached', { limit: 'mail', per: 'network' }],
  ]);
  await keyhold.db('identifiers').whereIn('value', others).delete();
});

test('when too many sign in at once the rest are asked to come back, with nothing lost and nothing counted', async () => {
  /* Where a hash takes as long as it does in earnest, so that they do not come one by one. */
  const slow = await startKeyhold({ RATE_LIMITS: 'on', BCRYPT_COST: '11' });
  const app = await openRelyingParty(slow, { first_party: true });
  const people: Person[] = [];
  for (let at = 0; at < 60; at++) {
    const person = personAt(slow);
    await toPassword(person, app, `crowd${at}@example.test`);
    people.push(person);
  }
  const answers = await Promise.all(
    people.map(person => sendStep(person, '/password', { password: GOOD_PASSWORD })),
  );
  const counts = tally(answers.map(({ status }) => status));
  expect(Object.keys(counts).sort()).toEqual(['400', '503']);
  const busy = answers.filter(({ status }) => status === 503);
  for (const { headers, text } of busy) {
    expect(headers.get('retry-after')).toBe('5');
    expect(text).toContain('Nothing is lost');
  }
  const counted = await slow
    .db('attempts')
    .where('subject', 'like', 'password:account:%')
    .sum('count as all')
    .first();
  expect(Number(counted?.['all'])).toBe(60 - busy.length);
  const turnedAway = people[answers.findIndex(({ status }) => status === 503)];
  await turnedAway?.goto(turnedAway.page.url);
  expect(turnedAway?.page.heading).toBe('Enter your password');
  await app.close();
  await slow.close();
});

test('passkey challenges are not handed out without end', async () => {
  const fay = personAt(keyhold);
  await fay.goto(await house.authorizationUrl());
  expect((await postScript(fay, '/passkey/options')).status).toBe(200);
  await keyhold.db('attempts').where('subject', 'like', 'challenge:%').update({ count: 300 });
  const { status, headers, body } = await postScript(fay, '/passkey/options');
  expect([status, body['code'], body['title']]).toEqual([429, 'too_many_tries', 'Too many tries']);
  expect(Number(headers.get('retry-after'))).toBeGreaterThan(0);
  expect(body['request_id']).toMatch(/^[0-9a-f-]{36}$/);
});
