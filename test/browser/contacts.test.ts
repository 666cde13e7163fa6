import { afterAll, beforeAll, beforeEach, expect, jest, test } from '@jest/globals';
import type { Page } from 'playwright-core';
import { openBrowser, type TestBrowser } from '../support/browser.js';
import { until } from '../support/jobs.js';
import { startKeyhold, type TestKeyhold } from '../support/keyhold.js';
import { newestNow, type ReceivedMail } from '../support/mailbox.js';
import { newMember } from '../support/protocol.js';
import { openRelyingParty, type RelyingParty } from '../support/relying-party.js';
import { walk } from '../support/walk.js';

// Addresses and numbers in a real browser: looked at by axe on every page, by keyboard, on a phone, in Arabic, back and twice.

let keyhold: TestKeyhold;
let browser: TestBrowser;
let app: RelyingParty;
let email: string;
let count = 0;

jest.setTimeout(90_000);

const LIST = 'Email addresses and phone numbers';
const at = (path: string) => `${keyhold.origin}${path}`;

beforeAll(async () => {
  [keyhold, browser] = await Promise.all([startKeyhold(), openBrowser()]);
  app = await openRelyingParty(keyhold, { first_party: true });
});

beforeEach(async () => {
  email = `ada${++count}@example.test`;
  await newMember(keyhold, app, email);
});

afterAll(async () => {
  await browser?.close();
  await app?.close();
  await keyhold?.close();
});

async function account(options: Parameters<TestBrowser['newPerson']>[0] = {}) {
  const person = await browser.newPerson({ passkeys: false, ...options });
  const steps = walk(person, keyhold.mailbox);
  await person.page.goto(at('/account/contacts'));
  await steps.signInWithPassword(email);
  await steps.sees(LIST);
  return { person, steps, page: person.page };
}

/** The code of the newest mail or message that came since `earlier`. */
async function codeFor(to: string, earlier?: ReceivedMail): Promise<string> {
  let found: ReceivedMail | undefined;
  await until(async () => {
    found = await newestNow(keyhold, to, /^(\d{8} |SMS$)/);
    return found !== undefined && found.id !== earlier?.id;
  });
  return /\d{8}/.exec(found?.text ?? '')?.[0] ?? '';
}

const fits = async (page: Page) =>
  expect(await page.evaluate('document.documentElement.scrollWidth - innerWidth')).toBeLessThanOrEqual(0);

/** Presses Tab until the control with these words has the focus. */
async function reach(page: Page, words: string): Promise<void> {
  for (let tab = 0; tab < 40; tab++) {
    await page.keyboard.press('Tab');
    const focused = await page.evaluate('document.activeElement?.textContent?.trim() ?? ""');
    if (String(focused).includes(words)) return;
  }
  throw new Error(`nothing named ${words} is reached by Tab on ${page.url()}`);
}

test.each([
  { width: 320, dark: false },
  { width: 390, dark: true },
  { width: 1280, dark: false },
])(
  'an address is added, made the main one, removed and undone at $width pixels, without a barrier',
  async options => {
    const second = `second${count}@example.test`;
    const { person, page, steps } = await account(options);
    const go = async (link: string, heading: string) => {
      await page.getByRole('link', { name: link }).first().click();
      await steps.sees(heading);
      await fits(page);
    };
    await go('Add an email address', 'Add an email address');
    await steps.press('Send a code');
    await page.getByText('Enter your email address.').waitFor();
    expect(await person.accessibilityProblems()).toEqual([]);
    await steps.fill('New email address', second);
    await steps.press('Send a code');
    await steps.sees('Confirm your new address');
    await steps.fill('Code', await codeFor(second));
    await steps.press('Continue');
    await steps.sees(LIST);
    await fits(page);
    await go(second, second);
    await steps.press('Make this the main address');
    await steps.sees(LIST);
    await go(email, email);
    await steps.press('Remove this address');
    await steps.sees(LIST);
    await go(second, second);
    await page.getByText('it cannot be removed').waitFor();
    await page.goto(at('/account/contacts'));
    await go(`The address ${email} was removed.`, 'Undo a change');
    await steps.press('Undo this change');
    await steps.sees(LIST);
    await page.getByText('The change is undone.').waitFor();
    expect(await page.getByRole('link', { name: email, exact: true }).count()).toBe(1);
    /* The browser notes the answer to the empty form. */
    expect(person.complaints.filter(complaint => !complaint.includes('status of 400'))).toEqual([]);
    await person.close();
  },
);

test('a number by keyboard alone', async () => {
  const { person, page, steps } = await account();
  const earlier = await newestNow(keyhold, '+4915123456789');
  await reach(page, 'Add a phone number');
  await page.keyboard.press('Enter');
  await steps.sees('Add a phone number');
  await page.keyboard.type('+49 1512 3456789');
  await page.keyboard.press('Enter');
  await steps.sees('Confirm your new number');
  const field = page.getByLabel('Code', { exact: true });
  expect([
    await field.getAttribute('autocomplete'),
    await field.getAttribute('inputmode'),
    await field.getAttribute('dir'),
  ]).toEqual(['one-time-code', 'numeric', 'ltr']);
  await page.keyboard.type(await codeFor('+4915123456789', earlier));
  await page.keyboard.press('Enter');
  await steps.sees(LIST);
  await page.getByText('Main number', { exact: true }).waitFor();
  expect(person.complaints).toEqual([]);
  await person.close();
});

test('in Arabic the pages run from right to left, and addresses and numbers from left to right', async () => {
  const { person, page, steps } = await account({ width: 390 });
  await page.getByRole('link', { name: 'العربية', exact: true }).click();
  await steps.sees('عناوين البريد وأرقام الهاتف');
  expect(await page.evaluate('document.dir')).toBe('rtl');
  const direction = (selector: string) =>
    page.evaluate(`getComputedStyle(document.querySelector(${JSON.stringify(selector)})).direction`);
  expect(await direction('main bdi')).toBe('ltr');
  await page.getByRole('link', { name: 'إضافة رقم هاتف' }).click();
  await steps.sees('إضافة رقم هاتف');
  expect(await direction('#phone')).toBe('ltr');
  await fits(page);
  await person.close();
});

test('a double press, the back button and an old page: nothing is done twice, and each leads on', async () => {
  const second = `second${count}@example.test`;
  const { person, page, steps } = await account();
  await page.goto(at('/account/contacts/add-email'));
  await steps.fill('New email address', second);
  await page.getByRole('button', { name: 'Send a code' }).dblclick();
  await steps.sees('Confirm your new address');
  const code = await codeFor(second);
  const newest = await newestNow(keyhold, second, /^\d{8} /);
  await steps.fill('Code', /\d{8}/.exec(newest?.text ?? '')?.[0] ?? code);
  await steps.press('Continue');
  await page.getByRole('heading', { level: 1 }).waitFor();
  if ((await page.getByText('That code is not right').count()) > 0) {
    await steps.fill('Code', await codeFor(second, newest));
    await steps.press('Continue');
  }
  await steps.sees(LIST);
  await page.goBack();
  await page.reload();
  await steps.sees(LIST);

  await page.getByRole('link', { name: second, exact: true }).click();
  await steps.sees(second);
  const other = await person.context.newPage();
  await other.goto(page.url());
  await other.getByRole('button', { name: 'Remove this address' }).click();
  await other.getByRole('heading', { level: 1, name: LIST }).waitFor();
  await page.getByRole('button', { name: 'Remove this address' }).click();
  await steps.sees(LIST);
  await page.getByText('It is removed.').waitFor();
  const removed = await keyhold.db('contact_changes').where({ address: second, what: 'removed' });
  expect(removed).toHaveLength(1);
  await person.close();
});

test('whoever has to sign in again finds what they typed, and a code that was asked for before still fits', async () => {
  const second = `second${count}@example.test`;
  const { person, page, steps } = await account();
  await page.goto(at('/account/contacts/add-email'));
  await steps.fill('New email address', second);
  await keyhold.db('sessions').update({ login_ts: keyhold.db.raw('login_ts - 600') });
  await steps.press('Send a code');
  await steps.signInWithPassword(email);
  await steps.sees('Add an email address');
  expect(await page.getByLabel('New email address').inputValue()).toBe(second);
  await steps.press('Send a code');
  await steps.sees('Confirm your new address');
  const waiting = page.url();
  await keyhold.db('sessions').update({ login_ts: keyhold.db.raw('login_ts - 600') });
  await page.goto(at('/account/contacts/add-phone'));
  await steps.signInWithPassword(email);
  await steps.sees('Add a phone number');
  await page.goto(waiting);
  await steps.fill('Code', await codeFor(second));
  await steps.press('Continue');
  await steps.sees(LIST);
  await page.getByText('It is confirmed and on your list.').waitFor();
  await person.close();
});
