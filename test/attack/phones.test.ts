import { afterAll, beforeAll, beforeEach, expect, test } from '@jest/globals';
import { appCode, forgetPeriods, type SetUp, secretOn, setUpApp } from '../support/authenticator-app.js';
import { until } from '../support/jobs.js';
import { personAt, signIn } from '../support/journeys.js';
import { startKeyhold, type TestKeyhold } from '../support/keyhold.js';
import { accountOf, peopleOnRecord } from '../support/ledger.js';
import { agedAddresses, letPass, secondIsOver } from '../support/lost-phone.js';
import { mailsNow, objectionIn } from '../support/mailbox.js';
import { beginMove, bindPasskey, confirm, PHONE, scan } from '../support/move.js';
import { signInBeside } from '../support/people.js';
import type { Person } from '../support/person.js';
import { newMember } from '../support/protocol.js';
import { openRelyingParty, type RelyingParty } from '../support/relying-party.js';
import { csrfOf, postStep, recoveryCode } from '../support/steps.js';
import { GOOD_PASSWORD } from '../support/walk.js';

// What somebody who only reads mail, or only holds an old session, makes of a change of phones.

let keyhold: TestKeyhold;
let app: RelyingParty;
let owner: Person;
let email: string;
let accountId: string;
let count = 0;

const STEP = 'One more step';
const at = (path: string) => new URL(path, keyhold.origin);
const apps = () => keyhold.db('authenticator_apps').where({ account_id: accountId }).orderBy('id');
const asks = async () => (await keyhold.db('accounts').where({ id: accountId }).first()).second_step;

beforeAll(async () => {
  keyhold = await startKeyhold();
  app = await openRelyingParty(keyhold, { first_party: true });
});

beforeEach(async () => {
  email = `ada${++count}@example.test`;
  owner = await newMember(keyhold, app, email);
  accountId = await accountOf(keyhold.db, email);
});

afterAll(async () => {
  await app?.close();
  await keyhold?.close();
});

async function signInTwice(person: Person, secret: string): Promise<void> {
  await signIn(person, email);
  await forgetPeriods(keyhold);
  person.fill('Code from your app', appCode(secret));
  await person.press('Continue');
}

/** The owner moves to a new phone, and the app on the old one goes. */
async function changePhones(): Promise<SetUp> {
  const before = await setUpApp(keyhold, owner);
  await owner.goto(at('/account/move'));
  await signInTwice(owner, before.secret);
  const link = await beginMove(keyhold, owner);
  const phone = personAt(keyhold, { userAgent: PHONE });
  await scan(phone, link);
  await confirm(keyhold, owner, phone);
  await phone.follow('Set up an authenticator app');
  const secret = secretOn(phone);
  phone.fill('Code from your app', appCode(secret));
  await phone.press('Take this app');
  await phone.press('Try it now');
  await signInTwice(phone, secret);
  expect(phone.page.heading).toBe('It works');
  const [old] = await apps();
  const form = { csrf: csrfOf(phone), for: accountId, thing: `app ${old.id}` };
  await phone.goto(at('/account/move/old'));
  await phone.post(at('/account/move/old'), { ...form, csrf: csrfOf(phone) });
  expect(await apps()).toHaveLength(1);
  return { secret, codes: before.codes };
}

test.each([
  ['the new app', /has an authenticator app/, 2],
  ['the phone that was let in', /new phone is being set up/, 1],
  ['the old phone that went', /old phone no longer opens/, 1],
])(
  'C08: whoever only reads mail and disowns %s is not rid of the second step that was there before',
  async (_what, subject, many) => {
    const { codes } = await changePhones();
    const thief = personAt(keyhold);
    const notices = async () => (await mailsNow(keyhold, email)).filter(mail => subject.test(mail.subject));
    await until(async () => (await notices()).length === many);
    const [notice] = await notices();
    if (!notice) throw new Error('no notice came');
    await thief.goto(objectionIn(notice));
    await thief.press("This wasn't me");
    expect(thief.page.heading).toBe('Your account is frozen');
    expect(await apps()).toEqual([]);
    expect(await asks()).toBe(true);
    const before = await peopleOnRecord(keyhold.db);
    await postStep(thief, '/code', { code: await recoveryCode(thief, app, email) });
    expect(thief.page.heading).toBe(STEP);
    await postStep(thief, '/recovery/password', { password: 'eleven walruses polish quiet trombones' });
    expect(thief.page.heading).toBe(STEP);
    expect(await peopleOnRecord(keyhold.db)).toBe(before);
    await postStep(thief, '/second-step', { by: 'recovery', code: codes[0] ?? '' });
    expect(thief.page.heading).toBe('Keep your new recovery code');
  },
);

test('an owner whose last factor was disowned, with no code left, gets back in by the wait, and by nothing less', async () => {
  await changePhones();
  await keyhold.db('recovery_codes').where({ account_id: accountId }).delete();
  await agedAddresses(keyhold);
  const back = personAt(keyhold);
  const notices = async () =>
    (await mailsNow(keyhold, email)).filter(({ subject }) => /old phone no longer opens/.test(subject));
  await until(async () => (await notices()).length === 1);
  const [notice] = await notices();
  if (!notice) throw new Error('no notice came');
  await back.goto(objectionIn(notice));
  await back.press("This wasn't me");
  const toBoth = async () => {
    await postStep(back, '/code', { code: await recoveryCode(back, app, email) });
    expect(back.page.heading).toBe(STEP);
    await postStep(back, '/lost');
    await postStep(back, '/lost/continue');
    await postStep(back, '/lost/password', { password: GOOD_PASSWORD });
  };
  await toBoth();
  expect(back.page.heading).toBe('What was on the phone?');
  await postStep(back, '/lost/begin');
  expect(back.page.heading).toBe('Now you wait');
  expect((await keyhold.db('accounts').where({ id: accountId }).first()).state).toBe('frozen');
  await letPass(keyhold, accountId, 73);
  await secondIsOver(keyhold);
  await toBoth();
  expect(back.page.heading).toBe('Set up your new phone');
  const secret = secretOn(back);
  back.fill('Code from your app', appCode(secret));
  await back.press('Turn on');
  expect(back.page.heading).toBe('Write down your recovery codes');
  expect((await keyhold.db('accounts').where({ id: accountId }).first()).state).toBe('active');
  expect(await asks()).toBe(true);
});

test('two apps that a thief added to an account without a second step are both disowned, and so is the step', async () => {
  await setUpApp(keyhold, owner);
  await keyhold.db('sessions').where({ account_id: accountId }).update({ acr: 'aal2' });
  await setUpApp(keyhold, owner);
  expect(await apps()).toHaveLength(2);
  const reader = personAt(keyhold);
  const sent = async () =>
    (await mailsNow(keyhold, email)).filter(({ subject }) => /authenticator app/.test(subject));
  await until(async () => (await sent()).length === 2);
  for (const notice of await sent()) {
    await reader.goto(objectionIn(notice));
    await reader.press("This wasn't me");
  }
  expect(await apps()).toEqual([]);
  expect(await asks()).toBe(false);
});

test('C22: a phone that was let in binds nothing once the session that let it in was ended from elsewhere', async () => {
  const elsewhere = personAt(keyhold);
  await signInBeside(elsewhere, app, email);
  const phone = personAt(keyhold, { userAgent: PHONE });
  await scan(phone, await beginMove(keyhold, owner));
  await confirm(keyhold, owner, phone);
  await elsewhere.goto(at('/account/devices/end-others'));
  await elsewhere.post(at('/account/devices/end-others'), { csrf: csrfOf(elsewhere), for: accountId });
  const ended = await keyhold.db('sessions').where({ account_id: accountId }).whereNotNull('ended_at');
  expect(ended).toHaveLength(1);
  const before = await peopleOnRecord(keyhold.db);
  const { kept, options } = await bindPasskey(keyhold, phone).catch(error => ({
    kept: error,
    options: error,
  }));
  expect([options.status ?? 409, kept.status ?? 409]).toEqual([409, 409]);
  await phone.goto(at('/move'));
  expect(phone.page.status).toBe(410);
  expect(await peopleOnRecord(keyhold.db)).toBe(before);
});

test('whoever signs the old phone out by themselves may go on with the new one that they let in', async () => {
  const phone = personAt(keyhold, { userAgent: PHONE });
  await scan(phone, await beginMove(keyhold, owner));
  await confirm(keyhold, owner, phone);
  await keyhold
    .db('sessions')
    .where({ account_id: accountId })
    .update({ ended_at: new Date(), ended_reason: 'signed-out' });
  expect((await bindPasskey(keyhold, phone)).kept.status).toBe(200);
});
