import { createHmac, randomBytes } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { openKeyring } from '../../src/platform/crypto/keyring.js';
import { digest } from '../../src/platform/crypto/tokens.js';
import { personAt, signIn } from '../support/journeys.js';
import { startKeyhold, type TestKeyhold } from '../support/keyhold.js';
import { browserOf, notingCookies, personVia, signInBeside, silently, subjectIn } from '../support/people.js';
import type { Person } from '../support/person.js';
import { newMember } from '../support/protocol.js';
import { openRelyingParty, type RelyingParty } from '../support/relying-party.js';
import { sendStep } from '../support/steps.js';

const ADA = 'ada@example.test';
const BOB = 'bob@example.test';
const MALLORY = 'mallory@example.test';
const CODE = { code: expect.stringMatching(/^kh_ac_/) };
const GONE = { error: 'login_required' };

let keyhold: TestKeyhold;
let house: RelyingParty;
const hints = new Map<string, string>();

beforeAll(async () => {
  keyhold = await startKeyhold({ LOG_LEVEL: 'silent' });
  house = await openRelyingParty(keyhold, { first_party: true });
  for (const email of [ADA, BOB, MALLORY]) {
    await newMember(keyhold, house, email);
    hints.set(email, (await house.exchange()).id_token ?? '');
  }
});

afterAll(async () => {
  await house?.close();
  await keyhold?.close();
});

const hint = (email: string) => ({ id_token_hint: hints.get(email) ?? '' });
const plant = (person: Person, cookie: string) => person.jar.setCookie(cookie, keyhold.origin);
const peopleCookie = async (person: Person) =>
  (await person.cookies(keyhold.origin)).get('keyhold_people') ?? '';

const sessionsHere = async (person: Person) =>
  keyhold.db('sessions').where({ browser: digest(await peopleCookie(person)) });

/** Another browser with these cookies and no others. */
async function browserWith(cookies: Readonly<Record<string, string>>, path = '/'): Promise<Person> {
  const person = personAt(keyhold);
  for (const [name, value] of Object.entries(cookies)) await plant(person, `${name}=${value}; Path=${path}`);
  return person;
}

test('the cookie of the engine never leaves the house, on no way through', async () => {
  const cookies: string[] = [];
  const dispatcher = notingCookies(cookies);
  const person = personVia(keyhold, dispatcher);
  await browserOf(keyhold, house, [BOB, ADA], person);
  await person.goto(await house.authorizationUrl());
  await person.press(ADA);
  for (const email of [ADA, BOB]) await silently(person, house, hint(email), dispatcher);
  await silently(person, house, {}, dispatcher);
  await person.goto(await house.authorizationUrl({ prompt: 'consent' }));
  await person.press(BOB);
  await person.goto(house.endSessionUrl(hint(BOB)));
  await person.press('Stay signed in');
  await person.goto(house.endSessionUrl(hint(ADA)));
  await person.press('Sign out');
  await person.goto(house.endSessionUrl({}));
  await person.press('Sign out');
  await person.goto(house.endSessionUrl({}));
  expect(cookies.length).toBeGreaterThan(20);
  const names = new Set(cookies.map(cookie => cookie.split('=')[0] ?? ''));
  expect([...names]).toEqual(expect.arrayContaining(['keyhold_browser', 'keyhold_people', 'keyhold_form']));
  expect([...names].filter(name => /session/.test(name))).toEqual([]);
});

test('what a browser says in the cookie of the engine means nothing, however well it is signed', async () => {
  const person = await browserOf(keyhold, house, [ADA]);
  const keyring = openKeyring(keyhold.config.secret);
  const [row] = await sessionsHere(person);
  const id = keyring.open('session-id', row.id_sealed);
  const signature = (name: string, value: string) =>
    createHmac('sha256', keyring.derive('engine-cookies')).update(`${name}=${value}`).digest('base64url');
  await person.goto(await house.authorizationUrl({ prompt: 'login' }));
  const known = await person.cookies(person.page.url);
  const interaction = known.get('keyhold_interaction') ?? '';
  expect(known.get('keyhold_interaction.sig')).toBe(signature('keyhold_interaction', interaction));

  const thief = await browserWith({
    keyhold_session: id,
    'keyhold_session.sig': signature('keyhold_session', id),
  });
  expect(await silently(thief, house)).toMatchObject(GONE);
  await thief.goto(keyhold.origin);
  expect(thief.page.heading).toBe('Nobody is signed in');
  await thief.goto(house.endSessionUrl({}));
  expect(await silently(person, house)).toMatchObject(CODE);
});

test.each(['', 'x', 'a'.repeat(43), '../../x', '%00', 'a'.repeat(4_000), '"{}"'])(
  'the people of a made-up cookie are nobody (%#)',
  async value => {
    const person = await browserWith({ keyhold_people: value });
    expect(await silently(person, house)).toMatchObject(GONE);
    await person.goto(keyhold.origin);
    expect(person.page.heading).toBe('Nobody is signed in');
  },
);

test('C14: a planted cookie shows nobody who signs in under it, not even for a moment', async () => {
  const planted = randomBytes(32).toString('base64url');
  const victim = await browserWith({ keyhold_people: planted });
  await signInBeside(victim, house, ADA);
  const thief = await browserWith({ keyhold_people: planted });
  expect(await peopleCookie(victim)).not.toBe(planted);
  expect(await silently(thief, house)).toMatchObject(GONE);
  expect(await silently(thief, house, hint(ADA))).toMatchObject(GONE);
  await thief.goto(keyhold.origin);
  expect(thief.page.heading).toBe('Nobody is signed in');
});

test('who plants their own cookie is shown nobody else, and every sign-in gives it another name', async () => {
  const thief = await browserOf(keyhold, house, [MALLORY]);
  const planted = await peopleCookie(thief);
  const victim = await browserWith({ keyhold_people: planted });
  await signInBeside(victim, house, ADA);
  const names = new Set([planted, await peopleCookie(victim)]);
  expect(await silently(thief, house, hint(ADA))).toMatchObject(GONE);
  await signInBeside(victim, house, BOB);
  names.add(await peopleCookie(victim));
  expect(names.size).toBe(3);
  for (const name of [...names].slice(0, 2)) {
    const other = await browserWith({ keyhold_people: name });
    expect(await silently(other, house, hint(BOB))).toMatchObject(GONE);
    await other.goto(keyhold.origin);
    expect(other.page.heading).toBe('Nobody is signed in');
  }
  /* The victim sees who else is there. */
  await victim.goto(keyhold.origin);
  expect(victim.page.text).toContain(MALLORY);
});

test('the former name says who was there for ten seconds, to silent requests alone', async () => {
  const person = await browserOf(keyhold, house, [BOB]);
  const former = await browserWith({ keyhold_people: await peopleCookie(person) });
  await signInBeside(person, house, ADA);
  expect(await silently(former, house, hint(BOB))).toMatchObject(CODE);
  expect(await silently(former, house, hint(ADA))).toMatchObject(GONE);
  await former.goto(keyhold.origin);
  expect(former.page.heading).toBe('Nobody is signed in');
  await former.goto(await house.authorizationUrl(hint(BOB)));
  expect(former.page.heading).toBe('Sign in');
  await keyhold.db('sessions').update({
    browser_moved_at: keyhold.db.raw(`browser_moved_at - interval '10 seconds'`),
  });
  expect(await silently(former, house, hint(BOB))).toMatchObject(GONE);
  expect(await silently(person, house, hint(BOB))).toMatchObject(CODE);
});

test('C20: a request that was begun in another browser is neither shown nor resumed', async () => {
  const victim = await browserOf(keyhold, house, [ADA]);
  const thief = personAt(keyhold);
  await thief.goto(await house.authorizationUrl());
  const page = thief.page.url;
  for (const [name, value] of await thief.cookies(page)) {
    if (name.startsWith('keyhold_interaction'))
      await plant(victim, `${name}=${value}; Path=${page.pathname}`);
  }
  await victim.goto(page);
  expect([victim.page.status, victim.page.heading]).toEqual([404, 'Request error']);

  /* Somebody is signed in there already, so that the request resumes at an address of its own. */
  await signInBeside(thief, house, BOB);
  await thief.goto(await house.authorizationUrl({ prompt: 'login' }));
  thief.fill('Email', MALLORY);
  await thief.press('Continue');
  const { headers } = await sendStep(thief, '/password', {
    password: 'mild otters juggle nineteen lanterns',
  });
  const resume = new URL(headers.get('location') ?? '', keyhold.origin);
  for (const [name, value] of await thief.cookies(resume)) {
    if (name.startsWith('keyhold_resume')) await plant(victim, `${name}=${value}; Path=${resume.pathname}`);
  }
  const before = await peopleCookie(victim);
  await victim.goto(resume);
  expect(victim.page.status).toBe(403);
  expect(await peopleCookie(victim)).toBe(before);
  expect(await silently(victim, house)).toMatchObject(CODE);
  await thief.goto(resume);
  expect(thief.page.heading).toBe('Back in the app');
});

test('a form of another session, or one that was made up, signs nobody out', async () => {
  const person = await browserOf(keyhold, house, [BOB, ADA]);
  const [row] = await sessionsHere(person).then(rows =>
    rows.filter(({ account_id }) => account_id === subjectIn(hints.get(ADA))),
  );
  await person.goto(house.endSessionUrl(hint(BOB)));
  const xsrf = /name="xsrf" value="([^"]+)"/.exec(person.page.html)?.[1] ?? '';
  await plant(person, `keyhold_form=${row.uid}; Path=/end-session`);
  await person.post(`${keyhold.origin}/end-session/confirm`, { xsrf, logout: 'yes' });
  expect(person.page.status).toBe(400);
  const stranger = await browserOf(keyhold, house, [MALLORY]);
  await stranger.post(`${keyhold.origin}/end-session/confirm`, { xsrf, logout: 'yes' });
  expect(stranger.page.status).toBe(400);
  for (const email of [ADA, BOB]) expect(await silently(person, house, hint(email))).toMatchObject(CODE);
  expect(await silently(stranger, house)).toMatchObject(CODE);
});

test('there is room for ten people in a browser; whoever comes as the eleventh is told, and goes on when there is', async () => {
  const person = await browserOf(keyhold, house, [BOB, ADA]);
  const browser = digest(await peopleCookie(person));
  const names = Array.from({ length: 8 }, (_, i) => `guest${i}@example.test`);
  for (const name of names) {
    const guest = await newMember(keyhold, house, name);
    const sub = subjectIn((await house.exchange()).id_token);
    await keyhold.db('sessions').where({ account_id: sub }).update({ browser });
    expect(guest.page.heading).toBe('Back in the app');
  }
  await person.goto(await house.authorizationUrl());
  expect(person.page.buttons).toHaveLength(10);
  expect(person.page.text).toContain('There is room for 10 accounts in a browser.');
  expect(person.page.text).not.toContain('Use another account');
  await signInHere(person, ADA);
  expect(person.page.heading).toBe('Back in the app');

  await person.goto(await house.authorizationUrl());
  await signInHere(person, MALLORY);
  expect(person.page.status).toBe(409);
  expect(person.page.text).toContain('there is no room for another');
  const resume = person.page.url;
  await person.goto(keyhold.origin);
  await person.press(`Sign out ${names[0]}`);
  await person.goto(resume);
  expect(person.page.heading).toBe('Back in the app');
  expect(subjectIn((await house.exchange()).id_token)).toBe(subjectIn(hints.get(MALLORY)));
});

/** Past a chooser that offers nobody else, as by an address that was kept. */
async function signInHere(person: Person, email: string): Promise<void> {
  await person.goto(new URL('?way=sign-in', person.page.url));
  await signIn(person, email);
}
