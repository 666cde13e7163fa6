import { afterAll, beforeAll, beforeEach, expect, test } from '@jest/globals';
import { until } from '../../support/jobs.js';
import { personAt, signIn } from '../../support/journeys.js';
import { startKeyhold, type TestKeyhold } from '../../support/keyhold.js';
import { accountOf, peopleOnRecord, recordedDuring } from '../../support/ledger.js';
import { codeIn, type ReceivedMail } from '../../support/mailbox.js';
import { signInBeside } from '../../support/people.js';
import type { Person } from '../../support/person.js';
import { newMember } from '../../support/protocol.js';
import { openRelyingParty, type RelyingParty } from '../../support/relying-party.js';
import { csrfOf } from '../../support/steps.js';

// Addresses and numbers on the pages: nothing counts before its code, and nobody learns who has which.

let keyhold: TestKeyhold;
let app: RelyingParty;
let ada: Person;
let email: string;
let second: string;
let count = 0;
const PHONE = '+447400123456';

beforeAll(async () => {
  keyhold = await startKeyhold({ SMS_COUNTRIES: 'GB,DE' });
  app = await openRelyingParty(keyhold, { first_party: true });
});

beforeEach(async () => {
  email = `ada${++count}@example.test`;
  second = `second${count}@example.test`;
  ada = await newMember(keyhold, app, email);
});

afterAll(async () => {
  await app?.close();
  await keyhold?.close();
});

const at = (path: string) => new URL(path, keyhold.origin);
const LIST = '/account/contacts';

/** Asks for a code for an address; gives the code out of what arrives there. */
async function ask(person: Person, address: string, kind: 'email' | 'phone' = 'email'): Promise<string> {
  const subject = kind === 'email' ? /^\d{8} / : /^SMS$/;
  const earlier = await person.newestMail(address, subject);
  await person.goto(at(`${LIST}/add-${kind}`));
  person.fill(kind === 'email' ? 'New email address' : 'New phone number', address);
  await person.press('Send a code');
  let mail = earlier;
  await until(async () => {
    mail = await person.newestMail(address, subject);
    return mail !== undefined && mail.id !== earlier?.id;
  });
  return /\d{8}/.exec(mail?.text ?? '')?.[0] ?? '';
}

async function type(person: Person, code: string): Promise<void> {
  person.fill('Code', code);
  await person.press('Continue');
}

async function add(person: Person, address: string, kind: 'email' | 'phone' = 'email'): Promise<void> {
  await type(person, await ask(person, address, kind));
}

/** A form as a page in this browser would send it, without following where it leads. */
async function send(person: Person, path: string, fields: Readonly<Record<string, string>>) {
  const url = at(path);
  const answer = await fetch(url, {
    method: 'POST',
    redirect: 'manual',
    headers: { cookie: await person.jar.getCookieString(url.href), 'sec-fetch-site': 'same-origin' },
    body: new URLSearchParams(fields),
  });
  return `${answer.status} ${answer.headers.get('location') ?? ''}`.trim();
}

const times = <T>(n: number, act: () => Promise<T>) => Promise.all(Array.from({ length: n }, act));

async function open(person: Person, address: string): Promise<void> {
  await person.goto(at(LIST));
  await person.follow(address);
}

const contactsOf = async (address = email) =>
  (
    await keyhold
      .db('email_addresses')
      .where({ account_id: await accountOf(keyhold.db, address) })
      .orderBy('address')
      .select('address', 'is_primary')
  ).map(row => `${row.address}${row.is_primary ? ' *' : ''}`);

const codesOnRecord = async () =>
  (
    await keyhold
      .db('messages')
      .where({ account_id: await accountOf(keyhold.db, email), kind: 'code' })
      .orderBy('id')
      .select('template', 'state')
  ).map(({ template, state }) => `${template} ${state}`);

const newsTo = async (person: Person, to: string, subject: RegExp): Promise<ReceivedMail> => {
  for (let n = 0; n < 400; n++) {
    const found = await person.newestMail(to, subject);
    if (found) return found;
    await new Promise(done => setTimeout(done, 25));
  }
  throw new Error(`no ${subject} to ${to}`);
};

const undoLinkIn = ({ text }: ReceivedMail) => /https?:\/\/\S+\/undo\/\S+/.exec(text)?.[0];

const wrong = (code: string) => code.replace(/\d$/, last => String((Number(last) + 1) % 10));

test('an address counts once its code is typed; both mailboxes are told, and it signs in', async () => {
  const code = await ask(ada, second);
  expect([ada.page.status, ada.page.heading]).toEqual([200, 'Confirm your new address']);
  expect(ada.page.html).toMatch(/autocomplete="one-time-code"[^>]*inputmode="numeric"/);
  expect(await contactsOf()).toEqual([`${email} *`]);
  const events = await recordedDuring(keyhold.db, () => type(ada, code));
  expect([ada.page.status, ada.page.heading]).toEqual([200, 'Email addresses and phone numbers']);
  expect(ada.page.text).toContain('It is confirmed and on your list.');
  expect(events.map(({ type: name }) => name)).toEqual(
    expect.arrayContaining(['email_proof.proved', 'email_address.added', 'objection.begun']),
  );
  expect(JSON.stringify(events)).not.toContain('example.test');
  expect(await contactsOf()).toEqual([`${email} *`, second]);
  expect(await codesOnRecord()).toEqual(['sign-up-code sent', 'add-email-code sent']);
  const [old, fresh] = [await newsTo(ada, email, /added/), await newsTo(ada, second, /added/)];
  expect(old.text).toContain(`s…@example.test`);
  expect([typeof undoLinkIn(old), undoLinkIn(fresh)]).toEqual(['string', undefined]);
  const other = personAt(keyhold);
  await other.goto(await app.authorizationUrl());
  await signIn(other, second);
  expect(other.page.heading).toBe('Back in the app');
});

test('an address that somebody else has looks the same to whoever asks, its owner gets a mail, and no code fits', async () => {
  const taken = `holder${count}@example.test`;
  await newMember(keyhold, app, taken);
  await ask(ada, second);
  const free = ada.page;
  await ada.goto(at(`${LIST}/add-email`));
  ada.fill('New email address', taken);
  const events = await recordedDuring(keyhold.db, () => ada.press('Send a code'));
  const shape = (html: string) =>
    html
      .replace(/value="[\w-]{43}"|nonce="[^"]+"/g, '')
      .replace(/proofs\/[\w-]{36}/g, '')
      .replaceAll(taken, second);
  expect([ada.page.status, shape(ada.page.html)]).toEqual([free.status, shape(free.html)]);
  expect(events.map(({ type: name, detail }) => [name, Object.keys(detail).sort()])).toEqual([
    ['email_proof.sent', ['proof', 'purpose']],
  ]);
  const mail = await newsTo(ada, taken, /wanted to add your address/);
  expect(mail.text).not.toMatch(/\d{8}/);
  expect(mail.text).not.toContain(email);
  const before = await peopleOnRecord(keyhold.db);
  await type(ada, '12345678');
  expect([ada.page.status, ada.page.text]).toEqual([400, expect.stringContaining('4 tries left')]);
  expect(await peopleOnRecord(keyhold.db)).toBe(before);
  expect(await codesOnRecord()).toEqual(['sign-up-code sent']);
});

test('C09: whether somebody has an address shows neither in what the database is asked nor in the headers', async () => {
  const [taken, free] = [`holds${count}@example.test`, `nobod${count}@example.test`];
  await newMember(keyhold, app, taken);
  const asked = async (address: string) => {
    await ada.goto(at(`${LIST}/add-email`));
    ada.fill('New email address', address);
    let headers: string[] = [];
    const statements = await keyhold.trips.during(async () => {
      await ada.press('Send a code');
      headers = [...ada.page.headers.keys()].sort();
    });
    return [statements.filter(statement => !/mailbox/.test(statement)), headers, ada.page.html.length];
  };
  await asked(`first${count}@example.test`);
  expect(await asked(taken)).toEqual(await asked(free));
});

test('whoever proves an address that became somebody else’s meanwhile is told, and nothing changes', async () => {
  const code = await ask(ada, second);
  const ready = ada.page.url;
  await add(await newMember(keyhold, app, `eve${count}@example.test`), second);
  await ada.goto(ready);
  const before = await peopleOnRecord(keyhold.db);
  await type(ada, code);
  expect(ada.page.text).toContain('is part of another account by now');
  expect(await peopleOnRecord(keyhold.db)).toBe(before);
});

test('C18: a code fits only where it was asked for: not for another person here, nor for the same person elsewhere', async () => {
  const bob = `bob${count}@example.test`;
  await newMember(keyhold, app, bob);
  const code = await ask(ada, second);
  const { pathname } = ada.page.url;
  const before = await peopleOnRecord(keyhold.db);

  const elsewhere = personAt(keyhold);
  await signInBeside(elsewhere, app, email);
  await elsewhere.goto(at(LIST));
  const forAda = await accountOf(keyhold.db, email);
  await elsewhere.post(pathname, { csrf: csrfOf(elsewhere), for: forAda, code });
  expect(elsewhere.page.text).toContain('That page was out of date');

  await signInBeside(ada, app, bob);
  await ada.goto(at(`/account/switch`));
  await ada.press(bob);
  const forBob = await accountOf(keyhold.db, bob);
  const token = csrfOf(ada);
  await ada.post(pathname, { csrf: token, for: forBob, code });
  expect(ada.page.status).toBe(404);
  await ada.post(pathname, { csrf: token, for: forAda, code });
  expect(ada.page.status).toBe(409);
  expect(await keyhold.db('email_addresses').where({ address: second })).toEqual([]);
  expect((await peopleOnRecord(keyhold.db)).split('sessions')[0]).toBe(before.split('sessions')[0]);

  await ada.goto(at(`/account/switch`));
  await ada.press(email);
  await ada.goto(at(pathname));
  await type(ada, code);
  expect(await contactsOf()).toEqual([`${email} *`, second]);
});

test('C18: a code for one address is none for another, nor for signing in, and works once', async () => {
  const third = `third${count}@example.test`;
  const code = await ask(ada, second);
  const { pathname } = ada.page.url;
  await ask(ada, third);
  await type(ada, code);
  expect(ada.page.text).toContain('That code is not right');
  expect(await contactsOf()).toEqual([`${email} *`]);
  await ada.goto(at(pathname));
  const fields = { csrf: csrfOf(ada), for: await accountOf(keyhold.db, email), code };
  const answers = await times(10, () => send(ada, pathname, fields));
  expect(new Set(answers)).toEqual(new Set([`303 ${LIST}?done=added`]));
  const facts = await keyhold
    .db('events')
    .where({ account_id: await accountOf(keyhold.db, email), type: 'email_address.added' });
  expect(facts).toHaveLength(2);
  expect(await contactsOf()).toEqual([`${email} *`, second]);
});

test('five wrong codes end it, also when they come at once, and another can be asked for', async () => {
  const code = await ask(ada, second);
  const { pathname } = ada.page.url;
  const fields = { csrf: csrfOf(ada), for: await accountOf(keyhold.db, email), code: wrong(code) };
  const answers = await times(12, () => send(ada, pathname, fields));
  expect(answers.filter(answer => answer === '400')).toHaveLength(4);
  await ada.post(pathname, { ...fields, code });
  expect(await contactsOf()).toEqual([`${email} *`]);
  expect(ada.page.buttons).toContain('Send a new code');
  const earlier = await ada.latestMail(second);
  await ada.press('Send a new code');
  await type(ada, codeIn(await ada.latestMail(second, earlier)));
  expect(await contactsOf()).toEqual([`${email} *`, second]);
});

test('what is no address stays where it was typed, with what is wrong with it', async () => {
  await ada.goto(at(`${LIST}/add-email`));
  for (const [typed, said] of [
    ['', 'Enter your email address.'],
    ['<b>ada', 'Enter a complete email address'],
    [email.toUpperCase(), 'This is confirmed already'],
  ] as const) {
    ada.fill('New email address', typed);
    await ada.press('Send a code');
    expect([ada.page.status, ada.page.text]).toEqual([400, expect.stringContaining(said)]);
    expect(ada.page.html).toContain(`value="${typed.replaceAll('<', '&lt;').replaceAll('>', '&gt;')}"`);
  }
  await ada.goto(at(`${LIST}/add-phone`));
  for (const [typed, said] of [
    ['', 'Enter your phone number.'],
    ['0151 2345', 'Enter the whole number with the country code'],
    ['+1 415 555 2671', 'We cannot send text messages to this country.'],
  ] as const) {
    ada.fill('New phone number', typed);
    await ada.press('Send a code');
    expect([ada.page.status, ada.page.text]).toEqual([400, expect.stringContaining(said)]);
    expect(ada.page.html).toContain(`value="${typed}"`);
  }
});

test('a number is proved by a text message that is bound to our origin, and apps are told the main one', async () => {
  const earlier = await ada.newestMail(PHONE);
  await add(ada, '+44 7400 123456'.replaceAll(' ', ''), 'phone');
  const sms = await ada.latestMail(PHONE, earlier);
  expect(sms.text.split('\n').at(-1)).toMatch(/^@localhost #\d{8}$/);
  expect(ada.page.text).toContain(PHONE);
  expect(ada.page.html).toContain(`<bdi dir="ltr">${PHONE}</bdi>`);
  await add(ada, '+4915123456789', 'phone');
  await open(ada, '+4915123456789');
  await ada.press('Make this the main number');
  const accountId = await accountOf(keyhold.db, email);
  const { phone } = await keyhold.db('account_snapshots').where({ account_id: accountId }).first('phone');
  expect(phone).toBe('+4915123456789');
  expect((await newsTo(ada, email, /another main phone number/)).text).toContain('+49…789');
  await open(ada, '+4915123456789');
  await ada.press('Remove this number');
  expect(ada.page.text).toContain('It is removed.');
  expect(ada.page.text).toContain(PHONE);
});

test('the last address cannot be removed, and the page says why and what helps; nor by a form of one’s own', async () => {
  await open(ada, email);
  expect(ada.page.text).toContain('This is the last address at which we can reach you');
  expect(ada.page.buttons).not.toContain('Remove this address');
  const before = await peopleOnRecord(keyhold.db);
  const fields = { csrf: csrfOf(ada), for: await accountOf(keyhold.db, email) };
  await ada.post(`${ada.page.url.pathname}/remove`, fields);
  expect(ada.page.text).toContain('This is the last address at which we can reach you');
  expect(await peopleOnRecord(keyhold.db)).toBe(before);
});

test('the main address can be changed and the former one removed; doing it twice is no mistake', async () => {
  await add(ada, second);
  await open(ada, second);
  await ada.press('Make this the main address');
  expect(ada.page.text).toContain('Your main address is changed.');
  await open(ada, email);
  const { pathname } = ada.page.url;
  const fields = { csrf: csrfOf(ada), for: await accountOf(keyhold.db, email) };
  await ada.press('Remove this address');
  expect(ada.page.text).toContain('It is removed.');
  await ada.post(`${pathname}/remove`, fields);
  expect([ada.page.status, ada.page.text]).toEqual([200, expect.stringContaining('It is removed.')]);
  await ada.goto(at(pathname));
  expect(ada.page.text).toContain('This is how things are now');
  expect(await contactsOf(second)).toEqual([`${second} *`]);
  expect(undoLinkIn(await newsTo(ada, email, /was removed/))).toBeDefined();
  const stranger = personAt(keyhold);
  await stranger.goto(await app.authorizationUrl());
  await signIn(stranger, email);
  expect(stranger.page.heading).toBe('Enter your password');
});

test('C48, C49: nobody’s address can be reached by another’s id, and no field says whose it is', async () => {
  const bob = await newMember(keyhold, app, `bob${count}@example.test`);
  await add(bob, `b${second}`);
  await open(bob, `b${second}`);
  const { pathname } = bob.page.url;
  const change = (await keyhold.db('contact_changes').orderBy('made_at', 'desc').first('id'))?.id;
  await ada.goto(at(`${LIST}/add-email`));
  const fields = {
    csrf: csrfOf(ada),
    for: await accountOf(keyhold.db, email),
    account_id: await accountOf(keyhold.db, `b${second}`),
    accountId: await accountOf(keyhold.db, `b${second}`),
  };
  const before = await peopleOnRecord(keyhold.db);
  for (const path of [
    `${pathname}/remove`,
    `${pathname}/main`,
    `${pathname}/prove`,
    `${LIST}/changes/${change}`,
  ]) {
    await ada.post(path, fields);
    expect([path, ada.page.status]).toEqual([path, 404]);
  }
  for (const path of [
    pathname,
    `${LIST}/changes/${change}`,
    `${LIST}/proofs/${change}`,
    `${LIST}/proofs/x`,
  ]) {
    await ada.goto(at(path));
    expect([ada.page.status, ada.page.text.includes(`b${second}`)]).toEqual([404, false]);
  }
  expect(await peopleOnRecord(keyhold.db)).toBe(before);
});

test('a change can be undone on the page, signed in, and everybody stays signed in', async () => {
  await add(ada, second);
  await open(ada, second);
  await ada.press('Make this the main address');
  await ada.follow(`The address ${second} became the main one.`);
  await ada.press('Undo this change');
  expect(ada.page.text).toContain('The change is undone.');
  expect(await contactsOf()).toEqual([`${email} *`, second]);
});

test('pages take three round trips at most beyond finding out who it is', async () => {
  await add(ada, second);
  const all = await keyhold.trips.during(() => ada.goto(at(LIST)));
  expect(
    all.filter(statement => !/session|SELECT to_jsonb\(s\)/i.test(statement)).length,
  ).toBeLessThanOrEqual(3);
});
