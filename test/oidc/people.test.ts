import { afterAll, beforeAll, expect, test } from '@jest/globals';
import * as openid from 'openid-client';
import { endSession } from '../../src/oidc/session.js';
import { digest } from '../../src/platform/crypto/tokens.js';
import { openWork } from '../../src/platform/storage/work.js';
import { personAt, signIn } from '../support/journeys.js';
import { startKeyhold, type TestKeyhold } from '../support/keyhold.js';
import { browserOf, signInBeside, silently, subjectIn } from '../support/people.js';
import type { Person } from '../support/person.js';
import { memberAgain, newMember } from '../support/protocol.js';
import { openRelyingParty, type RelyingParty } from '../support/relying-party.js';
import { sendStep } from '../support/steps.js';

const ADA = 'ada@example.test';
const BOB = 'bob@example.test';
const CLEO = 'cleo@example.test';
const CODE = { code: expect.stringMatching(/^kh_ac_/) };

let keyhold: TestKeyhold;
let house: RelyingParty;
let shop: RelyingParty;
const hints = new Map<string, string>();
const subjects = new Map<string, string>();

beforeAll(async () => {
  keyhold = await startKeyhold();
  house = await openRelyingParty(keyhold, { first_party: true, client_name: 'House' });
  shop = await openRelyingParty(keyhold, { client_name: 'Shop' });
  for (const email of [ADA, BOB, CLEO]) {
    await newMember(keyhold, house, email);
    const { id_token } = await house.exchange();
    hints.set(email, id_token ?? '');
    subjects.set(email, subjectIn(id_token));
  }
});

afterAll(async () => {
  await Promise.all([house?.close(), shop?.close()]);
  await keyhold?.close();
});

const hint = (email: string) => ({ id_token_hint: hints.get(email) ?? '' });
const both = () => browserOf(keyhold, house, [BOB, ADA]);
const ask = async (person: Person, parameters: Record<string, string> = {}, app = house) =>
  person.goto(await app.authorizationUrl(parameters));
const answer = (person: Person) => Object.fromEntries(person.page.url.searchParams);
const emailOf = async (app = house) => (await app.userInfo(await app.exchange())).email;
const sessionsOf = (email: string) =>
  keyhold
    .db('sessions')
    .where({ account_id: subjects.get(email) })
    .whereNull('ended_at');

const browserOfPerson = async (person: Person) =>
  digest((await person.cookies(keyhold.origin)).get('keyhold_people') ?? '');

/** The live sessions of a browser, as the rows say. */
async function here(person: Person) {
  const browser = await browserOfPerson(person);
  return keyhold
    .db('sessions')
    .select('uid', 'account_id')
    .where({ browser })
    .whereNull('ended_at')
    .orderBy('uid');
}

test('somebody who signs in beside another ends nothing of theirs', async () => {
  const person = personAt(keyhold);
  await ask(person);
  await signIn(person, BOB);
  const ofBob = await house.exchange();
  const before = await sessionsOf(BOB).select('uid', 'ended_at').orderBy('uid');
  await signInBeside(person, house, ADA);
  expect(await emailOf()).toBe(ADA);
  expect(await sessionsOf(BOB).select('uid', 'ended_at').orderBy('uid')).toEqual(before);
  expect((await house.introspect(ofBob.access_token)).active).toBe(true);
  expect((await house.refresh(ofBob.refresh_token ?? '')).access_token).toBeTruthy();
  expect(house.logoutTokens).toEqual([]);
  expect(await silently(person, house, hint(BOB))).toMatchObject(CODE);
});

test('each person has a session of their own at an app', async () => {
  const person = await both();
  const sids: unknown[] = [];
  for (const email of [ADA, BOB, ADA]) {
    await ask(person, hint(email));
    sids.push((await house.exchange()).claims()?.['sid']);
  }
  expect(sids[0]).toBe(sids[2]);
  expect(sids[0]).not.toBe(sids[1]);
  expect(sids[0]).toEqual(expect.any(String));
});

test('a silent request goes on with whom it names, and with nobody where it names nobody', async () => {
  const person = await both();
  expect(await silently(person, house)).toMatchObject({ error: 'account_selection_required' });
  for (const email of [ADA, BOB]) {
    await ask(person, { prompt: 'none', ...hint(email) });
    expect(await emailOf()).toBe(email);
    const claims = JSON.stringify({ id_token: { sub: { value: subjects.get(email) } } });
    await ask(person, { prompt: 'none', claims });
    expect(await emailOf()).toBe(email);
    await ask(person, { prompt: 'none', login_hint: email });
    expect(await emailOf()).toBe(email);
  }
  expect(await silently(person, house, hint(CLEO))).toMatchObject({ error: 'login_required' });
  const claims = JSON.stringify({ id_token: { sub: { value: subjects.get(CLEO) } } });
  expect(await silently(person, house, { claims })).toMatchObject({ error: 'login_required' });
});

test('with one person here a silent request without a name means them', async () => {
  const person = await browserOf(keyhold, house, [BOB]);
  await ask(person, { prompt: 'none' });
  expect(await emailOf()).toBe(BOB);
  expect(await silently(person, house, hint(ADA))).toMatchObject({ error: 'login_required' });
});

test('an app learns by a login hint only who has signed in to it here', async () => {
  const person = await both();
  const stranger = await openRelyingParty(keyhold, { first_party: true });
  try {
    const answers = [ADA, CLEO, 'nobody@example.test'].map(login_hint =>
      silently(person, stranger, { login_hint }),
    );
    for (const one of await Promise.all(answers)) {
      expect(one).toMatchObject({ error: 'account_selection_required' });
    }
  } finally {
    await stranger.close();
  }
});

test('a request that names somebody who is here asks no more; any other name means the choice', async () => {
  const person = await both();
  for (const parameters of [hint(BOB), { login_hint: BOB }, { login_hint: ` ${BOB.toUpperCase()} ` }]) {
    await ask(person, parameters);
    expect(await emailOf()).toBe(BOB);
  }
  await ask(person, hint(CLEO));
  expect(person.page.heading).toBe('Sign in');
  await signIn(person, CLEO);
  expect(await emailOf()).toBe(CLEO);
  await ask(person, { login_hint: 'nobody@example.test' });
  expect(person.page.heading).toBe('Choose an account');
  expect([...person.page.buttons].sort()).toEqual([ADA, BOB, CLEO]);
});

test('a hint that is forged chooses nobody: the engine looks at it before anything goes on', async () => {
  const person = await both();
  const [header, body] = (hints.get(ADA) ?? '').split('.');
  for (const id_token_hint of [`${header}.${body}.AAAA`, 'x', `${header}.e30.AAAA`]) {
    expect(await silently(person, house, { id_token_hint })).toMatchObject({ error: 'invalid_request' });
  }
});

test('an app with names of its own for people names them by those', async () => {
  const pairwise = await openRelyingParty(keyhold, { first_party: true, subject_type: 'pairwise' });
  try {
    const person = await both();
    await ask(person, hint(ADA), house);
    await ask(person, { login_hint: ADA }, pairwise);
    const { id_token = '' } = await pairwise.exchange();
    expect(subjectIn(id_token)).not.toBe(subjects.get(ADA));
    await ask(person, { prompt: 'none', id_token_hint: id_token }, pairwise);
    expect(await emailOf(pairwise)).toBe(ADA);
    const claims = JSON.stringify({ id_token: { sub: { value: subjectIn(id_token) } } });
    await ask(person, { prompt: 'none', claims }, pairwise);
    expect(await emailOf(pairwise)).toBe(ADA);
    const foreign = JSON.stringify({ id_token: { sub: { value: subjects.get(ADA) } } });
    expect(await silently(person, pairwise, { claims: foreign })).toMatchObject({ error: 'login_required' });
  } finally {
    await pairwise.close();
  }
});

test('whoever signs in again keeps the session they have', async () => {
  const person = await both();
  const before = await here(person);
  expect(new Set(before.map(row => row.account_id)).size).toBe(2);
  const count = await sessionsOf(ADA).count({ n: '*' });
  await signInBeside(person, house, ADA);
  expect(await sessionsOf(ADA).count({ n: '*' })).toEqual(count);
  expect(await here(person)).toEqual(before);
});

test('a person who signed in elsewhere has another session there, which stays', async () => {
  const person = await both();
  const elsewhere = await memberAgain(keyhold, house, ADA);
  await person.goto(keyhold.origin);
  await person.press('Sign out everyone');
  expect(await silently(elsewhere, house, hint(ADA))).toMatchObject(CODE);
});

test('how long ago somebody signed in is counted for each', async () => {
  const person = await both();
  await keyhold
    .db('sessions')
    .where({ account_id: subjects.get(ADA), browser: await browserOfPerson(person) })
    .update({ login_ts: keyhold.db.raw('login_ts - 1000') });
  expect(await silently(person, house, { ...hint(ADA), max_age: '500' })).toMatchObject({
    error: 'login_required',
  });
  expect(await silently(person, house, { ...hint(BOB), max_age: '500' })).toMatchObject(CODE);
  await ask(person, { max_age: '500' });
  await person.press(ADA);
  expect(person.page.heading).toBe('Sign in');
  await signIn(person, ADA);
  expect(await silently(person, house, { ...hint(ADA), max_age: '500' })).toMatchObject(CODE);
});

test('a session that has expired is nobody here', async () => {
  const person = await both();
  await keyhold
    .db('sessions')
    .where({ account_id: subjects.get(ADA) })
    .update({ expires_at: keyhold.db.raw('extract(epoch FROM now())::bigint - 1') });
  expect(await silently(person, house, hint(ADA))).toMatchObject({ error: 'login_required' });
  await ask(person);
  expect(await emailOf()).toBe(BOB);
  await signInBeside(person, house, ADA);
  expect(await emailOf()).toBe(ADA);
});

test('an account that may not act is nobody here', async () => {
  const person = await both();
  await keyhold
    .db('accounts')
    .where({ id: subjects.get(ADA) })
    .update({ state: 'suspended' });
  try {
    await ask(person);
    expect(await emailOf()).toBe(BOB);
    expect(await silently(person, house, hint(ADA))).toMatchObject({ error: 'login_required' });
  } finally {
    await keyhold
      .db('accounts')
      .where({ id: subjects.get(ADA) })
      .update({ state: 'active' });
  }
});

test('what one person allowed an app, another one is asked', async () => {
  const person = await both();
  await ask(person, hint(ADA), house);
  await ask(person, { login_hint: ADA }, shop);
  await person.press('Allow');
  expect(await emailOf(shop)).toBe(ADA);
  await ask(person, {}, shop);
  await person.press(BOB);
  expect(person.page.heading).toBe('Allow access?');
  expect(person.page.text).toContain(BOB);
  await person.press("Don't allow");
  expect(answer(person)).toMatchObject({ error: 'access_denied' });
  expect(await silently(person, shop, { login_hint: ADA })).toMatchObject(CODE);
});

test('a consent is given by the session that was asked; if that has ended, nothing brings it back', async () => {
  const other = await openRelyingParty(keyhold, { client_name: 'Other' });
  const endAll = async () => {
    for (const { uid } of await sessionsOf(BOB).select('uid')) {
      await openWork(keyhold.db, { kind: 'operator' }, work => endSession(work, String(uid), 'operator'));
    }
  };
  try {
    for (const begin of ['sign in', 'choose'] as const) {
      const person = begin === 'choose' ? await both() : personAt(keyhold);
      await ask(person, { prompt: 'consent' }, other);
      if (begin === 'choose') await person.press(BOB);
      else await signIn(person, BOB);
      expect(person.page.heading).toBe('Allow access?');
      const { headers } = await sendStep(person, '/consent', {});
      await endAll();
      await person.goto(new URL(headers.get('location') ?? '', keyhold.origin));
      const { url, heading } = person.page;
      const next = begin === 'choose' ? 'Request error' : 'Sign in';
      expect([begin, url.origin, heading]).toEqual([begin, keyhold.origin, next]);
      expect(await sessionsOf(BOB)).toEqual([]);

      await signInBeside(person, house, BOB);
      await ask(person, { prompt: 'consent', login_hint: BOB }, other);
      await endAll();
      await person.press('Allow');
      expect([person.page.url.origin, person.page.heading]).toEqual([
        keyhold.origin,
        'This step is already done',
      ]);
      expect(await sessionsOf(BOB)).toEqual([]);
      expect(await silently(person, house, hint(BOB))).toMatchObject({ error: 'login_required' });
    }
  } finally {
    await other.close();
  }
});

test('whoever refuses at the consent page stays as they are, and so does everybody else', async () => {
  const person = await both();
  const before = await person.cookies(keyhold.origin);
  await ask(person, { prompt: 'consent' }, shop);
  await person.press(BOB);
  await person.press("Don't allow");
  expect(answer(person)).toMatchObject({ error: 'access_denied' });
  expect(await person.cookies(keyhold.origin)).toEqual(before);
  for (const email of [ADA, BOB]) expect(await silently(person, house, hint(email))).toMatchObject(CODE);
});

test('two login pages that are open at once each sign their person in', async () => {
  const person = personAt(keyhold);
  const [first, second] = [await house.authorizationUrl(), await house.authorizationUrl({ prompt: 'login' })];
  await person.goto(first);
  const tab = person.page.url;
  await person.goto(second);
  await signIn(person, ADA);
  expect(await emailOf()).toBe(ADA);
  await person.goto(tab);
  await signIn(person, BOB);
  expect(await emailOf()).toBe(BOB);
  await ask(person);
  expect([...person.page.buttons].sort()).toEqual([ADA, BOB]);
});

test('whom a pushed request names is named as by the address', async () => {
  const person = await both();
  const push = async (parameters: Record<string, string>) => {
    const { searchParams } = await house.authorizationUrl(parameters);
    searchParams.delete('client_id');
    return openid.buildAuthorizationUrlWithPAR(house.configuration, searchParams);
  };
  for (const email of [ADA, BOB]) {
    await person.goto(await push({ prompt: 'none', ...hint(email) }));
    expect(await emailOf()).toBe(email);
    await person.goto(await push({ login_hint: email }));
    expect(await emailOf()).toBe(email);
  }
  await person.goto(await push({ prompt: 'none' }));
  expect(answer(person)).toMatchObject({ error: 'account_selection_required' });
  await person.goto(await push({}));
  expect(person.page.heading).toBe('Choose an account');
  await person.press(BOB);
  expect(await emailOf()).toBe(BOB);
});
