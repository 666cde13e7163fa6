import { afterAll, beforeAll, beforeEach, expect, test } from '@jest/globals';
import { decodeJwt } from 'jose';
import { openAuthenticator } from '../support/authenticator.js';
import { until } from '../support/jobs.js';
import { personAt, signIn } from '../support/journeys.js';
import { startKeyhold, type TestKeyhold } from '../support/keyhold.js';
import { accountOf, peopleOnRecord, recordedDuring } from '../support/ledger.js';
import { codeIn, objectionIn } from '../support/mailbox.js';
import type { Person } from '../support/person.js';
import { bringCode, memberAgain } from '../support/protocol.js';
import { openRawClient, type RawClient } from '../support/raw-client.js';
import { openRelyingParty, type RelyingParty } from '../support/relying-party.js';
import {
  memberOf,
  postScript,
  postStep,
  recoveryCode,
  sendStep,
  toPasskeyOffer,
  toPassword,
  toRecoveryCredential,
} from '../support/steps.js';
import { GOOD_PASSWORD } from '../support/walk.js';

// Recovery by a code to a proven address: one browser, one purpose, once, ten minutes, five tries (C05–C08, C22).

let keyhold: TestKeyhold;
let house: RelyingParty;
let client: RawClient;
let count = 0;
let email: string;
const NEW_PASSWORD = 'eleven walruses polish quiet trombones';
const CHOOSE = 'Choose how you sign in';

beforeAll(async () => {
  keyhold = await startKeyhold();
  house = await openRelyingParty(keyhold, { first_party: true });
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

const setNew = (person: Person, password = NEW_PASSWORD) =>
  postStep(person, '/recovery/password', { password });

async function tokensOf(person: Person) {
  const { code, verifier, redirectUri } = await bringCode(person, house);
  const { body } = await client.code(code, verifier, redirectUri);
  return {
    access: String(body.access_token),
    refresh: String(body.refresh_token),
    idToken: String(body.id_token),
  };
}

const typesOf = (events: readonly { readonly type: string }[]) => events.map(({ type }) => type).sort();

test('somebody who forgot the password sets a new one, and goes on to the app, signed in as aal1', async () => {
  const ada = personAt(keyhold);
  await toPassword(ada, house, email);
  const earlier = await ada.newestMail(email);
  await ada.press('Forgot password?');
  expect([ada.page.status, ada.page.heading]).toEqual([200, 'Check your email']);
  const mail = await ada.latestMail(email, earlier);
  ada.fill('Code', codeIn(mail));
  await ada.press('Continue');
  expect(ada.page.heading).toBe(CHOOSE);
  ada.fill('New password', 'short');
  await ada.press('Set the new password');
  expect([ada.page.status, ada.page.heading]).toEqual([400, CHOOSE]);
  ada.fill('New password', NEW_PASSWORD);
  const events = await recordedDuring(keyhold.db, () => ada.press('Set the new password'));
  expect(ada.page.heading).toBe('Back in the app');
  const claims = (await house.exchange()).claims();
  expect(claims?.['acr']).toBe('aal1');
  expect(claims?.['amr'] ?? []).toEqual([]);
  expect(typesOf(events)).toEqual([
    'account.recovered',
    'objection.begun',
    'password.changed',
    'session.authenticated',
    'session.ended',
  ]);
  const again = personAt(keyhold);
  await again.goto(await house.authorizationUrl());
  await signIn(again, email);
  expect(again.page.heading).toBe('Enter your password');
  /* Sessions count in whole seconds, and those of the second of the recovery are over. */
  const { rows } = await keyhold.db.raw('SELECT max(signed_out_before) AS since FROM accounts');
  await until(() => Date.now() >= Number(rows[0].since));
  again.fill('Password', NEW_PASSWORD);
  await again.press('Sign in');
  expect(again.page.heading).toBe('Back in the app');
});

test('whoever signs in while everybody is still signed out is asked once more: no error, no session, no token', async () => {
  const ada = personAt(keyhold);
  await toRecoveryCredential(ada, house, email);
  await setNew(ada);
  const claims = (await house.exchange()).claims();
  const accountId = await accountOf(keyhold.db, email);
  const signedOutBefore = (instant: string) =>
    keyhold
      .db('accounts')
      .where({ id: accountId })
      .update({ signed_out_before: keyhold.db.raw(instant) });
  const own = await keyhold.db('accounts').where({ id: accountId }).first('signed_out_before', 'proofs_from');
  expect(claims?.auth_time).toBe(own.signed_out_before.getTime() / 1000);
  expect(own.signed_out_before.getTime() - own.proofs_from.getTime()).toBeLessThan(1_000);

  /* As if another process knew of a later moment. */
  await signedOutBefore(`now() + interval '1 minute'`);
  const again = personAt(keyhold);
  await again.goto(await house.authorizationUrl());
  const live = () =>
    keyhold.db('sessions').where({ account_id: accountId }).whereNull('ended_at').pluck('uid');
  const before = await live();
  await signIn(again, email, NEW_PASSWORD);
  expect(again.page.status).toBe(200);
  expect(['Sign in', 'Enter your password']).toContain(again.page.heading);
  await again.goto(await house.authorizationUrl({ prompt: 'none' }));
  expect(again.page.url.searchParams.get('error')).toBe('login_required');
  const [code] = await keyhold
    .db('authorization_codes')
    .where({ account_id: accountId })
    .whereNotIn('session_uid', before);
  expect(code).toBeUndefined();

  await signedOutBefore(`proofs_from - interval '1 second'`);
  await again.goto(await house.authorizationUrl());
  if (again.page.heading === 'Sign in') {
    await signIn(again, email, NEW_PASSWORD);
  }
  expect(again.page.heading).toBe('Back in the app');
});

test('C22: everybody else is signed out, with every token, and every proven address is told', async () => {
  const thief = await memberAgain(keyhold, house, email);
  const { access, refresh, idToken } = await tokensOf(thief);
  const granted = await bringCode(thief, house);
  const accountId = await accountOf(keyhold.db, email);
  const second = `second-${email}`;
  const third = `unproven-${email}`;
  await keyhold.db('email_addresses').insert([
    {
      account_id: accountId,
      address: second,
      verified_at: new Date(),
      is_primary: false,
      added_at: new Date(),
    },
    { account_id: accountId, address: third, verified_at: null, is_primary: false, added_at: new Date() },
  ]);
  const ada = personAt(keyhold);
  await toRecoveryCredential(ada, house, email);
  const earlier = await keyhold.mailbox.latest(email);
  const told = house.logoutTokens.length;
  const { sid } = decodeJwt(idToken);
  await setNew(ada);
  expect(ada.page.heading).toBe('Back in the app');
  await until(() => house.logoutTokens.slice(told).some(token => decodeJwt(token)['sid'] === sid));

  expect((await client.introspect(access)).body).toEqual({ active: false });
  expect((await client.userInfo(access)).status).toBe(401);
  expect((await client.refresh(refresh)).body.error).toBe('invalid_grant');
  const { code, verifier, redirectUri } = granted;
  expect((await client.code(code, verifier, redirectUri)).body.error).toBe('invalid_grant');
  await thief.goto(await house.authorizationUrl({ prompt: 'none' }));
  expect(thief.page.url.searchParams.get('error')).toBe('login_required');
  await ada.goto(await house.authorizationUrl({ prompt: 'none' }));
  expect(ada.page.url.searchParams.has('code')).toBe(true);

  for (const to of [email, second]) {
    const notice = await keyhold.mailbox.latest(to, to === email ? earlier : undefined);
    expect(notice.subject).toBe('Your Keyhold password was changed');
    expect(notice.text).toContain('Browser: Firefox · Linux');
    expect(notice.text).toMatch(/Network address: \S+/);
    expect(objectionIn(notice)).toMatch(new RegExp(`^${keyhold.origin}/objection/[\\w-]{43}$`));
  }
  expect(await ada.newestMail(third)).toBeUndefined();
});

test('whoever had typed the old password, and waits at the offer of a passkey, gets no further', async () => {
  const thief = personAt(keyhold);
  await toPasskeyOffer(thief, house, email);
  expect(thief.page.heading).toBe('Sign in faster next time');
  const options = await postScript(thief, '/passkey/new/options');
  const credential = openAuthenticator(keyhold.origin).create(options.body as never);
  await toRecoveryCredential(personAt(keyhold), house, email).then(() => undefined);
  const ada = personAt(keyhold);
  await toRecoveryCredential(ada, house, email);
  await setNew(ada);
  const before = await peopleOnRecord(keyhold.db);
  expect((await postScript(thief, '/passkey/new', { credential })).status).toBe(400);
  await postStep(thief, '/passkey/skip');
  expect(thief.page.heading).toBe('Enter your password');
  expect(await peopleOnRecord(keyhold.db)).toBe(before);
});

test('a passkey takes the place of the old password', async () => {
  const ada = personAt(keyhold);
  await toRecoveryCredential(ada, house, email);
  const options = await postScript(ada, '/passkey/new/options');
  const authenticator = openAuthenticator(keyhold.origin);
  const credential = authenticator.create(options.body as never);
  const kept = await postScript(ada, '/passkey/new', { credential });
  expect(kept.status).toBe(200);
  await ada.goto(new URL(String(kept.body['location']), keyhold.origin));
  expect(ada.page.heading).toBe('Back in the app');
  expect((await house.exchange()).claims()?.['acr']).toBe('aal1');
  const again = personAt(keyhold);
  await again.goto(await house.authorizationUrl());
  await signIn(again, email);
  expect(again.page.heading).toBe('Enter your password');
  const challenge = await postScript(again, '/passkey/options');
  const signedIn = await postScript(again, '/passkey', {
    credential: authenticator.get(challenge.body as never),
  });
  expect(signedIn.status).toBe(200);
});

test('C07: one code twenty times at once is right once, and once proved one password is set once', async () => {
  const ada = personAt(keyhold);
  const code = await recoveryCode(ada, house, email);
  const proofs = () => keyhold.db('events').where({ type: 'email_proof.proved' }).count({ n: '*' });
  const before = Number((await proofs())[0]?.['n']);
  await Promise.all(Array.from({ length: 20 }, () => sendStep(ada, '/code', { code })));
  expect(Number((await proofs())[0]?.['n'])).toBe(before + 1);
  await ada.goto(ada.page.url.href.replace(/\/(recovery|code).*$/, ''));
  expect(ada.page.heading).toBe(CHOOSE);
  const events = await recordedDuring(keyhold.db, () =>
    Promise.all(
      Array.from({ length: 20 }, (_, at) =>
        sendStep(ada, '/recovery/password', { password: `${NEW_PASSWORD} ${at}` }),
      ),
    ),
  );
  expect(events.filter(({ type }) => type === 'account.recovered')).toHaveLength(1);
  expect(events.filter(({ type }) => type === 'password.changed')).toHaveLength(1);
});

test('C07: a code is wrong in another browser, in another request and for another purpose', async () => {
  const [ada, thief] = [personAt(keyhold), personAt(keyhold)];
  const code = await recoveryCode(ada, house, email);
  await recoveryCode(thief, house, email);
  const before = await peopleOnRecord(keyhold.db);
  await postStep(thief, '/code', { code });
  expect([thief.page.status, thief.page.heading]).toEqual([400, 'Check your email']);
  await postStep(ada, '/identifier', { email });
  await postStep(ada, '/code/send');
  await postStep(ada, '/code', { code });
  expect(ada.page.status).toBe(400);
  expect(await peopleOnRecord(keyhold.db)).toBe(before);
  const other = personAt(keyhold);
  await toPassword(other, house, email);
  const earlier = await other.newestMail(email);
  await other.press('Email me a code');
  const signInCode = codeIn(await other.latestMail(email, earlier));
  await postStep(other, '/recovery');
  await postStep(other, '/code', { code: signInCode });
  expect([other.page.status, other.page.heading]).toEqual([400, 'Check your email']);
  expect(await peopleOnRecord(keyhold.db)).toBe(before);
});

test('five wrong codes end it, and an expired one is said to be', async () => {
  const ada = personAt(keyhold);
  const code = await recoveryCode(ada, house, email);
  const wrong = code.replace(/\d$/, digit => String((Number(digit) + 1) % 10));
  for (let tries = 0; tries < 5; tries++) await postStep(ada, '/code', { code: wrong });
  expect(ada.page.text).toContain('one wrong code too many');
  await postStep(ada, '/code', { code });
  expect(ada.page.heading).toBe('Check your email');
  await toPassword(ada, house, email);
  const late = await recoveryCode(ada, house, email);
  await keyhold
    .db('email_proofs')
    .where({ purpose: 'recovery', account_id: await accountOf(keyhold.db, email) })
    .update({ expires_at: new Date(Date.now() - 1_000) });
  await postStep(ada, '/code', { code: late });
  expect(ada.page.text).toContain('This code has expired');
});

test('what was proved is good for ten minutes, and for nothing once somebody else has recovered', async () => {
  const [slow, thief, ada] = [personAt(keyhold), personAt(keyhold), personAt(keyhold)];
  await toRecoveryCredential(slow, house, email);
  await keyhold
    .db('email_proofs')
    .where({ purpose: 'recovery', account_id: await accountOf(keyhold.db, email) })
    .update({ used_at: new Date(Date.now() - 601_000) });
  await setNew(slow);
  expect(slow.page.heading).toBe('Check your email');
  await toRecoveryCredential(thief, house, email);
  const open = personAt(keyhold);
  const openCode = await recoveryCode(open, house, email);
  await toRecoveryCredential(ada, house, email);
  await setNew(ada);
  expect(ada.page.heading).toBe('Back in the app');
  const before = await peopleOnRecord(keyhold.db);
  await setNew(thief, GOOD_PASSWORD);
  expect(thief.page.heading).toBe('Check your email');
  await postStep(open, '/code', { code: openCode });
  expect(open.page.heading).toBe('Check your email');
  expect(await peopleOnRecord(keyhold.db)).toBe(before);
});

test('an account that an operator suspended is not recovered', async () => {
  const id = await accountOf(keyhold.db, email);
  await keyhold.db('accounts').where({ id }).update({ state: 'suspended' });
  const ada = personAt(keyhold);
  await toRecoveryCredential(ada, house, email);
  expect(ada.page.status).toBe(403);
});

test('whoever is asked to sign in again recovers within the request, and lives on in a new session', async () => {
  const ada = await memberAgain(keyhold, house, email);
  await ada.goto(await house.authorizationUrl({ prompt: 'login' }));
  ada.fill('Email', email);
  await ada.press('Continue');
  const earlier = await ada.newestMail(email);
  await ada.press('Forgot password?');
  await postStep(ada, '/code', { code: codeIn(await ada.latestMail(email, earlier)) });
  await setNew(ada);
  expect(ada.page.heading).toBe('Back in the app');
  const accountId = await accountOf(keyhold.db, email);
  expect(await keyhold.db('sessions').where({ account_id: accountId }).whereNull('ended_at')).toHaveLength(1);
});

const HOSTS = [
  { host: 'evil.test' },
  { 'x-forwarded-host': 'evil.test' },
  { forwarded: 'host=evil.test;proto=https' },
  { 'x-forwarded-proto': 'https', 'x-forwarded-host': 'evil.test', 'x-forwarded-server': 'evil.test' },
];

test.each(HOSTS)('C05: %j poisons no link of a notice', async headers => {
  const ada = personAt(keyhold);
  await toRecoveryCredential(ada, house, email);
  const earlier = await keyhold.mailbox.latest(email);
  const answer = await sendStep(ada, '/recovery/password', { password: NEW_PASSWORD }, headers);
  if (answer.status === 400) return expect(Object.keys(headers)).toEqual(['host']);
  const notice = await keyhold.mailbox.latest(email, earlier);
  expect(objectionIn(notice).startsWith(`${keyhold.origin}/objection/`)).toBe(true);
  return expect(notice.text + notice.html).not.toContain('evil');
});
