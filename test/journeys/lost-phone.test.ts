import { afterAll, beforeAll, beforeEach, expect, test } from '@jest/globals';
import { appCode, codesOn, type SetUp, secretOn, setUpApp } from '../support/authenticator-app.js';
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
  sayGone,
  showBoth,
  stopLinkIn,
  typeMailedCode,
} from '../support/lost-phone.js';
import { codeIn, objectionIn } from '../support/mailbox.js';
import type { Person } from '../support/person.js';
import { eventsOf, newMember } from '../support/protocol.js';
import { openRelyingParty, type RelyingParty } from '../support/relying-party.js';
import { postStep, recoveryCode } from '../support/steps.js';
import { GOOD_PASSWORD } from '../support/walk.js';

// Somebody whose phone is gone: what they show, how long they wait, who may stop it, and what counts meanwhile.

let keyhold: TestKeyhold;
let app: RelyingParty;
let owner: Person;
let email: string;
let other: string;
let accountId: string;
let mine: SetUp;
let count = 0;

const at = (path: string) => new URL(path, keyhold.origin);
const own = async (type: string) =>
  (await eventsOf(keyhold.db, type)).filter(event => event.account_id === accountId);
const recoveries = () => keyhold.db('recoveries').where({ account_id: accountId }).orderBy('started_at');
const stateOf = async () => (await recoveries()).map(({ state }) => state);
const appsOf = () => keyhold.db('authenticator_apps').where({ account_id: accountId }).orderBy('added_at');

beforeAll(async () => {
  keyhold = await startKeyhold();
  app = await openRelyingParty(keyhold, { first_party: true });
});

beforeEach(async () => {
  email = `ada${++count}@example.test`;
  other = `second-${email}`;
  owner = await newMember(keyhold, app, email);
  accountId = await accountOf(keyhold.db, email);
  mine = await setUpApp(keyhold, owner);
  const at = new Date();
  const second = { account_id: accountId, address: other, verified_at: at, is_primary: false, added_at: at };
  await keyhold.db('email_addresses').insert(second);
  await agedAddresses(keyhold);
});

afterAll(async () => {
  await app?.close();
  await keyhold?.close();
});

async function toSecond(person = personAt(keyhold)): Promise<Person> {
  await person.goto(await app.authorizationUrl({ prompt: 'login' }));
  await signIn(person, email);
  return person;
}

async function answer(person: Person, code: string): Promise<void> {
  person.fill('Code from your app', code);
  await person.press('Continue');
}

const freshCodes = () => keyhold.db('authenticator_apps').update({ last_period: 0 });

/** Sets up an app on the page that follows the wait; gives its secret and the codes that are shown. */
async function setUpNew(person: Person): Promise<SetUp> {
  const secret = secretOn(person);
  person.fill('Code from your app', appCode(secret));
  await person.press('Turn on');
  return { secret, codes: codesOn(person) };
}

test('what is possible is said in plain words; nothing is begun by looking', async () => {
  const person = await sayGone(keyhold, app, email);
  expect(person.page.heading).toBe('Your phone is gone?');
  expect(person.page.text).toContain('waiting time of 72 hours');
  await person.press('Use a recovery code');
  expect(person.page.heading).toBe('One more step');
  expect(person.page.text).toContain('Recovery code');
  expect(await recoveries()).toEqual([]);
});

test('without a password nothing weaker is invented', async () => {
  await keyhold.db('passwords').where({ account_id: accountId }).delete();
  const person = personAt(keyhold);
  await postCode(person);
  expect(person.page.heading).toBe('One more step');
  await person.press(GONE);
  expect(person.page.text).toContain('Your account has no password');
  await postStep(person, '/lost/continue');
  expect(person.page.heading).toBe('Your phone is gone?');
  await postStep(person, '/lost/begin');
  expect(person.page.heading).toBe('Your phone is gone?');
  expect(await recoveries()).toEqual([]);
});

async function postCode(person: Person): Promise<void> {
  const code = await recoveryCode(person, app, email);
  await postStep(person, '/code', { code });
}

test('from recovery the password is asked for as well, and a wrong one begins nothing', async () => {
  const person = personAt(keyhold);
  await postCode(person);
  await person.press(GONE);
  await postStep(person, '/lost/continue');
  expect(person.page.heading).toBe('And your password');
  await postStep(person, '/lost/password', { password: 'a wrong one of somebody' });
  expect([person.page.status, person.page.heading]).toEqual([400, 'And your password']);
  await postStep(person, '/lost/begin');
  expect(await recoveries()).toEqual([]);
  expect((await own('sign_in.failed')).map(({ detail }) => detail['by'])).toEqual(['password']);
  await postStep(person, '/lost/password', { password: GOOD_PASSWORD });
  expect(person.page.heading).toBe('What was on the phone?');
});

test('both are shown: what was on the phone is paused at once, everybody is signed out, every address is told', async () => {
  const person = await beginToWait(keyhold, app, email);
  expect(person.page.heading).toBe('Now you wait');
  expect(await stateOf()).toEqual(['waiting']);
  const [row] = await recoveries();
  expect((row.ready_at.getTime() - row.started_at.getTime()) / 3_600_000).toBe(72);
  expect((await appsOf()).map(each => each.suspended_for)).toEqual([row.id]);
  expect(await keyhold.db('sessions').where({ account_id: accountId }).whereNull('ended_at')).toEqual([]);
  expect(await keyhold.db('grants').where({ account_id: accountId })).toEqual([]);
  expect(await keyhold.db('remembered_browsers').where({ account_id: accountId })).toEqual([]);
  await owner.goto(at('/account'));
  expect(owner.page.heading).toBe('Sign in');
  for (const address of [email, other]) {
    const mail = await mailOf(keyhold, address, /Is your phone lost/);
    expect(mail.text).toContain('Network address');
    expect(stopLinkIn(mail)).toContain('/recovery/stop/');
  }
  expect((await own('recovery.begun')).map(({ detail }) => detail['hours'])).toEqual([72]);
  expect(await own('authenticator_app.suspended')).toHaveLength(1);
});

test('what is paused proves nothing, neither at the second step nor in recovery, and asks whether it was them', async () => {
  await beginToWait(keyhold, app, email);
  await freshCodes();
  const person = await toSecond();
  expect(person.page.heading).toBe('One more step');
  await answer(person, appCode(mine.secret));
  expect(person.page.heading).toBe('Have you lost your phone?');
  expect(await own('authenticator_app.used')).toHaveLength(0);
  expect((await own('authenticator_app.refused')).map(({ detail }) => detail['reason'])).toEqual([
    'suspended',
  ]);
  await person.press('It was me: choose another way in');
  expect(person.page.heading).toBe('Enter your password');
  expect(await stateOf()).toEqual(['waiting']);

  const again = await toSecond();
  await answer(again, appCode(mine.secret));
  expect([again.page.status, again.page.heading]).toEqual([400, 'One more step']);
  await freshCodes();
  const recovering = personAt(keyhold);
  await postCode(recovering);
  await answer(recovering, appCode(mine.secret));
  expect(recovering.page.heading).toBe('Have you lost your phone?');
  expect(await keyhold.db('sessions').where({ account_id: accountId }).whereNull('ended_at')).toEqual([]);
});

test('whoever has the phone stops it, and signs in as always', async () => {
  await beginToWait(keyhold, app, email);
  await freshCodes();
  const person = await toSecond();
  await answer(person, appCode(mine.secret));
  await person.press('Stop it');
  expect(person.page.heading).toBe('Enter your password');
  expect(person.page.text).toContain('everything that was paused works again');
  expect(await stateOf()).toEqual(['stopped']);
  expect((await appsOf()).map(each => each.suspended_for)).toEqual([null]);
  await freshCodes();
  const again = await toSecond();
  await answer(again, appCode(mine.secret));
  expect(again.page.heading).toBe('Back in the app');
});

test('a recovery code lets them in at once; the overview says what waits, and stops it', async () => {
  await beginToWait(keyhold, app, email);
  const person = await toSecond();
  await person.follow('Phone not at hand? Use a recovery code');
  person.fill('Recovery code', mine.codes[0] ?? '');
  await person.press('Continue');
  await person.press('I have kept it');
  expect(person.page.heading).toBe('Back in the app');
  await person.goto(at('/account'));
  expect(person.page.text).toContain('Somebody says that your phone is lost');
  await person.goto(at('/account/sign-in'));
  expect(person.page.text).toContain('Paused: the phone is said to be lost');
  await person.goto(at('/account/history'));
  expect(person.page.text).toContain('said that the phone is lost');
  await person.goto(at('/account/recovery'));
  await person.press('Stop it');
  expect(person.page.text).toContain('Everything that was paused works again');
  expect(await stateOf()).toEqual(['stopped']);
  await person.goto(at('/account'));
  expect(person.page.text).not.toContain('Somebody says that your phone is lost');
});

test('C18: the link in another mailbox stops it, without signing in; twice is once; looking does nothing', async () => {
  await beginToWait(keyhold, app, email);
  const link = stopLinkIn(await mailOf(keyhold, other, /Is your phone lost/));
  const someone = personAt(keyhold);
  await someone.goto(link);
  expect(someone.page.heading).toBe('Have you lost your phone?');
  expect(await stateOf()).toEqual(['waiting']);
  await someone.post(link, { how: 'stop' });
  expect(someone.page.status).toBe(403);
  expect(await stateOf()).toEqual(['waiting']);
  await someone.goto(link);
  await someone.press('Stop it');
  expect([someone.page.status, someone.page.heading]).toEqual([200, 'It is stopped']);
  expect(await stateOf()).toEqual(['stopped']);
  expect((await appsOf()).map(each => each.suspended_for)).toEqual([null]);
  await someone.goto(link);
  expect(someone.page.heading).toBe('It was stopped already');
  expect(await own('recovery.stopped')).toHaveLength(1);
  for (const address of [email, other]) await mailOf(keyhold, address, /was stopped/);
  await someone.goto(link.replace(/.{6}$/, 'AAAAAA'));
  expect([someone.page.status, someone.page.heading]).toEqual([410, 'This link has ended']);

  const again = await showBoth(keyhold, app, email);
  expect(again.page.heading).toBe('Not yet');
  await postStep(again, '/lost/begin');
  expect(await stateOf()).toEqual(['stopped']);
  await letPass(keyhold, accountId, 24 * 7 + 1);
  const later = await showBoth(keyhold, app, email);
  expect(later.page.heading).toBe('What was on the phone?');
});

test('the owner who stops it may freeze the account as well', async () => {
  await beginToWait(keyhold, app, email);
  const someone = personAt(keyhold);
  await someone.goto(stopLinkIn(await mailOf(keyhold, other, /Is your phone lost/)));
  await someone.press("This wasn't me: freeze the account");
  expect(someone.page.heading).toBe('Your account is frozen');
  expect(await stateOf()).toEqual(['stopped']);
  expect((await appsOf()).map(each => each.suspended_for)).toEqual([null]);
  expect(await keyhold.db('accounts').where({ id: accountId }).first('state')).toEqual({ state: 'frozen' });
  const person = personAt(keyhold);
  await postCode(person);
  await person.press(GONE);
  await postStep(person, '/lost/continue');
  await postStep(person, '/lost/password', { password: GOOD_PASSWORD });
  expect(person.page.text).toContain('frozen');
  expect(await stateOf()).toEqual(['stopped']);
});

test('beginning again neither shortens nor lengthens the wait, and pauses nothing more', async () => {
  await beginToWait(keyhold, app, email);
  const [before] = await recoveries();
  await letPass(keyhold, accountId, 30);
  const [moved] = await recoveries();
  const again = await showBoth(keyhold, app, email);
  expect(again.page.heading).toBe('Now you wait');
  await postStep(again, '/lost/begin');
  await postStep(again, '/lost/app', { setup: 'x', code: '123456' });
  expect(await recoveries()).toEqual([moved]);
  expect(moved.id).toBe(before.id);
  expect(await own('recovery.begun')).toHaveLength(1);
});

test('C08: before its time nothing can be bound; after it both are shown anew, and the new phone takes the place of the old', async () => {
  await beginToWait(keyhold, app, email);
  await letPass(keyhold, accountId, 71);
  expect((await showBoth(keyhold, app, email)).page.heading).toBe('Now you wait');
  await letPass(keyhold, accountId, 2);
  const person = await sayGone(keyhold, app, email);
  await postStep(person, '/lost/app', { setup: 'x', code: '123456' });
  expect(person.page.heading).toBe('Your phone is gone?');
  await typeMailedCode(person, email);
  expect(person.page.heading).toBe('Set up your new phone');
  const fresh = await setUpNew(person);
  expect(person.page.heading).toBe('Write down your recovery codes');
  expect(fresh.codes).toHaveLength(10);
  await person.press('I have kept them');
  expect(person.page.heading).toBe('Back in the app');
  expect(await stateOf()).toEqual(['completed']);
  for (const address of [email, other]) await mailOf(keyhold, address, /Another phone was set up/);
  const codes = await keyhold.db('recovery_codes').where({ account_id: accountId });
  expect(codes).toHaveLength(10);

  await freshCodes();
  const old = await toSecond();
  await answer(old, appCode(mine.secret));
  expect(old.page.heading).toBe('Have you lost your phone?');
  await freshCodes();
  const next = await toSecond();
  await answer(next, appCode(fresh.secret));
  expect(next.page.heading).toBe('Back in the app');

  await lookAhead(keyhold, 24 * 7 + 1);
  expect(await stateOf()).toEqual(['settled']);
  expect(await appsOf()).toHaveLength(1);
  expect(await own('authenticator_app.removed')).toHaveLength(1);
});

test('after it was completed "this wasn\'t me" brings the old phone back, and takes the new one and its codes away', async () => {
  await beginToWait(keyhold, app, email);
  await letPass(keyhold, accountId, 73);
  const thief = await showBoth(keyhold, app, email);
  const stolen = await setUpNew(thief);
  await thief.press('I have kept them');
  const someone = personAt(keyhold);
  await someone.goto(objectionIn(await mailOf(keyhold, other, /Another phone was set up/)));
  expect(someone.page.text).toContain('What was on your phone works again');
  await someone.press("This wasn't me");
  expect(someone.page.heading).toBe('Your account is frozen');
  expect(await stateOf()).toEqual(['undone']);
  expect((await appsOf()).map(each => each.suspended_for)).toEqual([null]);
  expect(await keyhold.db('recovery_codes').where({ account_id: accountId })).toEqual([]);
  await freshCodes();
  const back = personAt(keyhold);
  await postCode(back);
  await answer(back, appCode(stolen.secret));
  expect(back.page.heading).toBe('One more step');
  await answer(back, appCode(mine.secret));
  expect(back.page.heading).toBe('Choose how you sign in');
});

test('the link that stops it, after it was completed, is that objection too', async () => {
  await beginToWait(keyhold, app, email);
  const link = stopLinkIn(await mailOf(keyhold, other, /Is your phone lost/));
  await letPass(keyhold, accountId, 73);
  await setUpNew(await showBoth(keyhold, app, email));
  const someone = personAt(keyhold);
  await someone.goto(link);
  expect(someone.page.text).toContain('has set up another way to sign in');
  await someone.press("This wasn't me: freeze the account");
  expect(someone.page.heading).toBe('Your account is frozen');
  expect(await stateOf()).toEqual(['undone']);
});

test('C34: of a stop and a completion at the same moment exactly one wins', async () => {
  const owned = () => keyhold.db('authenticator_apps').where({ account_id: accountId });
  const { id: lost } = await owned().orderBy('added_at').first();
  for (let round = 0; round < 4; round += 1) {
    await keyhold.db('recoveries').where({ account_id: accountId }).delete();
    /* What a round before this one set up is gone, and what was lost counts again. */
    await owned().whereNot({ id: lost }).delete();
    await owned().update({ suspended_for: null });
    await beginToWait(keyhold, app, email);
    const link = stopLinkIn(await latestStart());
    await letPass(keyhold, accountId, 73);
    const person = await showBoth(keyhold, app, email);
    const secret = secretOn(person);
    person.fill('Code from your app', appCode(secret));
    const someone = personAt(keyhold);
    await someone.goto(link);
    await Promise.all([person.press('Turn on'), someone.press('Stop it')]);
    const [state] = await stateOf();
    const apps = await appsOf();
    const counting = apps.filter(each => each.suspended_for === null);
    if (state === 'completed') expect(person.page.heading).toBe('Write down your recovery codes');
    else {
      expect(state).toBe('stopped');
      expect(person.page.heading).not.toBe('Write down your recovery codes');
    }
    expect(counting).toHaveLength(1);
    expect((await own('recovery.stopped')).length + (await own('recovery.completed')).length).toBe(round + 1);
  }
});

async function latestStart() {
  const [row] = await recoveries();
  const { openKeyring } = await import('../../src/platform/crypto/keyring.js');
  const { stopToken } = await import('../../src/journeys/recovery/lost/tell.js');
  const token = stopToken(openKeyring(keyhold.config.secret), { accountId, id: row.id });
  return { id: '', subject: '', to: '', text: `${keyhold.origin}/recovery/stop/${token}` } as never;
}

test('it is told each day, in the last hours and when its time has come; nobody comes back, and all is as before', async () => {
  await beginToWait(keyhold, app, email);
  await lookAhead(keyhold, 0);
  expect(await own('recovery.reminded')).toHaveLength(0);
  await lookAhead(keyhold, 25);
  await lookAhead(keyhold, 25);
  expect(await own('recovery.reminded')).toHaveLength(1);
  for (const address of [email, other]) stopLinkIn(await mailOf(keyhold, address, /Reminder/));
  await lookAhead(keyhold, 49);
  await lookAhead(keyhold, 67);
  expect(await own('recovery.reminded')).toHaveLength(3);
  await lookAhead(keyhold, 73);
  await lookAhead(keyhold, 73);
  expect(await own('recovery.reminded')).toHaveLength(4);
  for (const address of [email, other]) await mailOf(keyhold, address, /You can set up your new phone/);
  await lookAhead(keyhold, 72 + 24 * 7 + 1);
  expect(await stateOf()).toEqual(['expired']);
  for (const address of [email, other]) await mailOf(keyhold, address, /Nobody set up another phone/);
  expect((await appsOf()).map(each => each.suspended_for)).toEqual([null]);
  const late = await showBoth(keyhold, app, email);
  expect(late.page.heading).toBe('What was on the phone?');
});

test('an address that came lately, or while it waited, is no proof', async () => {
  await beginToWait(keyhold, app, email);
  await letPass(keyhold, accountId, 73);
  await keyhold
    .db('email_addresses')
    .where({ account_id: accountId, address: email })
    .update({ verified_at: new Date() });
  const person = await showBoth(keyhold, app, email);
  expect(person.page.status).toBe(403);
  expect(await stateOf()).toEqual(['waiting']);
  expect((await own('sign_in.failed')).map(({ detail }) => detail['by'])).toContain('code');
});

test('C06: a password that was changed meanwhile, and another request, carry nothing over', async () => {
  const person = await showBoth(keyhold, app, email);
  await keyhold
    .db('accounts')
    .where({ id: accountId })
    .update({ proofs_from: new Date(Date.now() + 1) });
  await postStep(person, '/lost/begin');
  expect(person.page.status).toBe(403);
  expect(await recoveries()).toEqual([]);
  const fresh = personAt(keyhold);
  await fresh.goto(await app.authorizationUrl({ prompt: 'login' }));
  await signIn(fresh, email);
  for (const path of ['/lost/begin', '/lost/app', '/recovery-codes/kept', '/lost/password', '/lost/stop']) {
    await postStep(fresh, path, { how: 'stop' });
    expect(fresh.page.heading).toBe('One more step');
  }
  expect(await recoveries()).toEqual([]);
});

test('C07: the code was mailed for one browser, and is good there alone and once', async () => {
  const mine = await sayGone(keyhold, app, email);
  await postStep(mine, '/lost/continue');
  const code = codeIn(await mailOf(keyhold, email, /^\d{8} /));
  const thief = await sayGone(keyhold, app, email);
  await postStep(thief, '/lost/continue');
  await postStep(thief, '/code', { code });
  expect(thief.page.heading).not.toBe('What was on the phone?');
  expect(await recoveries()).toEqual([]);
});
