import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, expect, test } from '@jest/globals';
import { v7 as uuidv7 } from 'uuid';
import { appCode, type SetUp, setUpApp } from '../support/authenticator-app.js';
import { signIn } from '../support/journeys.js';
import { startKeyhold, type TestKeyhold } from '../support/keyhold.js';
import { accountOf } from '../support/ledger.js';
import { beginMove } from '../support/move.js';
import { personVia } from '../support/people.js';
import type { Person } from '../support/person.js';
import { eventsOf, newMember } from '../support/protocol.js';
import { openRelyingParty, type RelyingParty } from '../support/relying-party.js';
import { postStep, toPassword } from '../support/steps.js';
import { GOOD_PASSWORD } from '../support/walk.js';

// What is used once, and the last of what stays, when it is asked for at the same moment in several browsers and two processes.

let first: TestKeyhold;
let second: TestKeyhold;
let app: RelyingParty;
let owner: Person;
let email: string;
let accountId: string;
let count = 0;

beforeAll(async () => {
  first = await startKeyhold();
  second = await startKeyhold({}, { beside: first });
  app = await openRelyingParty(first, { first_party: true });
});

afterAll(async () => {
  await app?.close();
  await second?.close();
  await first?.close();
});

beforeEach(async () => {
  email = `ada${++count}@example.test`;
  owner = await newMember(first, app, email);
  accountId = await accountOf(first.db, email);
});

const at = (path: string) => new URL(path, first.origin);
const own = async (type: string) =>
  (await eventsOf(first.db, type)).filter(event => event.account_id === accountId);
const rowsOf = (table: string) => first.db(table).where({ account_id: accountId });

/** Browsers, each reaching the other process than the one before it. */
const browsers = (many: number) =>
  Array.from({ length: many }, (_, one) => personVia(first, (one % 2 ? second : first).dispatcher));

/** Several browsers of the owner, signed in with the second step where there is one. */
async function signedIn(many: number): Promise<readonly Person[]> {
  const people = browsers(many);
  for (const person of people) {
    await person.goto(await app.authorizationUrl());
    await signIn(person, email);
  }
  return people;
}

async function passkeys(many: number): Promise<readonly string[]> {
  const rows = Array.from({ length: many }, () => ({
    id: uuidv7(),
    account_id: accountId,
    credential_id: randomBytes(16).toString('base64url'),
    public_key: Buffer.alloc(1),
    sign_count: 0,
    transports: [],
    aaguid: '00000000-0000-0000-0000-000000000000',
    backup_eligible: false,
    backed_up: false,
    user_verified: true,
    name: 'Passkey',
    added_at: new Date(),
  }));
  await first.db('passkeys').insert(rows);
  return rows.map(({ id }) => id);
}

test('C34: of the last two ways in, asked to be removed in two browsers at once, one stays and its removal is refused', async () => {
  for (let round = 0; round < 4; round += 1) {
    await rowsOf('passkeys').delete();
    const [id] = await passkeys(1);
    const [one, two] = await signedIn(2);
    if (!one || !two) throw new Error('nobody came');
    const before = (await own('password.removed')).length + (await own('passkey.removed')).length;
    await one.goto(at('/account/sign-in/password'));
    await two.goto(at(`/account/sign-in/passkeys/${id}`));
    await Promise.all([one.press('Remove the password'), two.press('Remove this passkey')]);
    expect([one.page.status, two.page.status].sort()).toEqual([200, 400]);
    const after = (await own('password.removed')).length + (await own('passkey.removed')).length;
    expect(after - before).toBe(1);
    const left = [(await rowsOf('passwords')).length, (await rowsOf('passkeys')).length];
    expect(left.sort()).toEqual([0, 1]);
    if ((await rowsOf('passwords')).length > 0) continue;
    await two.goto(at('/account/sign-in/password'));
    two.fill('New password', GOOD_PASSWORD);
    await two.press('Save the password');
  }
});

test('C34: of four passkeys without a password, all asked to be removed at once, one stays', async () => {
  const people = await signedIn(4);
  await rowsOf('passwords').delete();
  const ids = await passkeys(4);
  for (const [one, person] of people.entries())
    await person.goto(at(`/account/sign-in/passkeys/${ids[one]}`));
  await Promise.all(people.map(person => person.press('Remove this passkey')));
  expect(people.map(({ page }) => page.status).sort()).toEqual([200, 200, 200, 400]);
  expect(await rowsOf('passkeys')).toHaveLength(1);
  expect(await own('passkey.removed')).toHaveLength(3);
});

async function withSecondStep(): Promise<SetUp> {
  const mine = await setUpApp(first, owner);
  await first.db('accounts').where({ id: accountId }).update({ proofs_from: null });
  return mine;
}

/** Browsers whose password was right, at the second step. */
async function atSecondStep(many: number): Promise<readonly Person[]> {
  const people = browsers(many);
  for (const person of people) {
    await toPassword(person, app, email);
    await postStep(person, '/password', { password: GOOD_PASSWORD });
    expect(person.page.heading).toBe('One more step');
  }
  return people;
}

test('C34: of three authenticator apps, all asked to be removed at once, one stays', async () => {
  const people = await signedIn(3);
  await withSecondStep();
  const [row] = await rowsOf('authenticator_apps');
  for (const name of ['Second', 'Third'])
    await first.db('authenticator_apps').insert({
      ...row,
      id: uuidv7(),
      name,
      secret_digest: randomBytes(32),
    });
  await first.db('sessions').where({ account_id: accountId }).update({ acr: 'aal2' });
  const ids: string[] = await rowsOf('authenticator_apps').pluck('id');
  for (const [one, person] of people.entries()) await person.goto(at(`/account/sign-in/apps/${ids[one]}`));
  await Promise.all(people.map(person => person.press('Remove this app')));
  expect(people.map(({ page }) => page.status).sort()).toEqual([200, 200, 400]);
  expect(await rowsOf('authenticator_apps')).toHaveLength(1);
  expect(await own('authenticator_app.removed')).toHaveLength(2);
  expect((await first.db('accounts').where({ id: accountId }).first()).second_step).toBe(true);
});

test('C18, C34: of eight with the same code of an app at once one gets in, and each other is on record', async () => {
  const mine = await withSecondStep();
  const people = await atSecondStep(8);
  const code = appCode(mine.secret);
  await Promise.all(people.map(person => postStep(person, '/second-step', { by: 'app', code })));
  const headings = people.map(({ page }) => page.heading);
  expect(people.filter(({ page }) => page.url.searchParams.has('code'))).toHaveLength(1);
  expect(headings.filter(heading => heading === 'One more step')).toHaveLength(7);
  expect(await own('authenticator_app.used')).toHaveLength(1);
  expect((await own('replay.refused')).map(({ detail }) => detail)).toEqual(
    Array.from({ length: 7 }, () => ({ kind: 'app_code' })),
  );
  expect(await own('sign_in.failed')).toHaveLength(7);
});

test('C18, C34: of eight with the same recovery code at once one gets in, one code takes its place, and each other is on record', async () => {
  const mine = await withSecondStep();
  const people = await atSecondStep(8);
  const code = mine.codes[4] ?? '';
  await Promise.all(people.map(person => postStep(person, '/second-step', { by: 'recovery', code })));
  const headings = people.map(({ page }) => page.heading);
  expect(headings.filter(heading => heading === 'Keep your new recovery code')).toHaveLength(1);
  expect(headings.filter(heading => heading === 'One more step')).toHaveLength(7);
  expect(await own('recovery_code.used')).toHaveLength(1);
  expect(await rowsOf('recovery_codes').whereNull('used_at')).toHaveLength(10);
  expect((await own('replay.refused')).map(({ detail }) => detail)).toEqual(
    Array.from({ length: 7 }, () => ({ kind: 'recovery_code' })),
  );
});

test('C34: of six who send the first code of one app at once, all are told of the same app, and one of its recovery codes', async () => {
  const people = await signedIn(6);
  const [one] = people;
  if (!one) throw new Error('nobody came');
  await one.goto(at('/account/sign-in/apps/new'));
  const field = (name: string) => new RegExp(`name="${name}" value="([^"]+)"`).exec(one.page.html)?.[1] ?? '';
  const secret = (/<code class="key"[^>]*>([A-Z2-7 ]+)</.exec(one.page.html)?.[1] ?? '').replaceAll(' ', '');
  const fields = { csrf: field('csrf'), for: field('for'), setup: field('setup'), code: appCode(secret) };
  const tabs = browsers(6);
  for (const tab of tabs) {
    for (const cookie of await one.jar.getCookies(first.origin))
      await tab.jar.setCookie(cookie, first.origin);
    await tab.goto(at('/account/sign-in/apps/new'));
  }
  await Promise.all(tabs.map(tab => tab.post(at('/account/sign-in/apps/new'), fields)));
  expect(await rowsOf('authenticator_apps')).toHaveLength(1);
  expect(await rowsOf('recovery_codes')).toHaveLength(10);
  expect(tabs.filter(({ page }) => page.url.pathname.endsWith('/recovery-codes'))).toHaveLength(1);
  expect(await own('authenticator_app.added')).toHaveLength(1);
});

test('C18, C34: of six phones that scanned one picture and go on at once, one is let in, and each other is on record', async () => {
  const link = await beginMove(first, owner);
  const phones = browsers(6);
  for (const phone of phones) await phone.goto(link);
  await Promise.all(phones.map(phone => phone.press('Go on with this phone')));
  const headings = phones.map(({ page }) => page.heading);
  expect(headings.filter(heading => heading === 'Look at the old phone')).toHaveLength(1);
  expect(phones.filter(({ page }) => page.status === 410)).toHaveLength(5);
  expect(await own('move.claimed')).toHaveLength(1);
  expect((await own('replay.refused')).map(({ detail }) => detail)).toEqual(
    Array.from({ length: 5 }, () => ({ kind: 'move_link' })),
  );
});
