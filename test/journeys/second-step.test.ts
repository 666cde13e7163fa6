import { afterAll, beforeAll, beforeEach, expect, test } from '@jest/globals';
import { decodeJwt } from 'jose';
import { dropApp } from '../../src/domain/factors/factors.js';
import { undoingsOf } from '../../src/journeys/notices/undo.js';
import { openWork } from '../../src/platform/storage/work.js';
import {
  appCode,
  codesOn,
  forgetPeriods,
  type SetUp,
  secretOn,
  setUpApp,
} from '../support/authenticator-app.js';
import { until } from '../support/jobs.js';
import { personAt, signIn } from '../support/journeys.js';
import { startKeyhold, type TestKeyhold } from '../support/keyhold.js';
import { accountOf, peopleOnRecord } from '../support/ledger.js';
import { codeIn, objectionIn } from '../support/mailbox.js';
import { signInBeside } from '../support/people.js';
import type { Person } from '../support/person.js';
import { eventsOf, newMember } from '../support/protocol.js';
import { openRelyingParty, type RelyingParty } from '../support/relying-party.js';
import { csrfOf, postStep, recoveryCode, toPassword } from '../support/steps.js';
import { GOOD_PASSWORD } from '../support/walk.js';

// The second step: asked of whoever has one on every way in, done once with each code, and carried nowhere.

let keyhold: TestKeyhold;
let app: RelyingParty;
let owner: Person;
let email: string;
let accountId: string;
let mine: SetUp;
let count = 0;

const STEP = 'One more step';
const at = (path: string) => new URL(path, keyhold.origin);

beforeAll(async () => {
  keyhold = await startKeyhold();
  app = await openRelyingParty(keyhold, { first_party: true });
});

beforeEach(async () => {
  email = `ada${++count}@example.test`;
  owner = await newMember(keyhold, app, email);
  accountId = await accountOf(keyhold.db, email);
  mine = await setUpApp(keyhold, owner);
});

afterAll(async () => {
  await app?.close();
  await keyhold?.close();
});

const own = async (type: string) =>
  (await eventsOf(keyhold.db, type)).filter(event => event.account_id === accountId);

async function toSecond(
  person = personAt(keyhold),
  wishes: Readonly<Record<string, string>> = {},
): Promise<Person> {
  await person.goto(await app.authorizationUrl({ prompt: 'login', ...wishes }));
  await signIn(person, email);
  return person;
}

async function answer(person: Person, code: string, label = 'Code from your app'): Promise<void> {
  person.fill(label, code);
  await person.press('Continue');
}

const claims = async () => decodeJwt((await app.exchange()).id_token ?? '');

test('an app is set up by its first code, and not before; recovery codes are shown once', async () => {
  expect(mine.codes).toHaveLength(10);
  expect(new Set(mine.codes.map(code => code.slice(0, 2))).size).toBe(10);
  const csrf = csrfOf(owner);
  const file = await owner.post(at('/account/sign-in/recovery-codes/file'), {
    csrf,
    for: accountId,
    codes: mine.codes.join(' '),
  });
  expect(file.headers.get('content-disposition')).toContain('attachment');
  expect(file.html).toContain(mine.codes[9]);
  await owner.goto(at('/account/sign-in/recovery-codes'));
  expect(codesOn(owner)).toEqual([]);
  expect(owner.page.text).toContain('10 codes left');
  const { rows } = await keyhold.db.raw(
    `SELECT (SELECT string_agg(t::text, '') FROM authenticator_apps t) AS apps, (SELECT string_agg(t::text, '') FROM recovery_codes t) AS codes`,
  );
  expect(rows[0].apps).not.toContain(mine.secret);
  expect(rows[0].codes).not.toContain((mine.codes[0] ?? '').replaceAll('-', ''));
  await until(async () => (await owner.newestMail(email, /authenticator app/)) !== undefined);

  const other = await newMember(keyhold, app, `other${count}@example.test`);
  await other.goto(at('/account/sign-in/apps/new'));
  const before = await peopleOnRecord(keyhold.db);
  other.fill('Code from your app', '12345');
  expect((await other.press('Turn on')).status).toBe(400);
  expect(secretOn(other)).toHaveLength(32);
  const moved = /name="setup" value="([^"]+)"/.exec(other.page.html)?.[1] ?? '';
  await owner.goto(at('/account/sign-in'));
  await owner.post(at('/account/sign-in/apps/new'), { csrf: csrfOf(owner), for: accountId, setup: moved });
  expect(await keyhold.db('authenticator_apps').where({ account_id: accountId })).toHaveLength(1);
  expect(await peopleOnRecord(keyhold.db)).toBe(before);
});

test('C16: a password opens nothing alone; with a code it is aal2, and the code is good once', async () => {
  const person = await toSecond();
  expect(person.page.heading).toBe(STEP);
  await answer(person, '12 34');
  expect(person.page.text).toContain('The code has 6 digits.');
  const code = appCode(mine.secret);
  await answer(person, code);
  expect(person.page.heading).toBe('Back in the app');
  expect(await claims()).toMatchObject({ acr: 'aal2', amr: ['pwd', 'otp', 'mfa'] });
  expect(await own('authenticator_app.used')).toHaveLength(1);

  const again = await toSecond();
  await answer(again, code);
  expect([again.page.status, again.page.heading]).toEqual([400, STEP]);
  expect((await own('replay.refused')).map(({ detail }) => detail['kind'])).toContain('app_code');
  expect(await own('sign_in.failed')).toHaveLength(1);
  await answer(again, appCode(mine.secret, -1));
  expect(again.page.heading).toBe(STEP);
  await answer(again, appCode(mine.secret, 1));
  expect(again.page.heading).toBe('Back in the app');
});

test('C34: of ten with the same code at once, one gets in', async () => {
  const people = [];
  for (let one = 0; one < 5; one += 1) people.push(await toSecond());
  const code = appCode(mine.secret);
  await Promise.all(people.map(person => answer(person, code)));
  expect(people.filter(({ page }) => page.heading === 'Back in the app')).toHaveLength(1);
  expect(await own('authenticator_app.used')).toHaveLength(1);
});

test('C18: a recovery code stands in once, and another one takes its place', async () => {
  const [used = ''] = mine.codes;
  const person = await toSecond();
  await person.follow('Phone not at hand? Use a recovery code');
  await answer(person, 'nonsense', 'Recovery code');
  expect(person.page.text).toContain('16 letters and digits');
  await answer(person, used.toLowerCase().replaceAll('-', ' '), 'Recovery code');
  expect(person.page.heading).toBe('Keep your new recovery code');
  const renewed = /<output[^>]*>([\w-]+)</.exec(person.page.html)?.[1] ?? '';
  await person.press('I have kept it');
  expect(person.page.heading).toBe('Back in the app');
  expect(await claims()).toMatchObject({ acr: 'aal2', amr: ['pwd', 'mfa'] });
  await until(async () => (await person.newestMail(email, /recovery code/)) !== undefined);

  const again = await toSecond();
  await again.follow('Phone not at hand? Use a recovery code');
  await answer(again, used, 'Recovery code');
  expect(again.page.heading).toBe(STEP);
  expect((await own('replay.refused')).map(({ detail }) => detail['kind'])).toContain('recovery_code');
  await answer(again, renewed, 'Recovery code');
  expect(again.page.heading).toBe('Keep your new recovery code');
  const left = await keyhold.db('recovery_codes').where({ account_id: accountId }).whereNull('used_at');
  expect(left).toHaveLength(10);
});

test('C24: a remembered browser is not asked for thirty days, unless more is wanted or something changed', async () => {
  const person = await toSecond();
  person.tick('Do not ask in this browser for 30 days');
  await answer(person, appCode(mine.secret));
  await toSecond(person);
  expect(person.page.heading).toBe('Back in the app');
  expect(await claims()).toMatchObject({ acr: 'aal1', amr: ['pwd'] });
  await toSecond(person, { acr_values: 'aal2' });
  expect(person.page.heading).toBe(STEP);

  const cookie = [...(await person.cookies(keyhold.origin))].find(([name]) =>
    name.startsWith('keyhold_second_'),
  );
  const [name = '', value = ''] = cookie ?? [];
  for (const forged of [value.replace(/^./, first => (first === 'A' ? 'B' : 'A')), '', 'x'.repeat(43)]) {
    const thief = personAt(keyhold);
    await thief.jar.setCookie(`${name}=${forged}; Path=/`, keyhold.origin);
    await toSecond(thief);
    expect(thief.page.heading).toBe(STEP);
  }
  const bob = `bob${count}@example.test`;
  await setUpApp(keyhold, await newMember(keyhold, app, bob));
  const bobId = await accountOf(keyhold.db, bob);
  await keyhold.db('remembered_browsers').where({ account_id: accountId }).update({ account_id: bobId });
  await toSecond(person);
  expect(person.page.heading).toBe(STEP);
  await keyhold.db('remembered_browsers').where({ account_id: bobId }).update({ account_id: accountId });
  await toSecond(person);
  expect(person.page.heading).toBe('Back in the app');
  await keyhold.db('accounts').where({ id: accountId }).update({ proofs_from: new Date() });
  await toSecond(person);
  expect(person.page.heading).toBe(STEP);
  await keyhold.db('accounts').where({ id: accountId }).update({ proofs_from: null });
  await keyhold.db('remembered_browsers').update({ expires_at: new Date() });
  await toSecond(person);
  expect(person.page.heading).toBe(STEP);
});

test('C06: beginning again carries nothing over', async () => {
  const person = await toSecond();
  const before = await peopleOnRecord(keyhold.db);
  await postStep(person, '/back');
  await postStep(person, '/second-step', { by: 'app', code: appCode(mine.secret) });
  expect(person.page.heading).toBe('Sign in');
  await postStep(person, '/identifier', { email });
  await postStep(person, '/second-step', { by: 'app', code: appCode(mine.secret) });
  expect(person.page.heading).toBe('Enter your password');
  expect(await peopleOnRecord(keyhold.db)).toBe(before);
});

test('C22: a first step that is older than a changed password counts no more', async () => {
  const person = await toSecond();
  await keyhold
    .db('accounts')
    .where({ id: accountId })
    .update({ proofs_from: new Date(Date.now() + 1) });
  await answer(person, appCode(mine.secret));
  expect(person.page.heading).toBe('Enter your password');
});

test('a code by mail asks for the second step as well, and is no factor of its own', async () => {
  const person = personAt(keyhold);
  await toPassword(person, app, email);
  const earlier = await person.newestMail(email, /^\d{8} /);
  await person.press('Email me a code');
  let mail = earlier;
  await until(async () => {
    mail = await person.newestMail(email, /^\d{8} /);
    return mail?.id !== earlier?.id;
  });
  if (!mail) throw new Error('no code came');
  person.fill('Code', codeIn(mail));
  await person.press('Continue');
  expect(person.page.heading).toBe(STEP);
  await answer(person, appCode(mine.secret));
  expect(person.page.heading).toBe('Back in the app');
  expect(await claims()).toMatchObject({ acr: 'aal1', amr: ['otp'] });
});

test('C08: recovery asks for the second factor, and neither skips nor removes it', async () => {
  const thief = personAt(keyhold);
  await postStep(thief, '/code', { code: await recoveryCode(thief, app, email) }).catch(() => undefined);
  expect(thief.page.heading).toBe(STEP);
  const before = await peopleOnRecord(keyhold.db);
  await postStep(thief, '/recovery/password', { password: 'eleven walruses polish quiet trombones' });
  expect(thief.page.heading).toBe(STEP);
  await postStep(thief, '/second-step/kept');
  await postStep(thief, '/passkey/skip');
  expect(thief.page.heading).toBe(STEP);
  expect(await peopleOnRecord(keyhold.db)).toBe(before);
  await answer(thief, appCode(mine.secret));
  expect(thief.page.heading).toBe('Choose how you sign in');
  await postStep(thief, '/recovery/password', { password: 'eleven walruses polish quiet trombones' });
  expect(thief.page.heading).toBe('Back in the app');
  expect(await claims()).toMatchObject({ acr: 'aal1' });
  expect(await keyhold.db('authenticator_apps').where({ account_id: accountId })).toHaveLength(1);
});

test('C08: a factor that was added during a recovery is asked for as well', async () => {
  await owner.goto(at('/account/sign-in'));
  await keyhold.db('accounts').where({ id: accountId }).update({ second_step: false });
  const person = personAt(keyhold);
  await postStep(person, '/code', { code: await recoveryCode(person, app, email) });
  expect(person.page.heading).toBe('Choose how you sign in');
  await keyhold.db('accounts').where({ id: accountId }).update({ second_step: true });
  await postStep(person, '/recovery/password', { password: 'eleven walruses polish quiet trombones' });
  expect(person.page.heading).toBe('Check your email');
  expect(await own('account.recovered')).toHaveLength(0);
});

test('C23: what is sensitive needs the second step, also in a browser that is remembered', async () => {
  const person = await toSecond();
  person.tick('Do not ask in this browser for 30 days');
  await answer(person, appCode(mine.secret));
  await person.goto(at('/account/sign-in/password'));
  expect(person.page.heading).toBe('Change your password');
  await keyhold.db('sessions').where({ account_id: accountId }).update({ acr: 'aal1' });
  await person.goto(at('/account/sign-in/password'));
  expect(person.page.heading).toBe('Sign in');
  await signIn(person, email);
  expect(person.page.heading).toBe(STEP);
  await forgetPeriods(keyhold);
  await answer(person, appCode(mine.secret));
  expect([person.page.heading, person.page.url.pathname]).toEqual([
    'Change your password',
    '/account/sign-in/password',
  ]);
});

test('the last app stays until the second step is turned off as a whole; of two removals at once one is refused', async () => {
  await keyhold.db('sessions').where({ account_id: accountId }).update({ acr: 'aal2' });
  await setUpApp(keyhold, owner);
  expect(owner.page.text).toContain('Your authenticator app is set up.');
  const ids: string[] = await keyhold.db('authenticator_apps').where({ account_id: accountId }).pluck('id');
  expect(ids).toHaveLength(2);
  const outcomes = await Promise.all(
    ids.map(id =>
      openWork(keyhold.db, { kind: 'person', id: accountId }, work => dropApp(work, accountId, id)),
    ),
  );
  expect(outcomes.sort()).toEqual(['dropped', 'last']);
  const [last] = await keyhold.db('authenticator_apps').where({ account_id: accountId }).pluck('id');
  await owner.goto(at(`/account/sign-in/apps/${last}`));
  expect(owner.page.text).toContain('This is your last authenticator app');
  await owner.post(at(`/account/sign-in/apps/${last}/remove`), { csrf: csrfOf(owner), for: accountId });
  expect([owner.page.status, owner.page.heading]).toEqual([400, 'Your authenticator app']);
  await owner.goto(at('/account/sign-in/second-step'));
  await owner.press('Turn off the second step');
  expect(owner.page.text).toContain('The second step is off.');
  expect(await keyhold.db('recovery_codes').where({ account_id: accountId })).toHaveLength(0);
  await until(async () => (await owner.newestMail(email, /turned off/)) !== undefined);
  const person = await toSecond();
  expect(person.page.heading).toBe('Back in the app');
});

test('new recovery codes end the old ones', async () => {
  await keyhold.db('sessions').where({ account_id: accountId }).update({ acr: 'aal2' });
  await owner.goto(at('/account/sign-in/recovery-codes'));
  await owner.press('Make new codes');
  const fresh = codesOn(owner);
  expect(fresh).toHaveLength(10);
  const person = await toSecond();
  await person.follow('Phone not at hand? Use a recovery code');
  await answer(person, mine.codes[3] ?? '', 'Recovery code');
  expect(person.page.heading).toBe(STEP);
  await answer(person, fresh[3] ?? '', 'Recovery code');
  expect(person.page.heading).toBe('Keep your new recovery code');
});

test('an app that its owner disowns is gone within a day; afterwards whoever reads mail cannot take it away', async () => {
  let notice = await owner.newestMail(email, /authenticator app/);
  await until(async () => {
    notice = await owner.newestMail(email, /authenticator app/);
    return notice !== undefined;
  });
  if (!notice) throw new Error('no notice came');
  const addedAt = new Date(Date.now() - 25 * 3_600_000).toISOString();
  const late = { accountId, undo: { appId: accountId, addedAt }, by: undefined };
  expect(undoingsOf('app_added', late)).toEqual([]);
  const anybody = personAt(keyhold);
  await anybody.goto(objectionIn(notice));
  expect(anybody.page.text).toContain('The new authenticator app is removed.');
  await anybody.press("This wasn't me");
  expect(await keyhold.db('authenticator_apps').where({ account_id: accountId })).toHaveLength(0);
  expect((await keyhold.db('accounts').where({ id: accountId }).first()).second_step).toBe(false);
});

test('a password that a second step follows asks the database no more than any other, but for the page of that step', async () => {
  const plain = `plain${count}@example.test`;
  await newMember(keyhold, app, plain);
  const person = personAt(keyhold);
  await toPassword(person, app, plain);
  const without = await keyhold.trips.during(() =>
    postStep(person, '/password', { password: GOOD_PASSWORD }),
  );
  expect(person.page.heading).toBe('Back in the app');
  const other = personAt(keyhold);
  await toPassword(other, app, email);
  const withOne = await keyhold.trips.during(() => postStep(other, '/password', { password: GOOD_PASSWORD }));
  expect(other.page.heading).toBe(STEP);
  expect(withOne.length).toBeLessThanOrEqual(without.length + 1);
  await signInBeside(personAt(keyhold), app, plain);
});
