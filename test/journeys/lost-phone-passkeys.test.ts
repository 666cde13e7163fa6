import { afterAll, beforeAll, beforeEach, expect, test } from '@jest/globals';
import { fetch } from 'undici';
import { dropPasskey } from '../../src/domain/credentials/credentials.js';
import { openWork } from '../../src/platform/storage/work.js';
import { accountToken } from '../support/account-api.js';
import { type Authenticator, openAuthenticator } from '../support/authenticator.js';
import { appCode, codesOn, secretOn, setUpApp } from '../support/authenticator-app.js';
import { personAt, signIn } from '../support/journeys.js';
import { startKeyhold, type TestKeyhold } from '../support/keyhold.js';
import { accountOf } from '../support/ledger.js';
import {
  agedAddresses,
  beginToWait,
  GONE,
  letPass,
  lookAhead,
  mailOf,
  secondIsOver,
  showBoth,
  typeMailedCode,
} from '../support/lost-phone.js';
import { objectionIn } from '../support/mailbox.js';
import type { Person } from '../support/person.js';
import { eventsOf, newMember } from '../support/protocol.js';
import { openRelyingParty, type RelyingParty } from '../support/relying-party.js';
import {
  postAccountScript,
  postScript,
  postStep,
  requestPath,
  toRecoveryCredential,
} from '../support/steps.js';

// Passkeys of a lost phone: those that were on it are paused, another one needs no recovery, and a new one takes their place.

let keyhold: TestKeyhold;
let atOnce: TestKeyhold;
let app: RelyingParty;
let shop: RelyingParty;
let owner: Person;
let email: string;
let accountId: string;
let onPhone: Authenticator;
let onComputer: Authenticator;
let phoneId: string;
let count = 0;
const SCOPE = 'account:security:read account:security:write';

const own = async (type: string) =>
  (await eventsOf(keyhold.db, type)).filter(event => event.account_id === accountId);
const state = async () => (await keyhold.db('recoveries').where({ account_id: accountId }).first())?.state;

beforeAll(async () => {
  keyhold = await startKeyhold();
  app = await openRelyingParty(keyhold, { first_party: true, scope: `openid profile email ${SCOPE}` });
  atOnce = await startKeyhold({ LOST_PHONE_WAIT: '0', SUPPORT: 'help@example.test' });
  shop = await openRelyingParty(atOnce, { first_party: true });
});

beforeEach(async () => {
  email = `bea${++count}@example.test`;
  owner = await newMember(keyhold, app, email);
  accountId = await accountOf(keyhold.db, email);
  [onPhone, phoneId] = await add();
  [onComputer] = await add();
  await setUpApp(keyhold, owner);
  await agedAddresses(keyhold);
});

afterAll(async () => {
  await app?.close();
  await shop?.close();
  await keyhold?.close();
  await atOnce?.close();
});

async function add(): Promise<readonly [Authenticator, string]> {
  await owner.goto(new URL('/account/sign-in/passkeys/new', keyhold.origin));
  const authenticator = openAuthenticator(keyhold.origin);
  const options = await postAccountScript(owner, '/account/sign-in/passkeys/new/options');
  const credential = authenticator.create(options.body as never);
  await postAccountScript(owner, '/account/sign-in/passkeys/new', { credential });
  const { credentialId: credential_id } = authenticator;
  const { id } = await keyhold.db('passkeys').where({ credential_id }).first('id');
  return [authenticator, String(id)];
}

/** Answers a challenge of a new request with a passkey; gives where that leads. */
async function signInBy(authenticator: Authenticator, person = personAt(keyhold)): Promise<Person> {
  await person.goto(await app.authorizationUrl({ prompt: 'login' }));
  const options = await postScript(person, '/passkey/options');
  const credential = authenticator.get(options.body as never);
  const { body } = await postScript(person, '/passkey', { credential });
  await person.goto(new URL(String(body['location'] ?? '/'), keyhold.origin));
  return person;
}

test('a passkey that was on the phone signs nobody in, and stops it; one on another device signs in as ever', async () => {
  await beginToWait(keyhold, app, email, [phoneId]);
  expect((await signInBy(onComputer)).page.heading).toBe('Back in the app');
  const person = await signInBy(onPhone);
  expect(person.page.heading).toBe('Have you lost your phone?');
  expect((await own('passkey.refused')).map(({ detail }) => detail['reason'])).toEqual(['suspended']);
  expect(await own('passkey.used')).toHaveLength(1);
  await person.press('Stop it');
  expect(await state()).toBe('stopped');
  expect(await own('passkey.restored')).toHaveLength(1);
  expect((await signInBy(onPhone)).page.heading).toBe('Back in the app');
});

test('somebody else’s passkeys cannot be paused, and nothing that is no passkey', async () => {
  const bob = await newMember(keyhold, app, `bob${count}@example.test`);
  await bob.goto(new URL('/account/sign-in/passkeys/new', keyhold.origin));
  const options = await postAccountScript(bob, '/account/sign-in/passkeys/new/options');
  const credential = openAuthenticator(keyhold.origin).create(options.body as never);
  await postAccountScript(bob, '/account/sign-in/passkeys/new', { credential });
  const bobId = await accountOf(keyhold.db, `bob${count}@example.test`);
  const { id } = await keyhold.db('passkeys').where({ account_id: bobId }).first('id');
  await beginToWait(keyhold, app, email, [String(id)]);
  expect(await keyhold.db('passkeys').whereNotNull('suspended_for').where({ account_id: bobId })).toEqual([]);
  expect(await keyhold.db('passkeys').whereNotNull('suspended_for').where({ account_id: accountId })).toEqual(
    [],
  );
});

test('a challenge that was answered before the pause signs nobody in after it', async () => {
  const person = personAt(keyhold);
  await person.goto(await app.authorizationUrl({ prompt: 'login' }));
  const options = await postScript(person, '/passkey/options');
  await beginToWait(keyhold, app, email, [phoneId]);
  const credential = onPhone.get(options.body as never);
  const { body } = await postScript(person, '/passkey', { credential });
  await person.goto(new URL(String(body['location']), keyhold.origin));
  expect(person.page.heading).toBe('Have you lost your phone?');
  expect(await keyhold.db('sessions').where({ account_id: accountId }).whereNull('ended_at')).toEqual([]);
});

test('a token that an app held is worth nothing, and the API says what is paused', async () => {
  const token = await accountToken(keyhold, owner, app, SCOPE);
  const ask = (bearer: string) =>
    fetch(new URL('/api/me/sign-in-methods', keyhold.origin), {
      headers: { authorization: `Bearer ${bearer}` },
    });
  expect((await ask(token)).status).toBe(200);
  await beginToWait(keyhold, app, email, [phoneId]);
  expect((await ask(token)).status).toBe(401);
  const back = await signInBy(onComputer);
  const answer = (await (await ask(await accountToken(keyhold, back, app, SCOPE))).json()) as {
    passkeys: { id: string; suspended: boolean }[];
    second_step: { apps: unknown[] };
  };
  expect(answer.passkeys.filter(each => each.suspended).map(each => each.id)).toEqual([phoneId]);
  expect(answer.second_step.apps).toEqual([]);
});

test('an app that is let sees that it waits and stops it, once', async () => {
  await beginToWait(keyhold, app, email, [phoneId]);
  const token = await accountToken(keyhold, await signInBy(onComputer), app, SCOPE);
  const ask = async (method: string) => {
    const headers = { authorization: `Bearer ${token}` };
    const answer = await fetch(new URL('/api/me/recovery', keyhold.origin), { method, headers });
    return (await answer.json()) as Readonly<Record<string, unknown>>;
  };
  expect(await ask('GET')).toMatchObject({ waiting: { ready_at: expect.any(String) } });
  expect(await ask('DELETE')).toEqual({ stopped: true });
  expect(await ask('GET')).toEqual({ waiting: null });
  expect(await ask('DELETE')).toEqual({ stopped: false });
  expect(await own('recovery.stopped')).toHaveLength(1);
  expect(await keyhold.db('passkeys').where({ id: phoneId }).first('suspended_for')).toEqual({
    suspended_for: null,
  });
});

test('a new passkey takes the place of what was on the phone, and the second step stays on', async () => {
  await beginToWait(keyhold, app, email, [phoneId]);
  await letPass(keyhold, accountId, 73);
  const person = await showBoth(keyhold, app, email);
  expect(person.page.heading).toBe('Set up your new phone');
  const fresh = openAuthenticator(keyhold.origin);
  const options = await postScript(person, '/passkey/new/options');
  const credential = fresh.create(options.body as never);
  const { body } = await postScript(person, '/passkey/new', { credential });
  await person.goto(new URL(String(body['location']), keyhold.origin));
  expect(person.page.heading).toBe('Write down your recovery codes');
  const codes = codesOn(person);
  await person.press('I have kept them');
  expect(person.page.heading).toBe('Back in the app');
  expect(await state()).toBe('completed');
  await secondIsOver(keyhold);
  expect((await signInBy(fresh)).page.heading).toBe('Back in the app');
  expect((await signInBy(onPhone)).page.text).toContain('has set up another way to sign in');

  const beside = personAt(keyhold);
  await beside.goto(await app.authorizationUrl({ prompt: 'login' }));
  await signIn(beside, email);
  expect(beside.page.heading).toBe('One more step');
  await beside.follow('Phone not at hand? Use a recovery code');
  beside.fill('Recovery code', codes[0] ?? '');
  await beside.press('Continue');
  expect(beside.page.heading).toBe('Keep your new recovery code');

  await lookAhead(keyhold, 24 * 7 + 1);
  expect(await state()).toBe('settled');
  expect(await keyhold.db('passkeys').where({ account_id: accountId, id: phoneId })).toEqual([]);
  expect(await keyhold.db('accounts').where({ id: accountId }).first('second_step')).toEqual({
    second_step: true,
  });
});

test('a passkey of the phone that comes after it was completed freezes, and brings all back', async () => {
  await beginToWait(keyhold, app, email, [phoneId]);
  await letPass(keyhold, accountId, 73);
  const thief = await showBoth(keyhold, app, email);
  const stolen = openAuthenticator(keyhold.origin);
  const options = await postScript(thief, '/passkey/new/options');
  await postScript(thief, '/passkey/new', { credential: stolen.create(options.body as never) });
  await thief.goto(requestUrl(thief));
  await thief.press('I have kept them');
  await thief.goto(new URL('/account/sign-in', keyhold.origin));
  expect(thief.page.html).not.toContain(phoneId);
  const dropped = await openWork(keyhold.db, { kind: 'person', id: accountId }, work =>
    dropPasskey(work, accountId, phoneId),
  );
  expect(dropped).toBe('missing');
  const person = await signInBy(onPhone);
  await person.press("This wasn't me: freeze the account");
  expect(person.page.heading).toBe('Your account is frozen');
  expect(await state()).toBe('undone');
  const left = await keyhold.db('passkeys').where({ account_id: accountId }).pluck('credential_id');
  expect(left).toContain(onPhone.credentialId);
  expect(left).not.toContain(stolen.credentialId);
  expect(await keyhold.db('passkeys').where({ account_id: accountId }).whereNotNull('suspended_for')).toEqual(
    [],
  );
});

const requestUrl = (person: Person) => new URL(requestPath(person), keyhold.origin);

test('without a wait it is done in one go, and support is named where nothing is left', async () => {
  const cleo = await newMember(atOnce, shop, 'cleo@example.test');
  const mine = await setUpApp(atOnce, cleo);
  await agedAddresses(atOnce);
  const person = personAt(atOnce);
  await person.goto(await shop.authorizationUrl({ prompt: 'login' }));
  await signIn(person, 'cleo@example.test');
  await person.press(GONE);
  expect(person.page.text).toContain('Ask those who run this service: help@example.test');
  await typeMailedCode(person, 'cleo@example.test');
  expect(person.page.text).not.toContain('waiting time');
  await person.press('Pause them and begin');
  expect(person.page.heading).toBe('Set up your new phone');
  const secret = secretOn(person);
  person.fill('Code from your app', appCode(secret));
  await person.press('Turn on');
  await person.press('I have kept them');
  expect(person.page.heading).toBe('Back in the app');
  const id = await accountOf(atOnce.db, 'cleo@example.test');
  expect((await atOnce.db('recoveries').where({ account_id: id })).map(each => each.state)).toEqual([
    'completed',
  ]);
  expect(secret).not.toBe(mine.secret);
});

test('a frozen account and an unknown address look the same until something is proved', async () => {
  const pages = [];
  for (const address of [email, 'nobody@example.test']) {
    const person = personAt(keyhold);
    await person.goto(await app.authorizationUrl({ prompt: 'login' }));
    person.fill('Email', address);
    await person.press('Continue');
    for (const path of ['/lost', '/lost/continue', '/lost/begin']) await postStep(person, path);
    pages.push([person.page.status, person.page.heading, person.page.text.replaceAll(address, '')]);
  }
  expect(pages[0]).toEqual(pages[1]);
});

test('somebody without a second step says in recovery which passkeys are gone; "this wasn’t me" brings them back', async () => {
  const dora = `dora${count}@example.test`;
  owner = await newMember(keyhold, app, dora);
  const [theirs, id] = await add();
  await agedAddresses(keyhold);
  accountId = await accountOf(keyhold.db, dora);
  const person = personAt(keyhold);
  await toRecoveryCredential(person, app, dora);
  await postStep(person, '/recovery/gone', { gone: id });
  expect(person.page.heading).toBe('Choose how you sign in');
  expect(person.page.text).toContain('What is ticked is paused');
  expect((await signInBy(theirs)).page.heading).toBe('Back in the app');
  await postStep(person, '/recovery/password', { password: 'eleven gentle walruses hum quietly' });
  expect(person.page.heading).toBe('Back in the app');
  expect(await state()).toBe('completed');
  expect((await signInBy(theirs)).page.heading).toBe('Have you lost your phone?');
  const someone = personAt(keyhold);
  await someone.goto(objectionIn(await mailOf(keyhold, dora, /password was changed/)));
  expect(someone.page.text).toContain('What was on your phone works again');
  await someone.press("This wasn't me");
  expect(await state()).toBe('undone');
  expect(await keyhold.db('passkeys').where({ id }).first('suspended_for')).toEqual({ suspended_for: null });
});
