import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { personAt } from '../support/journeys.js';
import { startKeyhold, type TestKeyhold } from '../support/keyhold.js';
import { codeIn, linkIn } from '../support/mailbox.js';
import type { Person } from '../support/person.js';
import { openRelyingParty, type RelyingParty } from '../support/relying-party.js';
import { GOOD_PASSWORD } from '../support/walk.js';

let keyhold: TestKeyhold;
let app: RelyingParty;

beforeAll(async () => {
  keyhold = await startKeyhold();
  app = await openRelyingParty(keyhold, { client_name: 'Plain app' });
});

afterAll(async () => {
  await app.close();
  await keyhold.close();
});

async function finishAccount(person: Person): Promise<void> {
  expect(person.page.heading).toBe('Finish your account');
  person.fill('Name', 'Jo Jones');
  person.tick('I accept the terms');
  person.fill('Password', GOOD_PASSWORD);
  await person.press('Create account');
}

async function goOnToConsent(person: Person): Promise<void> {
  if (person.page.buttons.includes('Not now')) await person.press('Not now');
  expect(person.page.heading).toBe('Allow access?');
}

test('without scripts: sign up, allow, sign out, sign in, refuse', async () => {
  const jo = personAt(keyhold);
  await jo.goto(await app.authorizationUrl({ prompt: 'create' }));
  expect(jo.page.heading).toBe('Create your account');
  jo.fill('Email', 'jo@example.test');
  await jo.press('Continue');
  jo.fill('Code', codeIn(await jo.latestMail('jo@example.test')));
  await jo.press('Continue');
  await finishAccount(jo);
  await goOnToConsent(jo);
  await jo.press('Allow');
  expect(jo.page.heading).toBe('Back in the app');
  const tokens = await app.exchange();
  expect(await app.userInfo(tokens)).toMatchObject({ email: 'jo@example.test', name: 'Jo Jones' });

  await jo.goto(keyhold.origin);
  expect(jo.page.heading).toBe('You are signed in');
  await jo.press('Sign out');
  expect(jo.page.heading).toBe('You are signed out');

  await jo.goto(await app.authorizationUrl({ prompt: 'consent' }));
  expect(jo.page.heading).toBe('Sign in');
  jo.fill('Email', 'jo@example.test');
  await jo.press('Continue');
  expect(jo.page.heading).toBe('Enter your password');
  jo.fill('Password', GOOD_PASSWORD);
  await jo.press('Sign in');
  await goOnToConsent(jo);
  await jo.press("Don't allow");
  expect(jo.page.heading).toBe('Refused: access_denied');
});

test('without scripts: a posted form brings the answer after a button', async () => {
  const jo = personAt(keyhold);
  await jo.goto(await app.authorizationUrl({ response_mode: 'form_post', login_hint: 'jo@example.test' }));
  await jo.press('Continue');
  jo.fill('Password', GOOD_PASSWORD);
  await jo.press('Sign in');
  if (jo.page.buttons.includes('Not now')) await jo.press('Not now');
  if (jo.page.url.origin === keyhold.origin) await jo.press('Continue');
  expect(jo.page.url.href).toBe(app.redirectUri);
  expect((await app.exchange()).claims()).toMatchObject({ amr: ['pwd'] });
});

test('without scripts: the mailed link goes on where it began, and nowhere else', async () => {
  const kim = personAt(keyhold);
  await kim.goto(await app.authorizationUrl({ prompt: 'create' }));
  kim.fill('Email', 'kim@example.test');
  await kim.press('Continue');
  const link = linkIn(await kim.latestMail('kim@example.test'));

  const elsewhere = personAt(keyhold);
  await elsewhere.goto(link);
  expect(elsewhere.page.heading).toBe('Go back to where you began');
  expect(elsewhere.page.buttons).toContain('Not me');

  await kim.goto(link);
  expect(kim.page.heading).toBe('Confirm your email');
  await kim.press('Continue');
  await finishAccount(kim);
});

test('an address that has an account looks the same to whoever asks, and its owner is told', async () => {
  const lee = personAt(keyhold);
  await lee.goto(await app.authorizationUrl({ prompt: 'create' }));
  lee.fill('Email', 'jo@example.test');
  const before = await lee.latestMail('jo@example.test');
  await lee.press('Continue');
  expect(lee.page.heading).toBe('Check your email');
  const mail = await lee.latestMail('jo@example.test', before);
  expect(mail.subject).not.toBe(before.subject);
  expect(() => codeIn(mail)).toThrow();
});
