import { afterAll, beforeAll, beforeEach, expect, test } from '@jest/globals';
import { personAt, signIn } from '../../support/journeys.js';
import { startKeyhold, type TestKeyhold } from '../../support/keyhold.js';
import { accountOf } from '../../support/ledger.js';
import { addNotesTopic, notes } from '../../support/notes-topic.js';
import { signInBeside } from '../../support/people.js';
import type { Person } from '../../support/person.js';
import { newMember } from '../../support/protocol.js';
import { openRelyingParty, type RelyingParty } from '../../support/relying-party.js';
import { csrfOf, postStep } from '../../support/steps.js';
import { GOOD_PASSWORD } from '../../support/walk.js';

let keyhold: TestKeyhold;
let app: RelyingParty;
let adaId: string;
let bobId: string;

const ADA = 'ada@example.test';
const BOB = 'bob@example.test';
const at = (path: string) => new URL(path, keyhold.origin);

beforeAll(async () => {
  addNotesTopic();
  keyhold = await startKeyhold();
  app = await openRelyingParty(keyhold);
  await newMember(keyhold, app, ADA);
  await newMember(keyhold, app, BOB);
  [adaId, bobId] = await Promise.all([accountOf(keyhold.db, ADA), accountOf(keyhold.db, BOB)]);
});

beforeEach(() => notes.clear());

afterAll(async () => {
  await app?.close();
  await keyhold?.close();
});

async function here(...emails: readonly string[]): Promise<Person> {
  const person = personAt(keyhold);
  for (const email of emails) await signInBeside(person, app, email);
  return person;
}

/** Lets so many seconds pass since everybody signed in. */
async function later(seconds: number): Promise<void> {
  await keyhold.db('sessions').update({ login_ts: keyhold.db.raw('login_ts - ?', [seconds]) });
}

const endSessions = (accountId: string) =>
  keyhold
    .db('sessions')
    .where({ account_id: accountId })
    .update({ ended_at: new Date(), ended_reason: 'operator' });

const requestOn = (person: Person) =>
  person.trail.find(({ pathname }) => pathname === '/authorize')?.searchParams ?? new URLSearchParams();

test('a form for a sensitive act is shown at once to whoever has just signed in', async () => {
  const person = await here(ADA);
  await person.goto(at('/account/test/note'));
  expect([person.page.heading, person.trail.length]).toEqual(['Note', 1]);
});

test('C23: after four minutes its person signs in again first, and nobody else will do', async () => {
  const person = await here(ADA);
  await later(241);
  await person.goto(at('/account/test/note'));
  expect(person.page.heading).toBe('Sign in');
  const asked = requestOn(person);
  expect(asked.get('max_age')).toBe('180');
  expect(JSON.parse(asked.get('claims') ?? '')).toEqual({ id_token: { sub: { value: adaId } } });
  await signIn(person, BOB);
  expect(person.page.heading).toBe('Sign in');
  expect(person.page.text).toContain('another account');
  await signIn(person, ADA);
  expect([person.page.heading, person.page.url.pathname]).toEqual(['Note', '/account/test/note']);
  expect(person.page.text).toContain(ADA);
});

test('C23: a form that comes after five minutes does nothing; what was typed is there again, a secret is not', async () => {
  const person = await here(ADA);
  await person.goto(at('/account/test/note'));
  await later(301);
  person.fill('Your note', 'A "long" <text> & äöü');
  person.fill('A secret', 'hush');
  await person.press('Keep it');
  expect([person.page.heading, notes.size]).toEqual(['Sign in', 0]);
  expect(person.trail.every(({ href }) => !href.includes('hush'))).toBe(true);
  await signIn(person, ADA);
  expect([person.page.heading, notes.size]).toEqual(['Note', 0]);
  expect(person.page.html).toContain('name="note" value="A &#34;long&#34; &#60;text> &#38; äöü"');
  expect(person.page.html).not.toContain('hush');
  await person.press('Keep it');
  expect(notes.get(adaId)).toEqual(['A "long" <text> & äöü']);
  await person.goto(at('/account/test/note'));
  expect(person.page.html).toContain('name="note" value=""');
});

test('a form that is still in time is taken', async () => {
  const person = await here(ADA);
  await person.goto(at('/account/test/note'));
  await later(290);
  person.fill('Your note', 'in time');
  await person.press('Keep it');
  expect(notes.get(adaId)).toEqual(['in time']);
});

test('whoever turns back from signing in again is where they were before', async () => {
  const person = await here(ADA);
  await later(400);
  await person.goto(at('/account/test/note'));
  await postStep(person, '/deny');
  expect([person.page.heading, person.page.url.pathname]).toEqual(['Your account', '/account']);
});

test('C14: a form made for one person is never taken for another whom a second tab has switched to', async () => {
  const person = await here(ADA, BOB);
  await person.goto(at('/account'));
  await person.press(ADA);
  const form = await person.goto(at('/account/test/plain'));
  const csrf = csrfOf(person);
  expect(form.text).toContain(ADA);
  await person.goto(at('/account/switch'));
  await person.press(BOB);
  const refused = await person.post(at('/account/test/plain'), {
    csrf,
    for: adaId,
    note: 'from the first tab',
  });
  expect([refused.status, refused.heading]).toEqual([409, 'This page was made for somebody else']);
  expect(refused.text).toContain(BOB);
  expect(notes.size).toBe(0);
  for (const madeFor of [{}, { for: '' }, { for: 'x' }]) {
    const page = await person.post(at('/account/test/plain'), { csrf, ...madeFor, note: 'for nobody' });
    expect(page.status).toBe(409);
  }
  expect(notes.size).toBe(0);
});

test('a session that was ended elsewhere loses nothing: the same person comes back to what they typed', async () => {
  const person = await here(ADA, BOB);
  await person.goto(at('/account'));
  await person.press(ADA);
  await person.goto(at('/account/test/plain'));
  await endSessions(adaId);
  person.fill('Your note', 'typed before');
  await person.press('Keep it');
  expect([person.page.heading, notes.size]).toEqual(['Sign in', 0]);
  await signIn(person, BOB);
  expect(person.page.heading).toBe('Sign in');
  await signIn(person, ADA);
  expect([person.page.heading, notes.size]).toEqual(['Plain', 0]);
  expect(person.page.html).toContain('value="typed before"');
  await person.press('Keep it');
  expect(notes.get(adaId)).toEqual(['typed before']);
});

test('C14: whoever is left is never taken for somebody who was signed out', async () => {
  const person = await here(ADA, BOB);
  await person.goto(at('/account'));
  await person.press(ADA);
  await endSessions(adaId);
  await person.goto(at('/account'));
  expect(person.page.heading).toBe('Choose an account');
  await person.press(BOB);
  expect(person.page.text).toContain(BOB);
  expect(person.page.text).not.toContain(ADA);
});

test('what one person typed is not shown to another', async () => {
  const person = await here(ADA);
  await person.goto(at('/account/test/plain'));
  const csrf = csrfOf(person);
  await endSessions(adaId);
  await person.post(at('/account/test/plain'), { csrf, for: adaId, note: 'of Ada' });
  expect(person.page.heading).toBe('Sign in');
  await signInBeside(person, app, BOB);
  await person.goto(at('/account'));
  if (person.page.heading === 'Choose an account') await person.press(BOB);
  await person.goto(at('/account/test/plain'));
  expect(person.page.text).toContain(BOB);
  expect(person.page.html).not.toContain('of Ada');
});

test('a suspended account and a frozen one have no pages, at the very next request', async () => {
  const person = await here(ADA);
  await person.goto(at('/account'));
  for (const state of ['suspended', 'frozen']) {
    await keyhold.db('accounts').where({ id: adaId }).update({ state });
    await person.goto(at('/account'));
    expect([state, person.page.heading]).toEqual([state, 'Sign in']);
    await keyhold.db('accounts').where({ id: adaId }).update({ state: 'active' });
    await person.goto(at('/account'));
    expect(person.page.heading).toBe('Your account');
  }
});

test('C20: the answer to a request counts in the browser that asked, once, and leads nowhere else', async () => {
  const ada = personAt(keyhold);
  await ada.goto(at('/account'));
  const state = requestOn(ada).get('state') ?? '';
  const mallory = await here(BOB);
  await mallory.goto(at('/account'));
  for (const query of [
    `code=kh_ac_x&state=${state}`,
    `code=kh_ac_x&state=${state.slice(0, -2)}xx`,
    'code=kh_ac_x',
    `state=${'x'.repeat(9_000)}`,
    'error=access_denied',
  ]) {
    const page = await mallory.goto(at(`/account/callback?${query}`));
    expect([query.slice(0, 30), page.status, page.url.pathname]).toEqual([
      query.slice(0, 30),
      403,
      '/account/callback',
    ]);
  }
  await signIn(ada, ADA);
  const callback = ada.trail.find(({ pathname }) => pathname === '/account/callback');
  const codes = await keyhold.db('authorization_codes').where({ client_id: 'keyhold-account' });
  expect(codes.map(({ consumed_at }) => consumed_at)).not.toContain(null);
  const again = await ada.goto(callback ?? '');
  expect([again.heading, again.url.pathname]).toEqual(['Your account', '/account']);
  expect(again.text).toContain(ADA);
});

test('C20: a code that somebody else was given opens nothing here', async () => {
  const victim = await here(ADA);
  await victim.goto(at('/account/switch'));
  const mine = requestOn(victim).get('state') ?? '';
  const mallory = personAt(keyhold);
  await mallory.goto(at('/account'));
  await signIn(mallory, BOB);
  const callback = mallory.trail.find(({ pathname }) => pathname === '/account/callback');
  const code = callback?.searchParams.get('code') ?? '';
  await victim.goto(at(`/account/callback?code=${code}&state=${mine}`));
  expect(victim.page.text).toContain(ADA);
  expect(victim.page.text).not.toContain(BOB);
});

test('C14: a cookie that nobody here signed chooses nobody', async () => {
  const person = await here(ADA, BOB);
  for (const value of [adaId, bobId, 'x']) {
    await person.jar.setCookie(`keyhold_account=${value}`, keyhold.origin);
    await person.goto(at('/account'));
    expect(person.page.heading).toBe('Choose an account');
  }
});

test('C20: a form without its token does nothing and says how to go on', async () => {
  const person = await here(ADA);
  await person.goto(at('/account/test/plain'));
  const page = await person.post(at('/account/test/plain'), { for: adaId, note: 'forged' });
  expect([page.status, page.heading, notes.size]).toEqual([403, 'Request error', 0]);
  await person.follow('Try again');
  expect(person.page.heading).toBe('Plain');
});

test('the password that signs in again is counted like any other', async () => {
  const person = await here(ADA);
  await later(400);
  await person.goto(at('/account/test/note'));
  await signIn(person, ADA, `${GOOD_PASSWORD}x`);
  expect(person.page.alerts.join()).toContain('not right');
});
