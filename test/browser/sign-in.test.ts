import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { openBrowser, type TestBrowser } from '../support/browser.js';
import { startKeyhold, type TestKeyhold } from '../support/keyhold.js';
import { linkIn } from '../support/mailbox.js';
import { openRelyingParty, type RelyingParty } from '../support/relying-party.js';
import { GOOD_PASSWORD, walk } from '../support/walk.js';

let keyhold: TestKeyhold;
let browser: TestBrowser;
let app: RelyingParty;

beforeAll(async () => {
  [keyhold, browser] = await Promise.all([startKeyhold(), openBrowser()]);
  app = await openRelyingParty(keyhold, { first_party: true });
});

afterAll(async () => {
  await browser.close();
  await app.close();
  await keyhold.close();
});

const AT_APP = 'Back in the app';
const EMAIL = 'dora@example.test';

test('somebody signs up with a password and signs in with it', async () => {
  const dora = await browser.newPerson({ passkeys: false });
  const { page, sees, press, fill, signUpWithPassword } = walk(dora, keyhold.mailbox);
  await page.goto((await app.authorizationUrl({ prompt: 'create' })).href);
  await signUpWithPassword(EMAIL, 'Dora Dee');
  await sees(AT_APP);

  await dora.context.clearCookies();
  await page.goto((await app.authorizationUrl({ login_hint: EMAIL })).href);
  await sees('Sign in');
  await press('Continue');
  await sees('Enter your password');
  await fill('Password', 'not the one at all, sorry');
  await press('Sign in');
  await page.getByRole('alert').getByText('The email or the password is not right').waitFor();
  await sees('Enter your password');
  await fill('Password', GOOD_PASSWORD);
  await press('Sign in');
  // No passkey is offered where this device cannot make one.
  await sees(AT_APP);
  expect((await app.exchange()).claims()).toMatchObject({ acr: 'aal1', amr: ['pwd'] });
  await dora.close();
});

test('who presses "Sign in" twice signs in once', async () => {
  const dora = await browser.newPerson({ passkeys: false });
  const { page, sees, press, fill } = walk(dora, keyhold.mailbox);
  const authenticated = async () =>
    (await keyhold.db('events').where({ type: 'session.authenticated' })).length;
  const before = await authenticated();
  await page.goto((await app.authorizationUrl()).href);
  await sees('Sign in');
  await fill('Email', EMAIL);
  await press('Continue');
  await sees('Enter your password');
  await fill('Password', GOOD_PASSWORD);
  await page.getByRole('button', { name: 'Sign in', exact: true }).dblclick();
  await sees(AT_APP);
  expect(await authenticated()).toBe(before + 1);
  expect(dora.complaints).toEqual([]);
  await dora.close();
});

test('somebody signs in with a mailed code', async () => {
  const dora = await browser.newPerson({ passkeys: false });
  const { page, sees, press, fill, typeCode } = walk(dora, keyhold.mailbox);
  await page.goto((await app.authorizationUrl()).href);
  await sees('Sign in');
  await fill('Email', EMAIL);
  await press('Continue');
  await sees('Enter your password');
  await press('Email me a code');
  await sees('Check your email');
  await typeCode(EMAIL);
  await sees(AT_APP);
  expect((await app.exchange()).claims()).toMatchObject({ acr: 'aal1' });
  await dora.close();
});

test('the mailed link goes on in the browser that began, after a button', async () => {
  const eve = await browser.newPerson({ passkeys: false });
  const { page, sees, press, fill } = walk(eve, keyhold.mailbox);
  await page.goto((await app.authorizationUrl({ prompt: 'create' })).href);
  await sees('Create your account');
  await fill('Email', 'eve@example.test');
  await press('Continue');
  await sees('Check your email');
  const link = linkIn(await keyhold.mailbox.latest('eve@example.test'));

  const elsewhere = await browser.newPerson({ passkeys: false });
  const other = walk(elsewhere, keyhold.mailbox);
  await elsewhere.page.goto(link);
  await other.sees('Go back to where you began');

  await page.goto(link);
  await sees('Confirm your email');
  await press('Continue');
  await sees('Finish your account');
  await elsewhere.close();
  await eve.close();
});

test('the pages are whole in the dark, on a small screen and in German', async () => {
  const falk = await browser.newPerson({ passkeys: false, dark: true, width: 320, locale: 'de-DE' });
  const { page, sees } = walk(falk, keyhold.mailbox);
  await page.goto((await app.authorizationUrl()).href);
  await sees('Anmelden');
  const overflow = await page.evaluate('document.documentElement.scrollWidth - innerWidth');
  expect(overflow).toBeLessThanOrEqual(0);
  expect(falk.complaints).toEqual([]);
  await falk.close();
});
