import { afterAll, beforeAll, beforeEach, expect, test } from '@jest/globals';
import { appCode, forgetPeriods, secretOn, setUpApp } from '../../support/authenticator-app.js';
import { until } from '../../support/jobs.js';
import { personAt, signIn } from '../../support/journeys.js';
import { startKeyhold, type TestKeyhold } from '../../support/keyhold.js';
import { accountOf } from '../../support/ledger.js';
import {
  addPasskeyTo,
  beginMove,
  bindPasskey,
  confirm,
  numberOn,
  PHONE,
  scan,
  signInWith,
} from '../../support/move.js';
import type { Person } from '../../support/person.js';
import { eventsOf, newMember } from '../../support/protocol.js';
import { openRelyingParty, type RelyingParty } from '../../support/relying-party.js';

// A move to a new phone, from the picture on the old one to what is left on it.

let keyhold: TestKeyhold;
let app: RelyingParty;
let old: Person;
let phone: Person;
let email: string;
let accountId: string;
let count = 0;

const at = (path: string) => new URL(path, keyhold.origin);

beforeAll(async () => {
  keyhold = await startKeyhold();
  app = await openRelyingParty(keyhold, { first_party: true });
});

beforeEach(async () => {
  email = `ada${++count}@example.test`;
  old = await newMember(keyhold, app, email);
  phone = personAt(keyhold, { userAgent: PHONE });
  accountId = await accountOf(keyhold.db, email);
});

afterAll(async () => {
  await app?.close();
  await keyhold?.close();
});

const types = async () =>
  (await keyhold.db('events').where({ account_id: accountId }).orderBy('id').pluck('type')).filter(
    (type: string) => type.startsWith('move.') || /^(passkey|authenticator_app)\.(added|removed)$/.test(type),
  );
/** From the page to sign in, by the password and a code. */
async function signInTwice(person: Person, secret: string): Promise<void> {
  await signIn(person, email);
  await forgetPeriods(keyhold);
  person.fill('Code from your app', appCode(secret));
  await person.press('Continue');
}

const move = () => keyhold.db('moves').where({ account_id: accountId }).orderBy('id', 'desc').first();
const seconds = () => Math.floor(Date.now() / 1000);
const told = (subject: RegExp) => until(async () => (await old.newestMail(email, subject)) !== undefined);

test('a passkey is made on the new phone, tried by signing in there, and the old one is retired', async () => {
  await addPasskeyTo(keyhold, old, false);
  await old.goto(at('/account/sign-in'));
  await old.follow('Move to a new phone');
  expect(old.page.text).toContain('On one device only');
  const link = await beginMove(keyhold, old);
  expect(old.page.heading).toBe('Scan this with the new phone');
  expect(old.page.html).toContain('<noscript><meta http-equiv="refresh" content="10"></noscript>');
  expect(link.pathname).toMatch(/^\/move\/[\w-]{43}$/);
  const { rows } = await keyhold.db.raw(
    'SELECT m::text FROM moves m UNION ALL SELECT l::text FROM move_links l',
  );
  expect(JSON.stringify(rows)).not.toContain(link.pathname.slice(6));
  await phone.goto(link);
  expect(phone.page.text).toContain('a…@example.test');
  expect(phone.page.text).not.toContain(email);
  expect((await move()).state).toBe('waiting');
  await phone.press('Go on with this phone');
  expect(phone.page.heading).toBe('Look at the old phone');
  await old.goto(at('/account/move/now'));
  expect(old.page.heading).toBe('Is this your new phone?');
  expect(old.page.text).toContain('Chrome · Android');
  await keyhold
    .db('sessions')
    .where({ account_id: accountId })
    .update({ login_ts: seconds() - 400 });
  await old.press(numberOn(phone));
  expect(old.page.heading).toBe('Sign in');
  await signIn(old, email);
  expect(old.page.heading).toBe('Is this your new phone?');
  await confirm(keyhold, old, phone);
  expect(old.page.heading).toBe('Go on with the new phone');
  expect(phone.page.heading).toBe('Let this phone sign in');
  expect(phone.page.text).toContain(email);
  const { authenticator, kept } = await bindPasskey(keyhold, phone);
  expect([kept.status, kept.body['location']]).toEqual([200, '/move']);
  await phone.goto(at('/move'));
  expect(phone.page.heading).toBe('Now try it');
  await phone.press('Try it now');
  expect(phone.page.url.pathname).toMatch(/^\/interaction\//);
  await signInWith(phone, authenticator);
  expect(phone.page.heading).toBe('It works');
  await old.goto(at('/account/move/now'));
  expect(old.page.heading).toBe('What happens to the old phone?');
  await phone.follow('Choose what the old phone keeps');
  expect(phone.page.heading).toBe('What happens to the old phone?');
  await phone.press('Remove what I ticked');
  expect([phone.page.status, phone.page.text]).toEqual([400, expect.stringContaining('Tick what')]);
  phone.tick('iCloud Keychain Passkey on one device');
  phone.tick('Sign the old phone out');
  await phone.press('Remove what I ticked');
  expect(phone.page.heading).toBe('You have moved');
  expect(await types()).toEqual([
    'passkey.added',
    'move.started',
    'move.claimed',
    'move.confirmed',
    'passkey.added',
    'move.bound',
    'move.tested',
    'passkey.removed',
    'move.retired',
  ]);
  const passkeys = await keyhold.db('passkeys').where({ account_id: accountId });
  expect(passkeys.map(({ credential_id }) => credential_id)).toEqual([authenticator.credentialId]);
  await old.goto(at('/account'));
  expect(old.page.url.pathname).toMatch(/^\/interaction\//);
  await told(/new phone is being set up/);
  await told(/passkey was added/);
  await told(/old phone no longer opens/);
});

test('a passkey that is kept with an account of its keeper is there already: it is only tried', async () => {
  const synced = await addPasskeyTo(keyhold, old, true);
  const link = await beginMove(keyhold, old);
  await old.goto(at('/account/move'));
  expect(old.page.url.pathname).toBe('/account/move/now');
  await scan(phone, link);
  await confirm(keyhold, old, phone);
  expect(phone.page.text).toContain('iCloud Keychain');
  await phone.press('Try the one that came along');
  await signInWith(phone, synced, 0x1d);
  expect(phone.page.heading).toBe('It works');
  await old.goto(at('/account/move/now'));
  await old.press('Keep the old phone too');
  expect(old.page.heading).toBe('You have moved');
  expect((await move()).state).toBe('finished');
  await old.goto(at('/account/history'));
  expect(old.page.text).toContain('The old phone was kept beside the new one');
});

test('an authenticator app comes to the new phone; the old one goes, and the old phone signs itself out', async () => {
  const before = await setUpApp(keyhold, old);
  await old.goto(at('/account/move'));
  await signInTwice(old, before.secret);
  const link = await beginMove(keyhold, old);
  await scan(phone, link);
  await confirm(keyhold, old, phone);
  await phone.follow('Set up an authenticator app');
  expect(phone.page.html).toContain('href="otpauth://totp/');
  const secret = secretOn(phone);
  expect(secret).not.toBe(before.secret);
  phone.fill('Code from your app', '12345');
  expect((await phone.press('Take this app')).status).toBe(400);
  expect(secretOn(phone)).toBe(secret);
  phone.fill('Code from your app', appCode(secret));
  await phone.press('Take this app');
  expect(phone.page.heading).toBe('Now try it');
  await phone.press('Try it now');
  await signInTwice(phone, before.secret);
  expect(phone.page.text).toContain('not with a code from the new app');
  await phone.press('Try it now');
  await signInTwice(phone, secret);
  expect(phone.page.heading).toBe('It works');
  await old.goto(at('/account/move/now'));
  expect(old.page.heading).toBe('What happens to the old phone?');
  old.tick('Authenticator app');
  old.tick('Sign the old phone out');
  await old.press('Remove what I ticked');
  expect(old.page.heading).toBe('The old phone is signed out');
  const apps = await keyhold.db('authenticator_apps').where({ account_id: accountId });
  expect(apps).toHaveLength(1);
  expect(apps[0].id).toBe((await move()).bound);
  expect(numberOn(phone)).toBe('');
  expect(await eventsOf(keyhold.db, 'move.retired')).not.toEqual([]);
});
