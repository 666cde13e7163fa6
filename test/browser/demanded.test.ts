import { afterAll, beforeAll, expect, test } from '@jest/globals';
import type { Page } from 'playwright-core';
import { appCode, forgetPeriods } from '../support/authenticator-app.js';
import { openBrowser, type TestBrowser } from '../support/browser.js';
import { startKeyhold, type TestKeyhold } from '../support/keyhold.js';
import { newMember } from '../support/protocol.js';
import { openRelyingParty, type RelyingParty } from '../support/relying-party.js';
import { GOOD_PASSWORD, walk } from '../support/walk.js';

// A second step that is demanded, set up on the way in: with a passkey, with an app, by keyboard, and without scripts.

let keyhold: TestKeyhold;
let browser: TestBrowser;
let plain: RelyingParty;
let strict: RelyingParty;

beforeAll(async () => {
  [keyhold, browser] = await Promise.all([startKeyhold(), openBrowser()]);
  plain = await openRelyingParty(keyhold, { first_party: true });
  strict = await openRelyingParty(keyhold, {
    first_party: true,
    client_name: 'Payroll',
    minimum_acr: 'aal2',
  });
});

afterAll(async () => {
  await browser?.close();
  await Promise.all([plain?.close(), strict?.close()]);
  await keyhold?.close();
});

async function look(page: Page, name: string): Promise<void> {
  const folder = process.env['KEYHOLD_SHOTS'];
  if (folder) await page.screenshot({ path: `${folder}/${name}.png`, fullPage: true });
}

/** Goes to a control by Tab alone, and presses it. */
async function tabTo(page: Page, name: string, key = 'Enter'): Promise<void> {
  for (let steps = 0; steps < 40; steps += 1) {
    const focused = await page.evaluate(() => {
      const { activeElement: element, body } = document;
      if (element === body) return '';
      const label = element?.id ? document.querySelector(`label[for="${element.id}"]`) : undefined;
      return (label ?? element)?.textContent?.trim() ?? '';
    });
    if (focused.includes(name)) return page.keyboard.press(key);
    await page.keyboard.press('Tab');
  }
  throw new Error(`nothing called ${name} can be reached`);
}

const secretOn = async (page: Page) => ((await page.locator('.key').textContent()) ?? '').replaceAll(' ', '');

test('a passkey is made on the way in, its recovery codes are shown once, and it is asked for the next time', async () => {
  await newMember(keyhold, plain, 'ann@example.test');
  const ann = await browser.newPerson();
  const { page, sees, press, signInWithPassword } = walk(ann, keyhold.mailbox);
  await page.goto((await strict.authorizationUrl()).href);
  await signInWithPassword('ann@example.test');
  await sees('Set up a second step');
  await look(page, 'choose-1000');
  expect(await page.getByText('You are not signed in yet').isVisible()).toBe(true);
  await press('Create a passkey');
  await sees('Write down your recovery codes');
  await look(page, 'codes-1000');
  expect(await page.locator('.codes code').count()).toBe(10);
  const [download] = await Promise.all([page.waitForEvent('download'), press('Save as a file')]);
  expect(download.suggestedFilename()).toBe('recovery-codes.txt');
  await press('I have kept them');
  await sees('Back in the app');
  expect((await strict.exchange()).claims()).toMatchObject({ acr: 'phr' });
  expect(await ann.passkeyCount()).toBe(1);

  await ann.context.clearCookies();
  await ann.answersPasskeys(false);
  await page.goto((await strict.authorizationUrl()).href);
  await signInWithPassword('ann@example.test');
  await sees('Use your passkey');
  await look(page, 'use-passkey-1000');
  await ann.answersPasskeys(true);
  await press('Sign in with a passkey');
  await sees('Back in the app');
  expect(ann.complaints).toEqual([]);
  await ann.close();
});

test('by keyboard, on a phone in the dark: an authenticator app is set up and goes on', async () => {
  await newMember(keyhold, plain, 'bea@example.test');
  const bea = await browser.newPerson({ passkeys: false, width: 390, dark: true });
  const { page, sees, signInWithPassword } = walk(bea, keyhold.mailbox);
  await page.goto((await strict.authorizationUrl()).href);
  await signInWithPassword('bea@example.test');
  await sees('Set up a second step');
  await look(page, 'choose-390-dark');
  await tabTo(page, 'Use an authenticator app');
  await sees('Set up your authenticator app');
  await look(page, 'app-390-dark');
  const wide = () =>
    page.evaluate(() => document.documentElement.scrollWidth <= document.documentElement.clientWidth);
  expect(await wide()).toBe(true);
  const secret = await secretOn(page);
  await tabTo(page, 'Code from your app', 'End');
  await page.keyboard.type('000000');
  await page.keyboard.press('Enter');
  await page.getByRole('alert').waitFor();
  await sees('Set up your authenticator app');
  await look(page, 'app-wrong-390-dark');
  expect(await secretOn(page)).toBe(secret);
  await page.getByLabel('Code from your app').fill(appCode(secret));
  await page.keyboard.press('Enter');
  await sees('Write down your recovery codes');
  await look(page, 'codes-390-dark');
  expect(await wide()).toBe(true);
  await tabTo(page, 'I have kept them');
  await sees('Back in the app');
  expect((await strict.exchange()).claims()).toMatchObject({ acr: 'aal2', amr: ['pwd', 'otp', 'mfa'] });
  expect(bea.complaints.filter(each => !each.includes('400'))).toEqual([]);
  await bea.close();
});

test('without scripts an authenticator app is set up, and the page says why a passkey is not', async () => {
  await newMember(keyhold, plain, 'cleo@example.test');
  const cleo = await browser.newPerson({ scripts: false, passkeys: false });
  const { page } = cleo;
  const press = (name: string) => page.getByRole('button', { name, exact: true }).click();
  await page.goto((await strict.authorizationUrl()).href);
  await page.getByLabel('Email').fill('cleo@example.test');
  await press('Continue');
  await page.getByLabel('Password', { exact: true }).fill(GOOD_PASSWORD);
  await press('Sign in');
  await page.getByRole('heading', { name: 'Set up a second step' }).waitFor();
  await look(page, 'choose-without-scripts');
  expect(await page.getByRole('button', { name: 'Create a passkey' }).isVisible()).toBe(false);
  expect(await page.getByText('This browser cannot use passkeys here').isVisible()).toBe(true);
  await press('Use an authenticator app');
  await press('Choose something else');
  await press('Use an authenticator app');
  await page.getByLabel('Code from your app').fill(appCode(await secretOn(page)));
  await press('Turn on');
  await press('I have kept them');
  await page.getByRole('heading', { name: 'Back in the app' }).waitFor();
  await forgetPeriods(keyhold);
  await cleo.close();
});

test('in Arabic the pages run the other way, and codes do not', async () => {
  await newMember(keyhold, plain, 'dua@example.test');
  const dua = await browser.newPerson({ locale: 'ar', width: 390, passkeys: false });
  const { page } = dua;
  await page.goto((await strict.authorizationUrl()).href);
  await page.locator('input[name=email]').fill('dua@example.test');
  await page.keyboard.press('Enter');
  await page.locator('input[name=password]').fill(GOOD_PASSWORD);
  await page.keyboard.press('Enter');
  await page.getByRole('heading', { name: 'إعداد خطوة ثانية' }).waitFor();
  await look(page, 'choose-390-ar');
  expect(await page.locator('html').getAttribute('dir')).toBe('rtl');
  expect(await dua.accessibilityProblems()).toEqual([]);
  await page.getByRole('button', { name: 'استخدام تطبيق مصادقة' }).click();
  await page.locator('.qr').waitFor();
  await look(page, 'app-390-ar');
  expect(await page.locator('.key').getAttribute('dir')).toBe('ltr');
  expect(await dua.accessibilityProblems()).toEqual([]);
  await dua.close();
});
