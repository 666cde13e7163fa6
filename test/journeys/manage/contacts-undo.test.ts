import { afterAll, beforeAll, beforeEach, expect, test } from '@jest/globals';
import { until } from '../../support/jobs.js';
import { personAt, signIn } from '../../support/journeys.js';
import { startKeyhold, type TestKeyhold } from '../../support/keyhold.js';
import { accountOf, peopleOnRecord, recordedDuring } from '../../support/ledger.js';
import { codeIn, objectionIn, type ReceivedMail } from '../../support/mailbox.js';
import { signInBeside } from '../../support/people.js';
import type { Person } from '../../support/person.js';
import { newMember } from '../../support/protocol.js';
import { openRelyingParty, type RelyingParty } from '../../support/relying-party.js';
import { csrfOf, toPassword, toRecoveryCredential } from '../../support/steps.js';

// A thief makes an address of theirs the main one; its owner undoes that from the mailbox, without signing in (C07, C22).

let keyhold: TestKeyhold;
let app: RelyingParty;
let owner: Person;
let thief: Person;
let email: string;
let stolen: string;
let accountId: string;
let count = 0;

beforeAll(async () => {
  keyhold = await startKeyhold();
  app = await openRelyingParty(keyhold, { first_party: true });
});

beforeEach(async () => {
  email = `ada${++count}@example.test`;
  stolen = `thief${count}@example.test`;
  owner = await newMember(keyhold, app, email);
  accountId = await accountOf(keyhold.db, email);
  thief = personAt(keyhold);
  await signInBeside(thief, app, email);
});

afterAll(async () => {
  await app?.close();
  await keyhold?.close();
});

const at = (path: string) => new URL(path, keyhold.origin);
const LIST = '/account/contacts';

async function notice(to: string, subject: RegExp): Promise<ReceivedMail> {
  for (let n = 0; n < 600; n++) {
    const found = await owner.newestMail(to, subject);
    if (found) return found;
    await new Promise(done => setTimeout(done, 25));
  }
  throw new Error(`no ${subject} to ${to}`);
}

/* Notices of what was done before may arrive before or after it. */
const CODE = /^\d{8} /;

const undoLinkIn = ({ text }: ReceivedMail) => /https?:\/\/\S+\/undo\/\S+/.exec(text)?.[0] ?? '';

async function add(person: Person, address: string): Promise<void> {
  const earlier = await person.newestMail(address, CODE);
  await person.goto(at(`${LIST}/add-email`));
  person.fill('New email address', address);
  await person.press('Send a code');
  let mail = earlier;
  await until(async () => {
    mail = await person.newestMail(address, CODE);
    return mail !== undefined && mail.id !== earlier?.id;
  });
  person.fill('Code', codeIn(mail ?? { text: '' }));
  await person.press('Continue');
}

async function act(person: Person, address: string, button: string): Promise<void> {
  await person.goto(at(LIST));
  await person.follow(address);
  await person.press(button);
}

/** The thief adds an address, makes it the main one and removes the owner's. */
async function takeOver(): Promise<void> {
  await add(thief, stolen);
  await act(thief, stolen, 'Make this the main address');
  await act(thief, email, 'Remove this address');
}

const held = async () =>
  (await keyhold.db('email_addresses').where({ account_id: accountId }).orderBy('address').select()).map(
    ({ address, is_primary }) => `${address}${is_primary ? ' *' : ''}`,
  );
const identifiers = () => keyhold.db('identifiers').where({ account_id: accountId }).pluck('value');

test('C22: the owner undoes the whole takeover by the first notice: address, main address, sign-in, and everybody is out', async () => {
  await takeOver();
  expect([await held(), await identifiers()]).toEqual([[`${stolen} *`], [stolen]]);
  const mail = await notice(email, /address was added/);
  const link = undoLinkIn(mail);
  const before = await peopleOnRecord(keyhold.db);
  const browser = personAt(keyhold);
  await browser.goto(link);
  expect([browser.page.status, browser.page.heading]).toEqual([200, 'Undo this change?']);
  for (const part of ['t…@example.test', 'a…@example.test', 'Firefox · Linux', 'Everybody is signed out'])
    expect(browser.page.text).toContain(part);
  expect(browser.page.text).not.toContain(stolen);
  expect(await peopleOnRecord(keyhold.db)).toBe(before);

  const events = await recordedDuring(keyhold.db, () => browser.press('Undo this change'));
  expect([browser.page.status, browser.page.heading]).toEqual([200, 'The change is undone']);
  const types = new Set(events.map(({ type }) => type));
  for (const type of [
    'contact_change.undone',
    'email_address.removed',
    'email_address.added',
    'session.ended',
  ])
    expect(types).toContain(type);
  expect([await held(), await identifiers()]).toEqual([[`${email} *`], [email]]);

  for (const person of [thief, owner]) {
    await person.goto(at(LIST));
    expect(person.page.heading).toBe('Sign in');
  }
  await toPassword(personAt(keyhold), app, stolen);
  const told = await notice(stolen, /was undone/);
  expect([told.text.includes('/undo/'), told.text.includes('/objection/')]).toEqual([false, false]);
  expect((await notice(email, /was undone/)).text).toContain('/objection/');
  await secondIsOver();
  const again = personAt(keyhold);
  await again.goto(await app.authorizationUrl());
  await signIn(again, email);
  expect(again.page.heading).toBe('Back in the app');
});

test('the thief’s mailbox never gets a link that undoes, and its "this wasn’t me" is over with the undoing', async () => {
  await takeOver();
  await browserUndoes();
  await add(owner, `safe-${email}`);
  const mails = await Promise.all(
    [/address was added/, /another main address/, /was removed/, /was undone/].map(subject =>
      notice(stolen, subject),
    ),
  );
  expect(mails.map(undoLinkIn)).toEqual(['', '', '', '']);
  const object = personAt(keyhold);
  for (const mail of mails.slice(0, 3)) {
    await object.goto(objectionIn(mail as ReceivedMail));
    expect([object.page.status, object.page.heading]).toEqual([410, 'This link has expired']);
  }
  expect(await held()).toEqual([`${email} *`, `safe-${email}`]);
});

/** Whoever authenticated in the second of the undoing is signed out as well, since sessions know seconds only. */
const secondIsOver = () => new Promise(done => setTimeout(done, 1_050));

/** Undoes by the first notice, and signs the owner in again. */
async function browserUndoes(): Promise<void> {
  const browser = personAt(keyhold);
  await browser.goto(undoLinkIn(await notice(email, /address was added/)));
  await browser.press('Undo this change');
  await secondIsOver();
  await signInBeside(owner, app, email);
}

test('"this wasn’t me" at the former main address undoes what was changed since, and freezes', async () => {
  await takeOver();
  const object = personAt(keyhold);
  await object.goto(objectionIn(await notice(email, /address was added/)));
  await object.press("This wasn't me");
  expect(await held()).toEqual([`${email} *`]);
  const { state } = await keyhold.db('accounts').where({ id: accountId }).first('state');
  expect(state).toBe('frozen');
  await toRecoveryCredential(personAt(keyhold), app, email);
});

test('C22: a recovery that the thief has begun with their address ends with it', async () => {
  await add(thief, stolen);
  const other = personAt(keyhold);
  await toRecoveryCredential(other, app, stolen);
  expect(other.page.heading).toBe('Choose how you sign in');
  await browserUndoes();
  await other.post(`${other.page.url.pathname}/recovery/password`, {
    csrf: csrfOf(other),
    password: 'eleven walruses polish quiet trombones',
  });
  expect(other.page.heading).not.toBe('Back in the app');
  await secondIsOver();
  const after = personAt(keyhold);
  await after.goto(await app.authorizationUrl());
  await signIn(after, email);
  expect(after.page.heading).toBe('Back in the app');
});

test('C07: the link works once, for seven days, and with every character as it is', async () => {
  await add(thief, stolen);
  const link = undoLinkIn(await notice(email, /address was added/));
  const browser = personAt(keyhold);
  await browser.goto(link);
  const before = await peopleOnRecord(keyhold.db);
  const csrf = csrfOf(browser);
  for (const wrong of [
    link.replace(/.$/, last => (last === 'A' ? 'B' : 'A')),
    link.slice(0, -1),
    `${link}A`,
  ]) {
    await browser.post(wrong, { csrf });
    expect([browser.page.status, browser.page.heading]).toEqual([410, 'This link has ended']);
  }
  await browser.post(link, { csrf: 'x'.repeat(43) });
  expect(browser.page.status).toBe(403);
  const shift = (days: number) =>
    keyhold
      .db('contact_changes')
      .where({ account_id: accountId })
      .update({ undo_until: keyhold.db.raw(`undo_until + make_interval(days => ?)`, [days]) });
  await shift(-7);
  await browser.goto(link);
  expect([browser.page.status, browser.page.heading]).toEqual([410, 'This link has ended']);
  await browser.post(link, { csrf });
  expect(browser.page.status).toBe(410);
  expect(await peopleOnRecord(keyhold.db)).toBe(before);
  await shift(7);
  await browser.goto(link);
  await browser.press('Undo this change');
  const events = await recordedDuring(keyhold.db, () => browser.post(link, { csrf }));
  expect([browser.page.status, browser.page.heading]).toEqual([410, 'This was undone already']);
  expect(events.map(({ type }) => type)).toEqual(['replay.refused']);
});

test('where the address that would come back is another account’s by now, nothing is undone and the page says so', async () => {
  await takeOver();
  const link = undoLinkIn(await notice(email, /address was added/));
  await add(await newMember(keyhold, app, `eve-${email}`), email);
  const browser = personAt(keyhold);
  await browser.goto(link);
  const before = await peopleOnRecord(keyhold.db);
  await browser.press('Undo this change');
  expect([browser.page.status, browser.page.heading]).toEqual([409, 'This cannot be undone right now']);
  expect(await peopleOnRecord(keyhold.db)).toBe(before);
});
