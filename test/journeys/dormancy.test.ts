import { afterAll, beforeAll, beforeEach, expect, test } from '@jest/globals';
import { runDormancy } from '../../src/dormancy-commands.js';
import { lookAfterDormant } from '../../src/journeys/dormancy/job.js';
import { openKeyring } from '../../src/platform/crypto/keyring.js';
import { openRenderer } from '../../src/platform/web/render.js';
import { openWords } from '../../src/platform/web/words.js';
import { until } from '../support/jobs.js';
import { personAt, signIn } from '../support/journeys.js';
import { startKeyhold, type TestKeyhold } from '../support/keyhold.js';
import { accountOf, recordedDuring } from '../support/ledger.js';
import { codeIn } from '../support/mailbox.js';
import { openRelyingParty, type RelyingParty } from '../support/relying-party.js';
import { memberOf, postScript, postStep, signUpWithPasskey, toPassword } from '../support/steps.js';
import { GOOD_PASSWORD } from '../support/walk.js';

// Accounts that nobody uses are told, then put away, and brought back by their owner. The clock is the test's.

const DAY = 86_400_000;
const policy = { after: 365, notices: 2, every: 30 };
let keyhold: TestKeyhold;
let app: RelyingParty;
let email: string;
let accountId: string;
let count = 0;

beforeAll(async () => {
  keyhold = await startKeyhold();
  app = await openRelyingParty(keyhold);
});

beforeEach(async () => {
  email = `ada${++count}@example.test`;
  await memberOf(keyhold, app, email);
  accountId = await accountOf(keyhold.db, email);
  /* Only the one of this test is looked at. */
  await keyhold
    .db('accounts')
    .whereNot({ id: accountId })
    .update({ look_at: new Date('2100-01-01'), dormancy_notices: 0 });
});

afterAll(async () => {
  await app?.close();
  await keyhold?.close();
});

/** Runs the job as if so many days had passed. */
async function look(days: number, tally = { notice: 0, stopped: 0, archive: 0 }) {
  const { db, config } = keyhold;
  const keyring = openKeyring(config.secret);
  const writing = {
    issuer: config.issuer,
    keyring,
    renderer: openRenderer(openWords()),
    rp: { name: 'Keyhold' },
  };
  const clock = () => new Date(Date.now() + days * DAY);
  const job = lookAfterDormant(db, { writing, policy, tally, clock });
  await job.run({}, { id: '1', attempt: 1, last: false, signal: new AbortController().signal });
  return tally;
}

const rowOf = () => keyhold.db('accounts').where({ id: accountId }).first();
const typesDuring = async (act: () => Promise<unknown>) =>
  (await recordedDuring(keyhold.db, act)).map(({ type }) => type);
const mailOf = (subject: RegExp) => async () =>
  (await personAt(keyhold).newestMail(email, subject)) !== undefined;

async function archive(): Promise<void> {
  await look(366);
  await look(397);
  await look(428);
  expect((await rowOf()).state).toBe('archived');
}

test('an account in use is looked at and left alone, and not looked at again before its time', async () => {
  expect(await typesDuring(() => look(0))).toEqual([]);
  const { state, look_at: lookAt } = await rowOf();
  expect(state).toBe('active');
  expect(Math.round((lookAt.getTime() - Date.now()) / DAY)).toBe(365);
  expect(await typesDuring(() => look(364))).toEqual([]);
});

test('each notice comes once, in its time, at every proven address; then it is put away, and nothing is deleted', async () => {
  await keyhold.db('email_addresses').insert({
    account_id: accountId,
    address: `second-${email}`,
    verified_at: new Date(),
    is_primary: false,
    added_at: new Date(),
  });
  const before = await keyhold.db('passwords').where({ account_id: accountId });
  expect(await recordedDuring(keyhold.db, () => look(366))).toMatchObject([
    { type: 'dormancy.noticed', account_id: accountId, detail: { notices: 1 } },
  ]);
  await until(mailOf(/have not used your Keyhold account/));
  await until(
    async () => (await personAt(keyhold).newestMail(`second-${email}`, /have not used/)) !== undefined,
  );
  expect(await typesDuring(() => look(366))).toEqual([]);
  expect(await typesDuring(() => look(397))).toEqual(['dormancy.noticed']);
  const types = await typesDuring(() => look(428));
  expect(types.filter(type => type !== 'session.ended')).toEqual(['account.archived']);
  await until(mailOf(/account was put away/));
  expect((await rowOf()).state).toBe('archived');
  expect(await keyhold.db('sessions').where({ account_id: accountId }).whereNull('ended_at')).toEqual([]);
  expect(await keyhold.db('grants').where({ account_id: accountId })).toEqual([]);
  expect(await keyhold.db('passwords').where({ account_id: accountId })).toEqual(before);
  const kinds = await keyhold
    .db('messages')
    .where({ account_id: accountId })
    .whereLike('template', 'dormancy/%')
    .pluck('template');
  expect(kinds.sort()).toEqual(
    ['archived', 'archived', 'notice', 'notice', 'notice', 'notice'].map(word => `dormancy/${word}`),
  );
  expect(await typesDuring(() => look(4_000))).toEqual([]);
});

test('the batches of two processes at once tell nobody twice', async () => {
  const events = await recordedDuring(keyhold.db, () => Promise.all([look(366), look(366), look(366)]));
  expect(events.map(({ type }) => type)).toEqual(['dormancy.noticed']);
});

test('signing in after a notice keeps the account, at once, and its owner is told so', async () => {
  await look(366);
  const ada = personAt(keyhold);
  await ada.goto(await app.authorizationUrl());
  const types = await typesDuring(() => signIn(ada, email));
  expect(types).toContain('dormancy.stopped');
  await until(mailOf(/Keyhold account stays/));
  expect(await rowOf()).toMatchObject({ state: 'active', dormancy_notices: 0 });
  expect(await typesDuring(() => look(1))).toEqual([]);
});

test('an app that fetches new tokens is use as well: the job sees it, stops, and says so', async () => {
  const ada = personAt(keyhold);
  await ada.goto(await app.authorizationUrl({ scope: 'openid offline_access', prompt: 'consent' }));
  await signIn(ada, email);
  if (ada.page.buttons.includes('Allow')) await ada.press('Allow');
  const tokens = await app.exchange();
  await keyhold.db('accounts').where({ id: accountId }).update({ dormancy_notices: 1, look_at: new Date() });
  const long = Math.floor(Date.now() / 1000) - 400 * 86_400;
  await keyhold.db('sessions').where({ account_id: accountId }).update({ login_ts: long });
  await keyhold.db('grants').where({ account_id: accountId }).update({ issued_at: long });
  await app.refresh(tokens.refresh_token ?? '');
  const tally = await look(0);
  expect(tally).toEqual({ notice: 0, stopped: 1, archive: 0 });
  expect((await rowOf()).dormancy_notices).toBe(0);
});

test('an archived account cannot act: whoever proves it is theirs is led on to bringing it back', async () => {
  await archive();
  const ada = personAt(keyhold);
  const withCode = () => ada.newestMail(email, /is your Keyhold code/);
  const earlier = await withCode();
  await toPassword(ada, app, email);
  ada.fill('Password', GOOD_PASSWORD);
  await ada.press('Sign in');
  expect(ada.page.text).toContain(
    'It was put away because you did not use it for a long time; nothing is lost.',
  );
  expect((await rowOf()).state).toBe('archived');
  /* What told that it was put away may arrive after it, and the code of the sign-up is there still. */
  await until(async () => (await withCode())?.id !== earlier?.id);
  ada.fill('Code', codeIn((await withCode()) ?? { text: '' }));
  await ada.press('Continue');
  const types = await typesDuring(() =>
    postStep(ada, '/recovery/password', { password: 'seven badgers rehearse muffled anthems' }),
  );
  expect(types).toContain('account.recovered');
  expect(await rowOf()).toMatchObject({ state: 'active', dormancy_notices: 0 });
  expect(await typesDuring(() => look(1))).toEqual([]);
});

test('C09: whoever does not prove it sees what anybody sees of any account', async () => {
  const other = `other-${email}`;
  await memberOf(keyhold, app, other);
  await archive();
  const said = async (address: string) => {
    const stranger = personAt(keyhold);
    await toPassword(stranger, app, address);
    const asked = stranger.page.text;
    await postStep(stranger, '/password', { password: 'a wrong one' });
    return [asked, stranger.page.status, stranger.page.text].map(part =>
      String(part).replaceAll(address, '…'),
    );
  };
  const archived = await said(email);
  expect(archived).toEqual(await said(other));
  expect(archived).toEqual(await said('nobody@example.test'));
  expect(archived.join()).not.toContain('put away');
});

test('a mailed code leads on as a password does', async () => {
  await archive();
  const ada = personAt(keyhold);
  await toPassword(ada, app, email);
  const earlier = await ada.newestMail(email);
  await ada.press('Email me a code');
  ada.fill('Code', codeIn(await ada.latestMail(email, earlier)));
  const types = await typesDuring(() => ada.press('Continue'));
  expect(types).toEqual(expect.arrayContaining(['sign_in.failed', 'email_proof.sent']));
  expect(ada.page.text).toContain('To bring it back, type the code that we have just sent you.');
});

test('a passkey leads on as well, though no address was typed', async () => {
  email = `passkey-${email}`;
  const authenticator = await signUpWithPasskey(personAt(keyhold), app, keyhold.origin, email);
  accountId = await accountOf(keyhold.db, email);
  await keyhold
    .db('accounts')
    .whereNot({ id: accountId })
    .update({ look_at: new Date('2100-01-01') });
  await archive();
  const ada = personAt(keyhold);
  await ada.goto(await app.authorizationUrl());
  const options = await postScript(ada, '/passkey/options');
  const answer = await postScript(ada, '/passkey', { credential: authenticator.get(options.body as never) });
  await ada.goto(new URL(String(answer.body['location']), keyhold.origin));
  expect(ada.page.text).toContain('nothing is lost');
  expect(ada.page.text).toContain(email);
});

test('operators count who had notices and who was put away', async () => {
  await look(366);
  const printed: string[] = [];
  const command = {
    db: keyhold.db,
    config: { dormancy: policy },
    print: (text: string) => void printed.push(text),
    fail: () => {},
  };
  expect(await runDormancy([], command)).toBe(0);
  const answer = JSON.parse(printed.join(''));
  expect(answer).toMatchObject({ policy, noticed: { 1: 1 } });
  expect(answer.archived).toBe(
    Number((await keyhold.db('accounts').where({ state: 'archived' }).count())[0]?.count),
  );
  expect(await runDormancy(['x'], command)).toBe(2);
});
