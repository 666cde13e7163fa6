import { afterAll, beforeAll, beforeEach, expect, test } from '@jest/globals';
import { openAuthenticator } from '../support/authenticator.js';
import { until } from '../support/jobs.js';
import { personAt, signIn } from '../support/journeys.js';
import { startKeyhold, type TestKeyhold } from '../support/keyhold.js';
import { accountOf, peopleOnRecord, recordedDuring } from '../support/ledger.js';
import { codeIn, linkIn, objectionIn, type ReceivedMail } from '../support/mailbox.js';
import type { Person } from '../support/person.js';
import { bringCode } from '../support/protocol.js';
import { openRawClient, type RawClient } from '../support/raw-client.js';
import { openRelyingParty, type RelyingParty } from '../support/relying-party.js';
import {
  csrfOf,
  memberOf,
  postScript,
  postStep,
  toPasskeyOffer,
  toPassword,
  toRecoveryCredential,
  toSignUpCode,
} from '../support/steps.js';
import { GOOD_PASSWORD } from '../support/walk.js';

// "This wasn't me": from any browser, without signing in, once, by a button and not by looking (C07, C22).

let keyhold: TestKeyhold;
let house: RelyingParty;
let client: RawClient;
let email: string;
let count = 0;
const STOLEN = 'eleven walruses polish quiet trombones';
const NEW_PASSWORD = 'seven badgers rehearse muffled anthems';

beforeAll(async () => {
  keyhold = await startKeyhold();
  house = await openRelyingParty(keyhold, { first_party: true, client_uri: 'https://house.example' });
  client = await openRawClient(keyhold, house.client);
});

beforeEach(async () => {
  email = `ada${++count}@example.test`;
  await memberOf(keyhold, house, email);
});

afterAll(async () => {
  await house?.close();
  await keyhold?.close();
});

/** Somebody who reads the owner's mail recovers the account; gives the notice that the owner gets. */
async function takenOver(): Promise<{ readonly thief: Person; readonly notice: ReceivedMail }> {
  const thief = personAt(keyhold);
  await toRecoveryCredential(thief, house, email);
  const earlier = await keyhold.mailbox.latest(email);
  await postStep(thief, '/recovery/password', { password: STOLEN });
  return { thief, notice: await keyhold.mailbox.latest(email, earlier) };
}

const objectTo = async (notice: ReceivedMail, person = personAt(keyhold)) => {
  await person.goto(objectionIn(notice));
  await person.press("This wasn't me");
  return person;
};

const stateOf = async () =>
  (
    await keyhold
      .db('accounts')
      .where({ id: await accountOf(keyhold.db, email) })
      .first('state')
  )?.state;

test('the link shows what happened and changes nothing; the button freezes, signs out, tells, and leads on', async () => {
  const { thief, notice } = await takenOver();
  const { code, verifier, redirectUri } = await bringCode(thief, house);
  const access = String((await client.code(code, verifier, redirectUri)).body.access_token);
  const before = await peopleOnRecord(keyhold.db);
  const owner = personAt(keyhold);
  await owner.goto(objectionIn(notice));
  expect([owner.page.status, owner.page.heading]).toEqual([200, 'Was this you?']);
  for (const part of ['Firefox · Linux', 'Network address', 'Time']) expect(owner.page.text).toContain(part);
  expect(await peopleOnRecord(keyhold.db)).toBe(before);

  const events = await recordedDuring(keyhold.db, () => owner.press("This wasn't me"));
  expect([owner.page.status, owner.page.heading]).toEqual([200, 'Your account is frozen']);
  expect(owner.page.text).toContain('Forgot password?');
  expect(owner.page.html).toContain('https://house.example');
  expect(events.map(({ type }) => type).sort()).toEqual([
    'account.frozen',
    'objection.used',
    'session.ended',
  ]);
  expect(await stateOf()).toBe('frozen');

  expect((await client.introspect(access)).body).toEqual({ active: false });
  expect((await client.userInfo(access)).status).toBe(401);
  await thief.goto(await house.authorizationUrl({ prompt: 'none' }));
  expect(thief.page.url.searchParams.get('error')).toBe('login_required');
  const again = personAt(keyhold);
  await again.goto(await house.authorizationUrl());
  await signIn(again, email, STOLEN);
  expect([again.page.status, again.page.heading]).toEqual([400, 'Enter your password']);
  const told = await keyhold.mailbox.latest(email, notice);
  expect(told.subject).toBe('Your Keyhold account is frozen');
});

test('the way back in needs no app: recovery begins by itself, and ends at the account', async () => {
  const { notice } = await takenOver();
  const owner = await objectTo(notice);
  await owner.follow('Recover the account');
  expect(owner.page.heading).toBe('Sign in');
  owner.fill('Email', email);
  await owner.press('Continue');
  const earlier = await owner.newestMail(email, /^\d{8} /);
  await owner.press('Forgot password?');
  let code = '';
  await until(async () => {
    const mail = await owner.newestMail(email, /^\d{8} /);
    code = mail && mail.id !== earlier?.id ? codeIn(mail) : '';
    return code !== '';
  });
  await postStep(owner, '/code', { code });
  await postStep(owner, '/recovery/password', { password: NEW_PASSWORD });
  expect([owner.page.url.pathname, owner.page.status, await stateOf()]).toEqual(['/account', 200, 'active']);
  expect(owner.page.text).toContain(email);
  await owner.goto(objectionIn(notice));
  await owner.follow('Recover the account');
  expect(owner.page.url.pathname).toMatch(/^\/interaction\//);
});

test('its owner recovers the frozen account and may act again', async () => {
  const { notice } = await takenOver();
  await objectTo(notice);
  const owner = personAt(keyhold);
  await toRecoveryCredential(owner, house, email);
  expect(owner.page.heading).toBe('Choose how you sign in');
  expect(await stateOf()).toBe('frozen');
  await postStep(owner, '/recovery/password', { password: NEW_PASSWORD });
  expect([owner.page.heading, await stateOf()]).toEqual(['Back in the app', 'active']);
});

test('a code to sign in lets nobody into a frozen account, and says how to get in', async () => {
  const { notice } = await takenOver();
  await objectTo(notice);
  const person = personAt(keyhold);
  await toPassword(person, house, email);
  const earlier = await person.newestMail(email);
  await person.press('Email me a code');
  const { text } = await person.latestMail(email, earlier);
  await postStep(person, '/code', { code: /\d{8}/.exec(text)?.[0] ?? '' });
  expect(person.page.status).toBe(403);
  expect(person.page.text).toContain('Forgot password?');
});

test('twenty presses at once freeze once; afterwards the link is used, also once the account is recovered', async () => {
  const { notice } = await takenOver();
  const link = objectionIn(notice);
  const people = Array.from({ length: 20 }, () => personAt(keyhold));
  await Promise.all(people.map(person => person.goto(link)));
  const events = await recordedDuring(keyhold.db, () =>
    Promise.all(people.map(person => person.press("This wasn't me"))),
  );
  expect(events.filter(({ type }) => type === 'objection.used')).toHaveLength(1);
  expect(events.filter(({ type }) => type === 'account.frozen')).toHaveLength(1);
  expect(people.map(({ page }) => page.status).sort()).toEqual([200, ...Array(19).fill(410)]);
  const owner = personAt(keyhold);
  await toRecoveryCredential(owner, house, email);
  await postStep(owner, '/recovery/password', { password: NEW_PASSWORD });
  await owner.goto(link);
  expect([owner.page.status, owner.page.heading]).toEqual([410, 'You have objected already']);
  expect(await stateOf()).toBe('active');
});

test('C07: an expired link, one with a character changed, and a forged press freeze nothing', async () => {
  const { notice } = await takenOver();
  const link = objectionIn(notice);
  const before = await peopleOnRecord(keyhold.db);
  const owner = personAt(keyhold);
  await owner.goto(link);
  const csrf = csrfOf(owner);
  for (const wrong of [
    link.replace(/.$/, last => (last === 'A' ? 'B' : 'A')),
    link.slice(0, -1),
    `${link}A`,
  ]) {
    await owner.post(wrong, { csrf });
    expect(owner.page.status).toBe(410);
  }
  await owner.post(link, { csrf: 'x'.repeat(43) });
  expect(owner.page.status).toBe(403);
  await keyhold
    .db('objections')
    .where({ account_id: await accountOf(keyhold.db, email) })
    .update({ expires_at: new Date(Date.now() - 1_000) });
  await owner.post(link, { csrf });
  expect([owner.page.status, owner.page.heading]).toEqual([410, 'This link has expired']);
  expect(await peopleOnRecord(keyhold.db)).toBe(before);
});

test('objecting to a passkey takes it away, so that it lets nobody in after recovery', async () => {
  const thief = personAt(keyhold);
  await toPasskeyOffer(thief, house, email);
  const earlier = await thief.newestMail(email);
  const authenticator = openAuthenticator(keyhold.origin);
  const options = await postScript(thief, '/passkey/new/options');
  await postScript(thief, '/passkey/new', { credential: authenticator.create(options.body as never) });
  const notice = await keyhold.mailbox.latest(email, earlier);
  expect(notice.subject).toContain('A passkey was added');
  await objectTo(notice);
  const owner = personAt(keyhold);
  await toRecoveryCredential(owner, house, email);
  await postStep(owner, '/recovery/password', { password: NEW_PASSWORD });
  const again = personAt(keyhold);
  await toPassword(again, house, email);
  const challenge = await postScript(again, '/passkey/options');
  const answer = await postScript(again, '/passkey', {
    credential: authenticator.get(challenge.body as never),
  });
  expect(answer.status).toBe(400);
});

test('C22: freezing ends a recovery that somebody else has under way', async () => {
  const { notice } = await takenOver();
  const thief = personAt(keyhold);
  await toRecoveryCredential(thief, house, email);
  await objectTo(notice);
  await postStep(thief, '/recovery/password', { password: GOOD_PASSWORD });
  expect(thief.page.heading).toBe('Check your email');
  expect(await stateOf()).toBe('frozen');
});

test('the pages speak German', async () => {
  const { notice } = await takenOver();
  const owner = personAt(keyhold);
  await owner.goto(`${objectionIn(notice)}?ui_locales=de`);
  await owner.press('Das war ich nicht');
  expect(owner.page.heading).toBe('Ihr Konto ist gesperrt');
});

test('C07: a token of one purpose is nothing at the address of another', async () => {
  const { notice } = await takenOver();
  const objection = objectionIn(notice).split('/').at(-1) ?? '';
  const person = personAt(keyhold);
  await toSignUpCode(person, house, `fresh-${email}`);
  const link = linkIn(await person.latestMail(`fresh-${email}`));
  const before = await peopleOnRecord(keyhold.db);
  await postStep(person, `/link/${objection}`);
  expect(person.page.status).toBe(410);
  await postStep(person, `/link/${objection}/deny`).catch(() => undefined);
  await person.goto(new URL(`/objection/${link.split('/').at(-1)}`, keyhold.origin));
  expect(person.page.status).toBe(410);
  expect(await peopleOnRecord(keyhold.db)).toBe(before);
  await person.goto(objectionIn(notice));
  expect(person.page.heading).toBe('Was this you?');
});

test('freezing and recovering at the same moment leave one of the two, and nobody else signed in', async () => {
  const signedIn = async () =>
    (
      await keyhold
        .db('sessions')
        .where({ account_id: await accountOf(keyhold.db, email) })
        .whereNull('ended_at')
        .pluck('uid')
    ).length;
  for (let round = 0; round < 3; round++) {
    const { notice } = await takenOver();
    const [owner, thief] = [personAt(keyhold), personAt(keyhold)];
    await owner.goto(objectionIn(notice));
    await toRecoveryCredential(thief, house, email);
    await Promise.all([
      owner.press("This wasn't me"),
      postStep(thief, '/recovery/password', { password: NEW_PASSWORD }),
    ]);
    expect([owner.page.status, thief.page.status < 500]).toEqual([200, true]);
    // Whichever came last holds; a recovery that came first was frozen after it.
    const state = await stateOf();
    expect(['active 1', 'frozen 0']).toContain(`${state} ${await usable(thief)}`);
    if (state === 'frozen') expect(await signedIn()).toBeLessThanOrEqual(1);
    const back = personAt(keyhold);
    await toRecoveryCredential(back, house, email);
    await postStep(back, '/recovery/password', { password: NEW_PASSWORD });
    expect([await stateOf(), await signedIn()]).toEqual(['active', 1]);
  }
});

/** Whether somebody's browser is signed in, asked as an app would ask. */
async function usable(person: Person): Promise<number> {
  await person.goto(await house.authorizationUrl({ prompt: 'none' }));
  return person.page.url.searchParams.has('code') ? 1 : 0;
}
