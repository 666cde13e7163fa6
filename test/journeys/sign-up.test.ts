import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { personAt, signIn } from '../support/journeys.js';
import { startKeyhold, type TestKeyhold } from '../support/keyhold.js';
import { accountOf, peopleOnRecord, recordedDuring } from '../support/ledger.js';
import { codeIn, linkIn } from '../support/mailbox.js';
import { newPerson, type Person } from '../support/person.js';
import { openRelyingParty, type RelyingParty } from '../support/relying-party.js';
import { memberOf, postStep, requestPath, toCredential, toSignUpCode } from '../support/steps.js';
import { GOOD_PASSWORD } from '../support/walk.js';

let keyhold: TestKeyhold;
let app: RelyingParty;

beforeAll(async () => {
  keyhold = await startKeyhold();
  app = await openRelyingParty(keyhold, { client_name: 'Photo Album' });
});

afterAll(async () => {
  await app?.close();
  await keyhold?.close();
});

async function finish(person: Person, name = ''): Promise<void> {
  expect(person.page.heading).toBe('Finish your account');
  if (name) person.fill('Name (optional)', name);
  person.tick('I accept the terms');
  person.fill('Password', GOOD_PASSWORD);
  await person.press('Create account');
}

const setBack = (minutes: number) =>
  keyhold.db.raw(
    `UPDATE email_proofs SET expires_at = expires_at - make_interval(mins => ?),
    created_at = created_at - make_interval(mins => ?)`,
    [minutes, minutes],
  );

test('the mailed link goes on in the browser that began, after a button and not by looking', async () => {
  const ada = personAt(keyhold);
  await toSignUpCode(ada, app, 'ada@example.test');
  const mail = await ada.latestMail('ada@example.test');
  const link = linkIn(mail);
  expect(link.startsWith(`${keyhold.origin}/interaction/`)).toBe(true);
  expect(mail.text).toContain('Photo Album');

  for (const scanner of [personAt(keyhold), personAt(keyhold)]) await scanner.goto(link);
  await ada.goto(link);
  expect(ada.page.heading).toBe('Confirm your email');
  await ada.press('Continue');
  await finish(ada, 'Ada');
  expect(ada.page.heading).toBe('Allow access?');

  await ada.goto(link);
  expect([ada.page.status, ada.page.heading]).toEqual([410, 'This link is already used']);
});

test('in another browser the link shows who asked, from where, and the code to type where it began', async () => {
  const phone = newPerson({
    origin: keyhold.origin,
    userAgent: 'Mozilla/5.0 (iPhone) Version/18 Safari/605',
  });
  const laptop = personAt(keyhold);
  await toSignUpCode(laptop, app, 'bea@example.test');
  const mail = await laptop.latestMail('bea@example.test');
  await phone.goto(linkIn(mail));
  expect(phone.page.heading).toBe('Go back to where you began');
  for (const told of ['bea@example.test', 'Photo Album', 'Firefox · Linux', '127.0.0.1']) {
    expect(phone.page.text.replace('::1', '127.0.0.1')).toContain(told);
  }
  expect(phone.page.text).toContain(codeIn(mail));
  expect(phone.page.buttons).toEqual(['Not me']);

  laptop.fill('Code', codeIn(mail));
  await laptop.press('Continue');
  await finish(laptop);
  expect(laptop.page.heading).toBe('Allow access?');
});

test('the link does nothing for whoever did not begin, even posted by hand', async () => {
  const began = personAt(keyhold);
  await toSignUpCode(began, app, 'cleo@example.test');
  const link = new URL(linkIn(await began.latestMail('cleo@example.test')));
  const stranger = personAt(keyhold);
  await stranger.goto(link);
  const csrf = /name="csrf" value="([^"]+)"/.exec(stranger.page.html)?.[1] ?? '';
  const before = await peopleOnRecord(keyhold.db);
  const page = await stranger.post(link, { csrf });
  expect([page.status, page.heading]).toEqual([404, 'Request error']);
  expect(page.text).toContain('begun in another browser');
  expect(await peopleOnRecord(keyhold.db)).toBe(before);

  await toSignUpCode(stranger, app, 'mallory@example.test');
  const token = link.pathname.split('/').at(-1) ?? '';
  await postStep(stranger, `/link/${token}`);
  expect([stranger.page.status, stranger.page.heading]).toEqual([410, 'This link has expired']);
});

test('"Not me" ends it for whoever asked, and is on record', async () => {
  const asker = personAt(keyhold);
  await toSignUpCode(asker, app, 'dora@example.test');
  const mail = await asker.latestMail('dora@example.test');
  const owner = personAt(keyhold);
  const events = await recordedDuring(keyhold.db, async () => {
    await owner.goto(linkIn(mail));
    await owner.press('Not me');
  });
  expect(owner.page.heading).toBe('It is ended');
  expect(events.map(event => event.type)).toEqual(['email_proof.denied']);

  const before = await peopleOnRecord(keyhold.db);
  asker.fill('Code', codeIn(mail));
  await asker.press('Continue');
  expect(asker.page.alerts.join()).toContain('This code can no longer be used');
  await asker.goto(linkIn(mail));
  expect(asker.page.heading).toBe('It is ended');
  expect(await peopleOnRecord(keyhold.db)).toBe(before);
});

test('an address that exists looks the same to the asker and its owner is told by mail', async () => {
  await memberOf(keyhold, app, 'erin@example.test');
  const before = await peopleOnRecord(keyhold.db);
  const sent = await keyhold.mailbox.latest('erin@example.test');
  const asker = personAt(keyhold);
  await toSignUpCode(asker, app, 'Erin@Example.test');
  expect(asker.page.heading).toBe('Check your email');
  const told = await keyhold.mailbox.latest('erin@example.test', sent);
  expect(told.subject).toContain('already have');
  const [proof] = await keyhold.db('email_proofs').orderBy('created_at', 'desc').limit(1);
  expect([proof?.address, proof?.decoy]).toEqual(['erin@example.test', true]);
  expect(told.text).not.toMatch(/\d{4} ?\d{4}\b(?!-)|\/link\//);
  for (const left of [4, 3, 2, 1]) {
    asker.fill('Code', '12345678');
    await asker.press('Continue');
    expect([asker.page.status, asker.page.text.includes(`${left} tr`)]).toEqual([400, true]);
  }
  asker.fill('Code', '12345678');
  await asker.press('Continue');
  expect(asker.page.alerts.join()).toContain('one wrong code too many');
  expect(await peopleOnRecord(keyhold.db)).toBe(before);
});

test('a new code ends the first; the fifth wrong one ends it, and a new one helps', async () => {
  const finn = personAt(keyhold);
  await toSignUpCode(finn, app, 'finn@example.test');
  const first = await finn.latestMail('finn@example.test');
  await finn.press('Send a new code');
  expect(finn.page.text).toContain('A new code is on its way');
  const second = await finn.latestMail('finn@example.test', first);
  finn.fill('Code', codeIn(first));
  await finn.press('Continue');
  expect(finn.page.alerts.join()).toContain('4 tries left');
  for (let wrong = 0; wrong < 4; wrong++) {
    finn.fill('Code', codeIn(first));
    await finn.press('Continue');
  }
  expect(finn.page.alerts.join()).toContain('one wrong code too many');
  expect(finn.page.labels).toEqual([]);
  await postStep(finn, '/code', { code: codeIn(second) });
  expect(finn.page.heading).toBe('Check your email');
  await finn.press('Send a new code');
  finn.fill('Code', codeIn(await finn.latestMail('finn@example.test', second)));
  await finn.press('Continue');
  await finish(finn);
});

test('a code and a link of more than ten minutes ago say so and lead on', async () => {
  const gus = personAt(keyhold);
  await toSignUpCode(gus, app, 'gus@example.test');
  const mail = await gus.latestMail('gus@example.test');
  await setBack(11);
  await gus.goto(linkIn(mail));
  expect([gus.page.status, gus.page.heading]).toEqual([410, 'This link has expired']);
  await gus.goto(new URL(requestPath(gus), keyhold.origin));
  gus.fill('Code', codeIn(mail));
  await gus.press('Continue');
  expect(gus.page.alerts.join()).toContain('This code has expired');
  await gus.press('Send a new code');
  gus.fill('Code', codeIn(await gus.latestMail('gus@example.test', mail)));
  await gus.press('Continue');
  expect(gus.page.heading).toBe('Finish your account');
});

test('an account has the proved address, the name, and the terms in version and language', async () => {
  const hans = newPerson({ origin: keyhold.origin, language: 'de-AT, en;q=0.5' });
  await hans.goto(await app.authorizationUrl({ prompt: 'create' }));
  hans.fill('E-Mail', 'Hans@Example.TEST');
  await hans.press('Weiter');
  const mail = await hans.latestMail('hans@example.test');
  expect(mail.subject).toContain('Code');
  hans.fill('Code', codeIn(mail));
  await hans.press('Weiter');
  const events = await recordedDuring(keyhold.db, () =>
    postStep(hans, '/account', { password: GOOD_PASSWORD, terms: 'yes', name: ' Hans \r\n\u202eGruber ' }),
  );
  const account_id = await accountOf(keyhold.db, 'hans@example.test');
  const [terms] = await keyhold.db('terms_acceptances').where({ account_id }).select('version', 'language');
  expect(terms).toEqual({ version: '2026-01', language: 'de' });
  expect(await keyhold.db('accounts').where({ id: account_id }).first('language', 'state')).toEqual({
    language: 'de',
    state: 'active',
  });
  const attributes = await keyhold
    .db('profile_attributes')
    .where({ account_id })
    .select('attribute', 'value', 'source');
  expect(attributes).toEqual([{ attribute: 'name', value: 'Hans Gruber', source: 'person' }]);
  expect(events.map(event => event.type)).toEqual([
    'account.opened',
    'email_address.added',
    'terms.accepted',
    'profile.changed',
    'password.set',
    'session.authenticated',
  ]);
  expect(events.every(event => event.account_id === account_id)).toBe(true);
  expect(JSON.stringify(events)).not.toMatch(/hans|gruber/i);
});

test.each([
  [{ terms: '' }, 'Accept the terms'],
  [{ password: '' }, 'Enter your password'],
  [{ password: 'short' }, 'Use 15 characters or more'],
  [{ password: 'x'.repeat(129) }, 'Use at most 128 characters'],
  [{ password: 'aaaaaaaaaaaaaaaaaaaa' }, 'lists that attackers try first'],
  [{ password: 'ida.iverson.ida@example' }, 'mostly your name'],
  [{ name: 'n'.repeat(121) }, 'This name is too long'],
])('%j is sent back with a reason, and nothing is opened', async (fields, reason) => {
  const ida = personAt(keyhold);
  /* An address of its own each time: the newest mail to one of before may still be on its way. */
  await toCredential(ida, app, `ida.iverson@${randomUUID()}.example.test`);
  const before = await peopleOnRecord(keyhold.db);
  await postStep(ida, '/account', { password: GOOD_PASSWORD, terms: 'yes', name: 'Ida', ...fields });
  expect([ida.page.status, ida.page.heading]).toEqual([400, 'Finish your account']);
  expect(ida.page.text).toContain(reason);
  expect(ida.page.html).not.toContain(GOOD_PASSWORD);
  expect(await peopleOnRecord(keyhold.db)).toBe(before);
});

test('of two browsers that proved one address the second goes on with signing in', async () => {
  const [first, second] = [personAt(keyhold), personAt(keyhold)];
  await toCredential(first, app, 'jo@example.test');
  await keyhold.db('email_proofs').delete();
  const mail = await keyhold.mailbox.latest('jo@example.test');
  await toSignUpCode(second, app, 'jo@example.test');
  second.fill('Code', codeIn(await second.latestMail('jo@example.test', mail)));
  await second.press('Continue');
  await finish(first);
  const before = await peopleOnRecord(keyhold.db);
  await finish(second);
  expect(second.page.heading).toBe('Enter your password');
  expect(second.page.text).toContain('There is an account with this address already');
  expect(await peopleOnRecord(keyhold.db)).toBe(before);
  second.fill('Password', GOOD_PASSWORD);
  await second.press('Sign in');
  expect(second.page.heading).toBe('Allow access?');
});

test('a form sent twice opens one account, and the finished request says so', async () => {
  const kim = personAt(keyhold);
  await toCredential(kim, app, 'kim@example.test');
  const path = requestPath(kim);
  const fields = { password: GOOD_PASSWORD, terms: 'yes' };
  const csrf = /name="csrf" value="([^"]+)"/.exec(kim.page.html)?.[1] ?? '';
  await postStep(kim, '/account', fields);
  expect(kim.page.heading).toBe('Allow access?');
  const before = await peopleOnRecord(keyhold.db);
  const again = await kim.post(new URL(`${path}/account`, keyhold.origin), { csrf, ...fields });
  expect([again.status, again.heading]).toEqual([409, 'This step is already done']);
  await kim.goto(new URL(path, keyhold.origin));
  expect([kim.page.status, kim.page.heading]).toEqual([409, 'This step is already done']);
  expect(await peopleOnRecord(keyhold.db)).toBe(before);
});

test('signing up and signing in lead to each other, and looking at the other keeps the one', async () => {
  const lea = personAt(keyhold);
  await toSignUpCode(lea, app, 'lea@example.test');
  const path = requestPath(lea);
  await lea.goto(new URL(`${path}?way=sign-in`, keyhold.origin));
  expect(lea.page.heading).toBe('Sign in');
  await lea.follow('Create account');
  expect(lea.page.heading).toBe('Check your email');
  await lea.press('Use a different email');
  expect(lea.page.heading).toBe('Create your account');
  await lea.follow('Sign in');
  await signIn(lea, 'ada@example.test');
  expect(lea.page.heading).toBe('Allow access?');
});
