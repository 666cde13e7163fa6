import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { setPassword } from '../../src/domain/credentials/credentials.js';
import { endSession } from '../../src/oidc/session.js';
import { openWork } from '../../src/platform/storage/work.js';
import { openAuthenticator } from '../support/authenticator.js';
import { personAt, signIn } from '../support/journeys.js';
import { startKeyhold, type TestKeyhold } from '../support/keyhold.js';
import { accountOf, peopleOnRecord } from '../support/ledger.js';
import { openRelyingParty, type RelyingParty } from '../support/relying-party.js';
import {
  ENDS_IN_A_PAGE,
  memberOf,
  postScript,
  sendStep,
  toPasskeyOffer,
  toPassword,
} from '../support/steps.js';
import { GOOD_PASSWORD } from '../support/walk.js';

// B. Sessions and the way to them: what was true once is not true for ever.

let keyhold: TestKeyhold;
let house: RelyingParty;
let app: RelyingParty;

beforeAll(async () => {
  keyhold = await startKeyhold();
  house = await openRelyingParty(keyhold, { first_party: true });
  app = await openRelyingParty(keyhold);
});

afterAll(async () => {
  await app?.close();
  await house?.close();
  await keyhold?.close();
});

const liveSessions = (accountId: string) =>
  keyhold.db('sessions').where({ account_id: accountId }).whereNull('ended_at').pluck('uid');

/** What somebody does who wants everybody else out: a new password, and no session left. */
async function secure(accountId: string): Promise<void> {
  const [row] = await keyhold.db('passwords').where({ account_id: accountId }).select('hash');
  const uids = await liveSessions(accountId);
  await openWork(keyhold.db, { kind: 'person', id: accountId }, async work => {
    await setPassword(work, accountId, row.hash);
    for (const uid of uids) await endSession(work, uid, 'account-changed');
  });
}

async function intruderOf(email: string) {
  await memberOf(keyhold, house, email);
  const accountId = await accountOf(keyhold.db, email);
  await secure(accountId);
  return { accountId, person: personAt(keyhold) };
}

test('C22: a sign-in that waits while the password is changed signs nobody in', async () => {
  const { accountId, person } = await intruderOf('waits@example.test');
  await toPassword(person, house, 'waits@example.test', ENDS_IN_A_PAGE);
  const { headers } = await sendStep(person, '/password', { password: GOOD_PASSWORD });
  await secure(accountId);
  await person.goto(new URL(headers.get('location') ?? '', keyhold.origin));
  expect(person.page.heading).toBe('Sign in');
  expect(await liveSessions(accountId)).toEqual([]);
});

test('C22: an "Allow" that waits while the sessions of an account are ended brings none back', async () => {
  const { accountId, person } = await intruderOf('allows@example.test');
  await person.goto(await app.authorizationUrl());
  await signIn(person, 'allows@example.test');
  const { headers } = await sendStep(person, '/consent', {});
  const uids = await liveSessions(accountId);
  expect(uids).toHaveLength(1);
  for (const uid of uids) {
    await openWork(keyhold.db, { kind: 'operator' }, work => endSession(work, uid, 'ended-elsewhere'));
  }
  await person.goto(new URL(headers.get('location') ?? '', keyhold.origin));
  expect(person.page.heading).toBe('Sign in');
  expect(await liveSessions(accountId)).toEqual([]);
});

test('C22: a consent page that is still open after the sessions were ended allows nothing', async () => {
  const { accountId, person } = await intruderOf('open@example.test');
  await person.goto(await app.authorizationUrl());
  await signIn(person, 'open@example.test');
  await secure(accountId);
  const before = await peopleOnRecord(keyhold.db);
  expect((await sendStep(person, '/consent', {})).status).toBe(409);
  expect(await peopleOnRecord(keyhold.db)).toBe(before);
});

test('C22: an offer of a passkey that waits while the password is changed makes none and signs nobody in', async () => {
  const { accountId, person } = await intruderOf('offer@example.test');
  await toPasskeyOffer(person, house, 'offer@example.test');
  const options = await postScript(person, '/passkey/new/options');
  const credential = openAuthenticator(keyhold.origin).create(options.body as never);
  await secure(accountId);
  const before = await peopleOnRecord(keyhold.db);
  expect((await postScript(person, '/passkey/new', { credential })).status).toBe(400);
  expect(await peopleOnRecord(keyhold.db)).toBe(before);
  await person.press('Not now');
  expect(person.page.heading).toBe('Enter your password');
  expect(await liveSessions(accountId)).toEqual([]);
});

test('C22: when sessions end for safety, a token for offline use from before the last consent ends too', async () => {
  const { accountId, person } = await intruderOf('older@example.test');
  const tokens = [];
  for (const scope of ['openid offline_access email', 'openid offline_access email profile']) {
    await person.goto(await app.authorizationUrl({ scope, prompt: 'consent' }));
    if (person.page.heading === 'Sign in') await signIn(person, 'older@example.test');
    await person.press('Allow');
    tokens.push(await app.exchange());
  }
  await secure(accountId);
  for (const { refresh_token } of tokens) {
    await expect(app.refresh(refresh_token ?? '')).rejects.toMatchObject({ error: 'invalid_grant' });
  }
});

test.each([
  '/AUTHORIZE',
  '/Authorize',
  '/authorize/',
  '/%61uthorize',
  '/End-Session',
  '/end-session/',
  '/end-session/CONFIRM',
  '/TOKEN',
])('C20: there is one way to spell a path of the protocol, and %s is not it', async path => {
  for (const method of ['GET', 'POST']) {
    const { status } = await fetch(keyhold.origin + path, { method, redirect: 'manual' });
    expect([method, status]).toEqual([method, 404]);
  }
});

test('C14: a request goes on by its own cookie: one planted for another request leads nowhere', async () => {
  const { accountId, person } = await intruderOf('planted@example.test');
  await toPassword(person, house, 'planted@example.test', ENDS_IN_A_PAGE);
  const { headers } = await sendStep(person, '/password', { password: GOOD_PASSWORD });
  const theirs = new URL(headers.get('location') ?? '', keyhold.origin);
  const resume = (await person.cookies(theirs)).get('keyhold_resume') ?? '';
  const signature = (await person.cookies(theirs)).get('keyhold_resume.sig') ?? '';
  const victim = personAt(keyhold);
  await victim.goto(await house.authorizationUrl());
  const own = new URL(victim.page.url.pathname.replace('/interaction/', '/authorize/'), keyhold.origin);
  await victim.jar.setCookie(`keyhold_resume=${resume}; path=${own.pathname}`, own.href);
  await victim.jar.setCookie(`keyhold_resume.sig=${signature}; path=${own.pathname}`, own.href);
  await victim.goto(own);
  expect([victim.page.status, await liveSessions(accountId)]).toEqual([403, []]);
});
