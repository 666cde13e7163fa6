import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { fetch } from 'undici';
import { sealEvents, verifyChain } from '../../../src/domain/audit/audit.js';
import { openKeyring } from '../../../src/platform/crypto/keyring.js';
import { readEvents } from '../../../src/platform/storage/events.js';
import { openLog } from '../../../src/platform/telemetry/log.js';
import { logOnly } from '../../../src/platform/telemetry/telemetry.js';
import { accountApi, accountToken } from '../../support/account-api.js';
import { setProfile } from '../../support/consented.js';
import { DAY, deletionOf, passing, whereIn } from '../../support/deletion.js';
import { jobsLeft, until } from '../../support/jobs.js';
import { personAt, signIn, signUp } from '../../support/journeys.js';
import { startKeyhold, type TestKeyhold } from '../../support/keyhold.js';
import { accountOf, recordedDuring } from '../../support/ledger.js';
import { mailsNow, type ReceivedMail } from '../../support/mailbox.js';
import type { Person } from '../../support/person.js';
import { type Behaviour, openReceiver, type Receiver, stating } from '../../support/receiver.js';
import { openRelyingParty, type RelyingParty } from '../../support/relying-party.js';

// A deletion from the question to the end: the clock is the test's, the apps are servers that answer as they like.

const MINUTE = 60_000;
const WAIT = 8 * DAY;
const logged: string[] = [];
const behaviours: Record<string, Behaviour> = {};
let keyhold: TestKeyhold;
let receiver: Receiver;
let shop: RelyingParty;
let radio: RelyingParty;
let folder: string;
let count = 0;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'keyhold-erased-'));
  receiver = await openReceiver(behaviours);
  const telemetry = logOnly(openLog('debug', { write: line => void logged.push(line) }));
  keyhold = await startKeyhold({}, { telemetry });
  shop = await openApp('Shop', stating('unknown'));
  radio = await openApp('Radio', stating('archived', { retention_reason: 'Invoices, ten years' }));
});

afterAll(async () => {
  await shop?.close();
  await radio?.close();
  await keyhold?.close();
  await receiver?.close();
  await rm(folder, { recursive: true, force: true });
});

async function openApp(name: string, behave: Behaviour, more: object = {}): Promise<RelyingParty> {
  const path = `/${name.toLowerCase()}`;
  behaviours[path] = behave;
  const told = { command_endpoint: receiver.url(path), commands_supported: ['delete', 'audit'] };
  return openRelyingParty(keyhold, { client_name: name, ...told, ...more });
}

const erasedList = () => join(folder, 'erased.jsonl');
const deleteUrl = () => `${keyhold.origin}/account/data/delete`;

/** Somebody with an account, signed in at an app and in their account. */
async function somebody(app: RelyingParty = shop) {
  const email = `ada.deleted${++count}@example.test`;
  const person = personAt(keyhold);
  await signUp(person, app, email, 'Ada Lovelace');
  if (person.page.heading?.startsWith('Allow')) await person.press('Allow');
  const tokens = await app.exchange(new URL(person.page.url));
  return { email, person, tokens, accountId: await accountOf(keyhold.db, email) };
}

const openDelete = async (person: Person) => {
  await person.goto(deleteUrl());
  return person.page;
};

async function asked(person: Person, accountId: string): Promise<string> {
  await openDelete(person);
  await person.press('Delete my account');
  return deletionOf(keyhold.db, accountId);
}

const linkIn = ({ text }: ReceivedMail) => /https?:\/\/\S+\/deletion\/[\w-]{43}/.exec(text)?.[0] ?? '';
const stateOf = async (id: string) => (await keyhold.db('accounts').where({ id }).first('state'))?.state;

async function mailed(email: string, subject: RegExp): Promise<ReceivedMail> {
  const find = async () => (await mailsNow(keyhold, email)).find(mail => subject.test(mail.subject));
  await until(async () => (await find()) !== undefined);
  return (await find()) as ReceivedMail;
}

test('the page says what goes, what stays and which app is told; asking changes nothing but that it is on its way, and mail says so', async () => {
  const { person, email, accountId } = await somebody();
  const page = await openDelete(person);
  expect(page.heading).toBe('Delete your account');
  for (const word of [
    'Shop',
    'What stays, and why',
    'Your addresses are free again',
    'Nothing happens for 7 days',
  ])
    expect(page.text).toContain(word);

  const events = await recordedDuring(keyhold.db, () => asked(person, accountId));
  expect(events.map(({ type }) => type)).toEqual(['deletion.asked', 'right.asked']);
  expect(person.page.heading).toBe('Your account will be deleted');
  expect(await stateOf(accountId)).toBe('active');
  const mail = await mailed(email, /will be deleted/);
  expect(mail.text).toContain('everything stays as it is');

  /* Asked twice it is as asked once: the same one, and no other mail. */
  const id = await deletionOf(keyhold.db, accountId);
  await person.post(deleteUrl(), { csrf: hidden(person, 'csrf'), for: hidden(person, 'for') });
  expect(await deletionOf(keyhold.db, accountId)).toBe(id);
  await person.goto(`${keyhold.origin}/account`);
  expect(person.page.text).toContain('Until it begins, you can keep it.');
});

const hidden = (person: Person, name: string) =>
  new RegExp(`name="${name}" value="([^"]*)"`).exec(person.page.html)?.[1] ?? '';

test('it is called off on the page, by the link without signing in, and at the next sign-in; whatever was done, nothing is deleted', async () => {
  const { person, email, accountId } = await somebody();
  await asked(person, accountId);
  expect(
    (await recordedDuring(keyhold.db, () => person.press('Keep my account'))).map(({ type }) => type),
  ).toEqual(['deletion.undone']);
  expect(person.page.text).toContain('Nothing was deleted.');
  await mailed(email, /account stays/);

  const byLink = await asked(person, accountId);
  const link = linkIn(
    (await mailsNow(keyhold, email)).find(({ subject }) => /will be deleted/.test(subject)) as never,
  );
  const stranger = personAt(keyhold);
  await stranger.goto(link);
  expect(stranger.page.heading).toBe('Your account will be deleted');
  expect((await keyhold.db('deletions').where({ id: byLink }).first('state')).state).toBe('waiting');
  await stranger.press('Keep my account');
  expect(stranger.page.heading).toBe('Your account stays');
  expect((await keyhold.db('deletions').where({ id: byLink }).first()).key).toBeNull();

  await asked(person, accountId);
  const elsewhere = personAt(keyhold);
  await elsewhere.goto(await shop.authorizationUrl());
  await signIn(elsewhere, email);
  expect(elsewhere.page.heading).toBe('This account is about to go');
  await elsewhere.press('Keep my account');
  await elsewhere.follow('Continue');
  expect(elsewhere.page.url.searchParams.has('code')).toBe(true);
  expect(await passing(keyhold, byLink, WAIT)).toBe('undone');
  expect(await stateOf(accountId)).toBe('active');
});

test('once it begins nobody is in the account any more, each app is told, everything goes, and the statement says who answered what', async () => {
  const ada = await somebody();
  const { person, email, accountId, tokens } = ada;
  await person.goto(await radio.authorizationUrl());
  if (person.page.heading?.startsWith('Allow')) await person.press('Allow');
  await keyhold.db('phone_numbers').insert({
    account_id: accountId,
    number: '+4915112345678',
    verified_at: new Date(),
    is_primary: true,
    added_at: new Date(),
  });
  await setProfile(keyhold.db, accountId, { family_name: 'Augusta-Byron', nickname: 'Countess' });
  const second = `second-${email}`;
  await keyhold.db('email_addresses').insert({
    account_id: accountId,
    address: second,
    verified_at: new Date(),
    is_primary: false,
    added_at: new Date(),
  });
  const id = await asked(person, accountId);
  await until(async () => (await jobsLeft(keyhold.db)) === 0);

  expect(await passing(keyhold, id, 6 * DAY)).toBe('waiting');
  expect(await passing(keyhold, id, WAIT, { erasedList: erasedList() })).toBe('told');
  expect(await stateOf(accountId)).toBe('closed');
  await expect(shop.refresh(tokens.refresh_token ?? 'none')).rejects.toThrow();
  expect((await person.goto(`${keyhold.origin}/account`)).heading).toBe('Sign in');
  const link = linkIn(await mailed(second, /is being deleted/));
  await mailed(email, /is being deleted/);

  const during = personAt(keyhold);
  await during.goto(link);
  expect(during.page.text).toContain('The deletion is under way.');
  await until(async () => receiver.received.filter(({ said }) => said['command'] === 'delete').length >= 2);
  await until(async () => (await jobsLeft(keyhold.db, 'backchannel-logout')) === 0);

  expect(await passing(keyhold, id, WAIT + 2 * MINUTE, { erasedList: erasedList(), batch: 2 })).toBe(
    'finished',
  );
  expect(await stateOf(accountId)).toBeUndefined();
  const last = await mailed(second, /is deleted/);
  expect(last.text).toContain('Apps that confirmed: 1');
  expect(last.text).toContain('Apps that keep something by law: 1');

  await during.goto(link);
  expect(during.page.heading).toBe('Statement about a deletion');
  expect(during.page.text).toContain('Confirmed: nothing is left there');
  expect(during.page.text).toContain('Invoices, ten years');
  expect(during.page.text).toContain('It had been told: Your number at the app');
  expect(during.page.headers.get('x-robots-tag')).toContain('noindex');
  expect(during.page.headers.get('cache-control')).toContain('no-store');

  const signed = await (await fetch(`${link}/statement.jws`)).text();
  const checked = await fetch(`${keyhold.origin}/receipts/verify`, {
    method: 'POST',
    headers: { 'content-type': 'application/jose' },
    body: signed,
  });
  const { valid, statement } = (await checked.json()) as {
    valid: boolean;
    statement: { recipients: object[] };
  };
  expect(valid).toBe(true);
  expect(statement.recipients).toHaveLength(2);

  /* Thirty days later the one that confirmed is asked once more. */
  behaviours['/shop'] = stating('active');
  expect(await passing(keyhold, id, WAIT + 31 * DAY)).toBe('finished');
  await keyhold.db('commands').where({ reason_id: id, command: 'audit' }).update({ due_at: new Date() });
  await keyhold.db.raw(`SELECT keyhold_add_jobs('[{"identifier": "tell-apps", "payload": {}}]'::jsonb)`);
  await until(async () => receiver.received.some(({ said }) => said['command'] === 'audit'));
  await until(
    async () =>
      (await keyhold.db('commands').where({ reason_id: id, command: 'audit' }).first()).ended_at !== null,
  );
  behaviours['/shop'] = stating('unknown');
  expect(await passing(keyhold, id, WAIT + 32 * DAY)).toBe('audited');
  await during.goto(link);
  expect(during.page.text).toContain('something is there after all');

  /* Nothing of her is left in clear: not in a table, not in the queue, the log or the list. */
  await until(async () => (await jobsLeft(keyhold.db)) === 0);
  await keyhold
    .db('mailbox')
    .whereIn('to_address', [email, second])
    .whereRaw('subject ~ ?', ['is deleted'])
    .delete();
  for (const slot of [0, 1, 2, 3]) await keyhold.db.raw('SELECT keyhold_empty_slot(?::smallint)', [slot]);
  const traces = [email, second, 'Augusta-Byron', 'Countess', '4915112345678', accountId];
  expect(await whereIn(keyhold.db, traces.slice(0, 5), [])).toEqual([]);
  expect(await whereIn(keyhold.db, [accountId], ['events'])).toEqual([]);
  const files = await readFile(erasedList(), 'utf8');
  for (const trace of traces) {
    expect({ trace, logged: logged.filter(line => line.includes(trace)) }).toEqual({ trace, logged: [] });
    expect({ trace, listed: files.includes(trace) }).toEqual({ trace, listed: false });
  }
  expect(await keyhold.db('subject_keys').where({ account_id: accountId })).toEqual([]);

  /* The address is anybody's who proves it, and leads to another account. */
  const again = personAt(keyhold);
  await signUp(again, shop, email, 'Somebody Else');
  expect(await accountOf(keyhold.db, email)).not.toBe(accountId);
});

test('a link that leads nowhere is refused and on record, and looking at a statement takes no account', async () => {
  const stranger = personAt(keyhold);
  const events = await recordedDuring(keyhold.db, async () => {
    await stranger.goto(`${keyhold.origin}/deletion/${'A'.repeat(43)}`);
  });
  expect(stranger.page.status).toBe(404);
  expect(events.map(({ type, detail }) => [type, detail['kind']])).toEqual([
    ['replay.refused', 'deletion_link'],
  ]);
});

test('the chain of events is whole after people were deleted, and opens nothing of theirs', async () => {
  const parts = { db: keyhold.db, keyring: openKeyring(keyhold.config.secret) };
  await sealEvents(parts);
  const { fault, events } = await verifyChain(parts);
  expect({ fault, some: events > 20 }).toEqual({ fault: undefined, some: true });
  const destroyed = await keyhold.db('events').where({ type: 'subject_key.destroyed' }).pluck('account_id');
  expect(destroyed.length).toBeGreaterThan(0);
  for (const accountId of destroyed) {
    const left = await readEvents(keyhold.db, parts.keyring, { accountId, limit: 500 });
    expect(left.filter(({ origin }) => origin !== undefined)).toEqual([]);
  }
});

test('an app asks for it and calls it off for its person, with the scope for that and with no other', async () => {
  const scopes = 'account:deletion:read account:deletion:write';
  const app = await openRelyingParty(keyhold, { scope: `openid profile email ${scopes}`, first_party: true });
  const { person, accountId } = await somebody(app);
  const call = async (token: string, method: string) => {
    const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' };
    const body = method === 'POST' ? { body: '{}' } : {};
    const answer = await fetch(`${accountApi(keyhold)}/deletion`, { method, headers, ...body });
    return { status: answer.status, body: (await answer.json()) as Record<string, unknown> };
  };
  const reading = await accountToken(keyhold, person, app, 'account:deletion:read');
  expect(await call(reading, 'GET')).toMatchObject({ status: 200, body: { waiting: null } });
  for (const method of ['POST', 'DELETE']) expect((await call(reading, method)).status).toBe(403);
  expect(await keyhold.db('deletion_subjects').where({ account_id: accountId })).toEqual([]);

  const writing = await accountToken(keyhold, person, app, 'account:deletion:write');
  const asked = await call(writing, 'POST');
  expect(asked).toMatchObject({ status: 202, body: { waiting: { begins_at: expect.any(String) } } });
  expect((await call(writing, 'POST')).body).toEqual(asked.body);
  expect((await call(writing, 'DELETE')).body).toEqual({ undone: true });
  expect((await call(writing, 'DELETE')).body).toEqual({ undone: false });
  await app.close();
});

test('whoever says that it was not them freezes the account, and nothing of it is deleted', async () => {
  const { person, accountId } = await somebody();
  const id = await asked(person, accountId);
  const form = { csrf: hidden(person, 'csrf'), for: hidden(person, 'for'), how: 'freeze' };
  await person.post(`${keyhold.origin}/account/recovery/stop`, form);
  expect(await stateOf(accountId)).toBe('frozen');
  expect((await keyhold.db('deletions').where({ id }).first('state')).state).toBe('undone');
  expect(await passing(keyhold, id, WAIT)).toBe('undone');
  expect(await stateOf(accountId)).toBe('frozen');
});
