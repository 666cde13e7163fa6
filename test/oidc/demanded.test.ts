import { afterAll, beforeAll, beforeEach, expect, test } from '@jest/globals';
import { decodeJwt } from 'jose';
import * as openid from 'openid-client';
import { runRoles } from '../../src/role-commands.js';
import { appCode, codesOn, forgetPeriods } from '../support/authenticator-app.js';
import { until } from '../support/jobs.js';
import { personAt, signIn, signUp } from '../support/journeys.js';
import { startKeyhold, type TestKeyhold } from '../support/keyhold.js';
import { accountOf, peopleOnRecord } from '../support/ledger.js';
import { codeIn } from '../support/mailbox.js';
import type { Person } from '../support/person.js';
import { eventsOf, newMember } from '../support/protocol.js';
import { openRawClient } from '../support/raw-client.js';
import { openRelyingParty, type RelyingParty } from '../support/relying-party.js';
import { chooseApp, choosePasskey } from '../support/step-up.js';
import { postScript, postStep, toCredential, toPassword, toRecoveryCredential } from '../support/steps.js';
import { GOOD_PASSWORD } from '../support/walk.js';

// A second step that an app, a request or a role demands, on every way in (ASVS 6.3.3, 6.3.4; C13, C15, C16).

let keyhold: TestKeyhold;
/** Asks for nothing more than a password. */
let plain: RelyingParty;
/** Takes nobody with a password alone. */
let strict: RelyingParty;
/** A television that takes nobody with a password alone. */
let tv: RelyingParty;
/** Takes passkeys only. */
let strictest: RelyingParty;
let email: string;
let accountId: string;
let count = 0;

const CHOICE = 'Set up a second step';
const CODES = 'Write down your recovery codes';
const IN = 'Back in the app';
const NEW_PASSWORD = 'eleven walruses polish quiet trombones';

beforeAll(async () => {
  keyhold = await startKeyhold({ SECOND_STEP_ROLES: 'operator, support' });
  const grants = ['authorization_code', 'refresh_token'];
  plain = await openRelyingParty(keyhold, { first_party: true });
  strict = await openRelyingParty(keyhold, { first_party: true, minimum_acr: 'aal2', grant_types: grants });
  tv = await openRelyingParty(keyhold, {
    minimum_acr: 'aal2',
    grant_types: ['urn:ietf:params:oauth:grant-type:device_code'],
    response_types: [],
    redirect_uris: [],
    post_logout_redirect_uris: [],
    token_endpoint_auth_method: 'none',
  });
  strictest = await openRelyingParty(keyhold, { first_party: true, minimum_acr: 'phr' });
});

beforeEach(async () => {
  email = `ada${++count}@example.test`;
  await newMember(keyhold, plain, email);
  accountId = await accountOf(keyhold.db, email);
});

afterAll(async () => {
  await Promise.all([plain?.close(), strict?.close(), tv?.close(), strictest?.close()]);
  await keyhold?.close();
});

async function ask(
  app: RelyingParty,
  wishes: Readonly<Record<string, string>> = {},
  person = personAt(keyhold),
) {
  await person.goto(await app.authorizationUrl(wishes));
  return person;
}

async function toChoice(app = strict): Promise<Person> {
  const person = await ask(app);
  await signIn(person, email);
  expect(person.page.heading).toBe(CHOICE);
  return person;
}

async function byMailedCode(person: Person): Promise<void> {
  const earlier = await person.newestMail(email, /^\d{8} /);
  await postStep(person, '/code/send');
  let mail = earlier;
  await until(async () => {
    mail = await person.newestMail(email, /^\d{8} /);
    return mail?.id !== earlier?.id;
  });
  if (!mail) throw new Error('no code came');
  await postStep(person, '/code', { code: codeIn(mail) });
}

const claimsOf = async (app: RelyingParty) => decodeJwt((await app.exchange()).id_token ?? '');
const sessions = () => keyhold.db('sessions').where({ account_id: accountId }).whereNull('ended_at');
const mine = async (type: string) =>
  (await eventsOf(keyhold.db, type)).filter(event => event.account_id === accountId);

async function role(verb: string, ...words: string[]) {
  const said: string[] = [];
  const say = (text: string) => void said.push(text);
  const code = await runRoles([verb, email, ...words], {
    db: keyhold.db,
    config: keyhold.config,
    print: say,
    fail: say,
  });
  return { code, said: said.join('') };
}

test('C13: a password alone signs nobody in to an app that demands more: an app is set up first, then aal2', async () => {
  await keyhold.db('sessions').delete();
  const person = await toChoice();
  expect(person.page.text).toContain('The app asks for more than a password');
  expect(person.page.buttons).not.toContain('Not now');
  expect(await sessions()).toHaveLength(0);
  const secret = await chooseApp(person);
  expect(person.page.heading).toBe(CODES);
  const codes = codesOn(person);
  expect(codes).toHaveLength(10);
  expect(await sessions()).toHaveLength(0);
  await person.press('I have kept them');
  expect(person.page.heading).toBe(IN);
  expect(await claimsOf(strict)).toMatchObject({ acr: 'aal2', amr: ['pwd', 'otp', 'mfa'] });
  expect((await mine('session.authenticated')).at(-1)?.detail).toMatchObject({ acr: 'aal2' });
  await until(async () => (await person.newestMail(email, /authenticator app/)) !== undefined);

  await forgetPeriods(keyhold);
  const again = await ask(strict);
  await signIn(again, email);
  expect(again.page.heading).toBe('One more step');
  again.fill('Code from your app', appCode(secret));
  await again.press('Continue');
  expect(again.page.heading).toBe(IN);
});

test('a passkey is set up instead; the next time it is asked for, and a recovery code stands in for it', async () => {
  const person = await toChoice();
  const authenticator = await choosePasskey(keyhold, person);
  expect(person.page.heading).toBe(CODES);
  const [code = ''] = codesOn(person);
  await person.press('I have kept them');
  expect(person.page.heading).toBe(IN);
  expect(await claimsOf(strict)).toMatchObject({ acr: 'phr', amr: ['pwd', 'hwk', 'user', 'mfa'] });

  const again = await ask(strict);
  await signIn(again, email);
  expect(again.page.heading).toBe('Use your passkey');
  const { body } = await postScript(again, '/passkey/options');
  const answer = await postScript(again, '/passkey', { credential: authenticator.get(body as never) });
  await again.goto(new URL(String(answer.body['location']), keyhold.origin));
  expect(again.page.heading).toBe(IN);
  expect(await claimsOf(strict)).toMatchObject({ acr: 'phr' });

  const without = await ask(strict);
  await signIn(without, email);
  without.fill('Recovery code', 'AAAA-BBBB-CCCC-DDDD');
  expect((await without.press('Continue')).status).toBe(400);
  without.fill('Recovery code', code);
  await without.press('Continue');
  await without.press('I have kept it');
  expect(without.page.heading).toBe(IN);
  expect(await claimsOf(strict)).toMatchObject({ acr: 'aal2', amr: ['pwd', 'mfa'] });
});

test('C15: with a password alone nobody adds a factor to an account that has one', async () => {
  const owner = await toChoice();
  await choosePasskey(keyhold, owner);
  const before = await peopleOnRecord(keyhold.db);
  const thief = await ask(strict);
  await signIn(thief, email);
  expect(thief.page.heading).toBe('Use your passkey');
  await postStep(thief, '/second-factor/app');
  expect((await postScript(thief, '/passkey/new/options')).status).toBe(409);
  await ask(strictest, {}, thief);
  await signIn(thief, email);
  expect(thief.page.heading).toBe('Use your passkey');
  expect(thief.page.text).not.toContain('Recovery code');
  expect(await peopleOnRecord(keyhold.db)).toBe(before);
});

test('C15: of two who set up a factor at once with the same password, one does', async () => {
  const [first, second, third] = [await toChoice(), await toChoice(), await toChoice()];
  await second.press('Use an authenticator app');
  await third.press('Use an authenticator app');
  await choosePasskey(keyhold, first);
  expect(first.page.heading).toBe(CODES);
  const codes = await keyhold.db('recovery_codes').where({ account_id: accountId }).pluck('hash');
  for (const late of [second, third]) {
    const key = /<code class="key"[^>]*>([A-Z2-7 ]+)</.exec(late.page.html)?.[1] ?? '';
    late.fill('Code from your app', appCode(key.replaceAll(' ', '')));
    await late.press('Turn on');
    expect(late.page.heading).toBe('Enter your password');
  }
  expect(await keyhold.db('authenticator_apps').where({ account_id: accountId })).toHaveLength(0);
  expect(await keyhold.db('recovery_codes').where({ account_id: accountId }).pluck('hash')).toEqual(codes);
});

test('C06: the secret of an app that was begun before turning back is good for nothing afterwards', async () => {
  const person = await toChoice();
  await person.press('Use an authenticator app');
  const setup = /name="setup" value="([^"]+)"/.exec(person.page.html)?.[1] ?? '';
  const key = /<code class="key"[^>]*>([A-Z2-7 ]+)</.exec(person.page.html)?.[1] ?? '';
  const code = appCode(key.replaceAll(' ', ''));
  await postStep(person, '/back');
  await postStep(person, '/second-factor/app/code', { setup, code });
  expect(person.page.heading).toBe('Sign in');
  await signIn(person, email);
  await person.press('Use an authenticator app');
  await postStep(person, '/second-factor/app/code', { setup, code });
  expect(person.page.status).toBe(400);
  expect(await keyhold.db('authenticator_apps').where({ account_id: accountId })).toHaveLength(0);
});

test.each([
  [
    'waited for longer than a code would',
    () =>
      keyhold.db.raw(
        `UPDATE interactions SET progress = jsonb_set(progress, '{stepUp,at}', to_jsonb((progress #>> '{stepUp,at}')::numeric - 660000))
         WHERE progress ->> 'stepUp' IS NOT NULL`,
      ),
  ],
  [
    'is older than a changed password',
    () =>
      keyhold
        .db('accounts')
        .where({ id: accountId })
        .update({ proofs_from: new Date(Date.now() + 1) }),
  ],
])('C23: a first step that %s sets nothing up', async (_why, happens) => {
  const person = await toChoice();
  await happens();
  await person.press('Use an authenticator app');
  const key = /<code class="key"[^>]*>([A-Z2-7 ]+)</.exec(person.page.html)?.[1] ?? '';
  person.fill('Code from your app', appCode(key.replaceAll(' ', '')));
  await person.press('Turn on');
  expect(person.page.heading).toBe('Enter your password');
  expect(await keyhold.db('authenticator_apps').where({ account_id: accountId })).toHaveLength(0);
});

test('C13: a code by mail is not enough, neither alone nor to set anything up', async () => {
  await keyhold.db('sessions').delete();
  const person = await ask(strict);
  person.fill('Email', email);
  await person.press('Continue');
  expect(person.page.buttons).not.toContain('Email me a code');
  const before = await peopleOnRecord(keyhold.db);
  await byMailedCode(person);
  expect(person.page.heading).toBe('Enter your password');
  expect(person.page.text).toContain('A code by email is not enough here');
  expect(await peopleOnRecord(keyhold.db)).toBe(before);
});

test('C13: signing up leads through setting up as well, and a passkey is enough by itself', async () => {
  const person = personAt(keyhold);
  await toCredential(person, strict, `new${count}@example.test`);
  await postStep(person, '/account', { password: GOOD_PASSWORD, name: '', terms: 'yes' });
  expect(person.page.heading).toBe(CHOICE);
  const newcomer = await accountOf(keyhold.db, `new${count}@example.test`);
  expect(await keyhold.db('sessions').where({ account_id: newcomer })).toHaveLength(0);
  await chooseApp(person);
  await person.press('I have kept them');
  expect(person.page.heading).toBe(IN);
  expect(await claimsOf(strict)).toMatchObject({ acr: 'aal2' });
});

test('C08, C13: recovery signs nobody in there: the new password is asked for, and a factor is set up', async () => {
  await keyhold.db('sessions').delete();
  const person = personAt(keyhold);
  await toRecoveryCredential(person, strict, email);
  await postStep(person, '/recovery/password', { password: NEW_PASSWORD });
  expect(person.page.heading).toBe('Enter your password');
  expect(person.page.text).toContain('Your account is yours again');
  expect(await sessions()).toHaveLength(0);
  await postStep(person, '/password', { password: NEW_PASSWORD });
  expect(person.page.heading).toBe(CHOICE);
});

test('C13: prompt=none is told so, and a session that is too weak is asked again', async () => {
  const person = await ask(plain);
  await signIn(person, email);
  await ask(strict, { prompt: 'none', state: 'a' }, person);
  expect(person.page.url.searchParams.get('error')).toBe('login_required');
  await ask(strict, {}, person);
  expect(person.page.heading).toBe('Sign in');
  expect(person.page.text).toContain('The app asks for more than a password');
  await signIn(person, email);
  expect(person.page.heading).toBe(CHOICE);
});

test('C13: a request that was pushed and a device are held to the same', async () => {
  const { searchParams } = await strict.authorizationUrl();
  const raw = await openRawClient(keyhold, strict.client);
  const Authorization = `Basic ${btoa(`${strict.clientId}:${strict.client.client_secret}`)}`;
  const pushed = await raw.post('/par', Object.fromEntries(searchParams), { Authorization });
  const person = personAt(keyhold);
  const uri = new URLSearchParams({
    client_id: strict.clientId,
    request_uri: String(pushed.body['request_uri']),
  });
  await person.goto(new URL(`/authorize?${uri}`, keyhold.origin));
  await signIn(person, email);
  expect(person.page.heading).toBe(CHOICE);

  const device = await openid.initiateDeviceAuthorization(tv.configuration, { scope: 'openid' });
  const viewer = personAt(keyhold);
  await viewer.goto(device.verification_uri);
  viewer.fill('Code on the device', device.user_code);
  await viewer.press('Continue');
  await viewer.press('Yes, this is my device');
  await signIn(viewer, email);
  expect(viewer.page.heading).toBe(CHOICE);
  await chooseApp(viewer);
  await viewer.press('I have kept them');
  if (viewer.page.buttons.includes('Allow')) await viewer.press('Allow');
  const polled = await openid.pollDeviceAuthorizationGrant(tv.configuration, { ...device, interval: 0.01 });
  expect(decodeJwt(polled.id_token ?? '')).toMatchObject({ acr: 'aal2' });
});

test('whoever is signed in too weakly when the demand comes is asked again at the next request', async () => {
  const person = await ask(plain);
  await signIn(person, email);
  expect(person.page.heading).toBe(IN);
  await keyhold
    .db('clients')
    .where({ client_id: plain.clientId })
    .update({
      metadata: keyhold.db.raw(`metadata || '{"minimum_acr":"aal2"}'`),
    });
  await until(async () => {
    await ask(plain, {}, person);
    return person.page.heading === 'Sign in';
  });
  await keyhold
    .db('clients')
    .where({ client_id: plain.clientId })
    .update({
      metadata: keyhold.db.raw(`metadata - 'minimum_acr'`),
    });
  await until(async () => {
    await ask(plain, {}, person);
    return person.page.heading === IN;
  });
});

test('an app that takes passkeys only offers nothing else', async () => {
  const person = await toChoice(strictest);
  expect(person.page.buttons).not.toContain('Use an authenticator app');
  await postStep(person, '/second-factor/app');
  expect(person.page.heading).toBe(CHOICE);
  await choosePasskey(keyhold, person);
  await person.press('I have kept them');
  expect(await claimsOf(strictest)).toMatchObject({ acr: 'phr' });
});

test('C24: what a browser is remembered for does not count where more is demanded', async () => {
  const person = await toChoice();
  const secret = await chooseApp(person);
  await person.press('I have kept them');
  await forgetPeriods(keyhold);
  const again = await ask(plain, { prompt: 'login' });
  await signIn(again, email);
  again.tick('Do not ask in this browser for 30 days');
  again.fill('Code from your app', appCode(secret));
  await again.press('Continue');
  await ask(plain, { prompt: 'login' }, again);
  await signIn(again, email);
  expect(again.page.heading).toBe(IN);
  await ask(strict, { prompt: 'login' }, again);
  await signIn(again, email);
  expect(again.page.heading).toBe('One more step');
});

test('what an app merely wishes for is offered once, and may be declined', async () => {
  const person = await ask(plain, { acr_values: 'aal2' });
  await signIn(person, email);
  expect(person.page.heading).toBe(CHOICE);
  await person.press('Not now');
  expect(person.page.heading).toBe(IN);
  expect(await claimsOf(plain)).toMatchObject({ acr: 'aal1' });
  await ask(plain, { acr_values: 'aal2' }, person);
  await signIn(person, email);
  expect(person.page.heading).toBe(IN);
});

test('a role demands it of its people in every app, until it is taken', async () => {
  const person = await ask(plain);
  await signIn(person, email);
  const given = await role('add', 'operator');
  expect(given.code).toBe(0);
  expect(JSON.parse(given.said)).toEqual({
    account: accountId,
    roles: ['operator'],
    second_step_required: true,
  });
  expect((await mine('role.given')).map(({ detail }) => detail)).toEqual([{ role: 'operator' }]);
  await role('add', 'operator');
  expect(await mine('role.given')).toHaveLength(1);
  await ask(plain, { prompt: 'none' }, person);
  expect(person.page.url.searchParams.get('error')).toBe('login_required');
  await ask(plain, {}, person);
  expect(person.page.text).toContain('You may do more here than others');
  await signIn(person, email);
  expect(person.page.heading).toBe(CHOICE);
  expect(person.page.text).toContain('You may do more here than others');
  await chooseApp(person);
  await person.press('I have kept them');
  expect(await claimsOf(plain)).toMatchObject({ acr: 'aal2' });

  const byMail = personAt(keyhold);
  await toPassword(byMail, plain, email);
  await byMailedCode(byMail);
  expect(byMail.page.heading).toBe('One more step');

  expect((await role('remove', 'operator')).code).toBe(0);
  const guest = await role('add', 'guest');
  expect(JSON.parse(guest.said)).toMatchObject({
    roles: ['guest'],
    second_step_required: false,
  });
  expect((await role('add', 'No Role')).code).toBe(1);
  expect((await role('add')).code).toBe(2);
  /* What somebody may do is read with all else about them, for a purpose. */
  expect((await role('list')).code).toBe(2);
  expect(await mine('role.taken')).toHaveLength(1);
});

test('somebody with a role is led through setting up when they sign in with nothing but a code by mail', async () => {
  await role('add', 'support');
  const person = personAt(keyhold);
  await toPassword(person, plain, email);
  await byMailedCode(person);
  expect(person.page.heading).toBe('Enter your password');
  await postStep(person, '/password', { password: GOOD_PASSWORD });
  expect(person.page.heading).toBe(CHOICE);
});

test('signing up anew is not held up by roles that nobody has', async () => {
  const person = personAt(keyhold);
  await signUp(person, plain, `free${count}@example.test`);
  expect(person.page.heading).toBe(IN);
});
