import { afterAll, beforeAll, beforeEach, expect, jest, test } from '@jest/globals';
import type { Page } from 'playwright-core';
import { type BrowserPerson, openBrowser, type TestBrowser } from '../support/browser.js';
import { startKeyhold, type TestKeyhold } from '../support/keyhold.js';
import { accountOf } from '../support/ledger.js';
import { addNotesTopic, notes } from '../support/notes-topic.js';
import { newMember } from '../support/protocol.js';
import { openRelyingParty, type RelyingParty } from '../support/relying-party.js';
import { walk } from '../support/walk.js';

let keyhold: TestKeyhold;
let browser: TestBrowser;
let app: RelyingParty;
let adaId: string;

/* A dozen pages each, and each looked at. */
jest.setTimeout(90_000);

const ADA = 'ada@example.test';
const BOB = 'bob.with-quite-a-long-mailbox@department.example.test';
const ACCOUNT = 'Your account';
const at = (path: string) => `${keyhold.origin}${path}`;

beforeAll(async () => {
  addNotesTopic();
  [keyhold, browser] = await Promise.all([startKeyhold(), openBrowser()]);
  app = await openRelyingParty(keyhold, { first_party: true });
  await newMember(keyhold, app, ADA);
  await newMember(keyhold, app, BOB);
  adaId = await accountOf(keyhold.db, ADA);
});

beforeEach(() => notes.clear());

afterAll(async () => {
  await browser?.close();
  await app?.close();
  await keyhold?.close();
});

/** Somebody on the pages of their account. */
async function account(email: string, options: Parameters<TestBrowser['newPerson']>[0] = {}) {
  const person = await browser.newPerson({ passkeys: false, ...options });
  const steps = walk(person, keyhold.mailbox);
  await person.page.goto(at('/account'));
  await steps.signInWithPassword(email);
  await steps.sees(ACCOUNT);
  return { person, steps, page: person.page };
}

/** Lets somebody else sign in beside, and the pages be about them. */
async function switchTo(page: Page, person: BrowserPerson, email: string): Promise<void> {
  const { sees, signInWithPassword } = walk({ ...person, page }, keyhold.mailbox);
  await page.goto(at('/account/switch'));
  await sees('Choose an account');
  const there = page.getByRole('button', { name: email });
  if ((await there.count()) > 0) await there.click();
  else {
    await page.getByRole('link', { name: 'Use another account' }).click();
    await signInWithPassword(email);
  }
  await sees(ACCOUNT);
}

async function fits(page: Page): Promise<void> {
  expect(await page.evaluate('document.documentElement.scrollWidth - innerWidth')).toBeLessThanOrEqual(0);
}

test.each([
  { width: 320, dark: false, scripts: true },
  { width: 390, dark: true, scripts: true },
  { width: 1280, dark: false, scripts: true },
])('the overview is calm and has no barrier at $width pixels', async options => {
  const { person, page, steps } = await account(BOB, options);
  await fits(page);
  await page.locator('header summary').click();
  await fits(page);
  expect(await person.accessibilityProblems()).toEqual([]);
  for (const [language, heading] of [
    ['العربية', 'حسابك'],
    ['Deutsch', 'Ihr Konto'],
    ['Français', 'Votre compte'],
    ['Español', 'Tu cuenta'],
  ] as const) {
    await page.getByRole('link', { name: language, exact: true }).click();
    await steps.sees(heading);
    await fits(page);
  }
  expect(person.complaints).toEqual([]);
  await person.close();
});

test('by keyboard alone: from the start page to the account, to somebody else, and out', async () => {
  const { person, page, steps } = await account(ADA);
  await page.goto(at('/'));
  await reach(page, ACCOUNT);
  await page.keyboard.press('Enter');
  await steps.sees(ACCOUNT);
  await reach(page, ADA);
  await page.keyboard.press('Enter');
  await reach(page, 'Switch person');
  await page.keyboard.press('Enter');
  await steps.sees('Choose an account');
  await reach(page, ADA);
  await page.keyboard.press('Enter');
  await steps.sees(ACCOUNT);
  await reach(page, ADA);
  await page.keyboard.press('Space');
  await reach(page, 'Sign out');
  await page.keyboard.press('Enter');
  await steps.sees('You are signed out');
  expect(person.complaints).toEqual([]);
  await person.close();
});

/** Presses Tab until the control with these words has the focus. */
async function reach(page: Page, words: string): Promise<void> {
  for (let tab = 0; tab < 40; tab++) {
    await page.keyboard.press('Tab');
    const focused = await page.evaluate('document.activeElement?.textContent?.trim() ?? ""');
    if (String(focused).includes(words)) return;
  }
  throw new Error(`nothing named ${words} is reached by Tab on ${page.url()}`);
}

test('without scripts the way is the same, the menu included', async () => {
  const person = await browser.newPerson({ scripts: false });
  const { page } = person;
  await page.goto(at('/account'));
  await page.getByLabel('Email').fill(ADA);
  await page.getByRole('button', { name: 'Continue' }).click();
  await page.getByLabel('Password').fill('mild otters juggle nineteen lanterns');
  await page.getByRole('button', { name: 'Sign in', exact: true }).click();
  await page.getByRole('heading', { level: 1, name: ACCOUNT }).waitFor();
  await page.locator('header summary').click();
  await page.getByRole('button', { name: 'Sign out' }).click();
  await page.getByRole('heading', { level: 1, name: 'You are signed out' }).waitFor();
  await person.close();
});

test('two tabs: a form made for one person is refused for the other, kindly, and nothing is done', async () => {
  const { person, page, steps } = await account(ADA);
  await page.goto(at('/account/test/plain'));
  await page.getByLabel('Your note').fill('for Ada');
  const second = await person.context.newPage();
  await switchTo(second, person, BOB);
  await page.getByRole('button', { name: 'Keep it' }).click();
  await steps.sees('This page was made for somebody else');
  expect(await page.getByRole('main').textContent()).toContain(BOB);
  expect(notes.size).toBe(0);
  await page.getByRole('link', { name: 'Switch person' }).last().click();
  await page.getByRole('button', { name: ADA }).click();
  await steps.sees(ACCOUNT);
  await page.goto(at('/account/test/plain'));
  await page.getByLabel('Your note').fill('for Ada');
  await page.getByRole('button', { name: 'Keep it' }).click();
  await page.getByText('for Ada').waitFor();
  expect([...notes]).toEqual([[adaId, ['for Ada']]]);
  await person.close();
});

test('the back button and a second press do nothing twice, and show nothing after signing out', async () => {
  const { person, page, steps } = await account(ADA);
  await page.goto(at('/account/test/plain'));
  await page.getByLabel('Your note').fill('once');
  await page.getByRole('button', { name: 'Keep it' }).dblclick();
  await page.locator('li', { hasText: 'once' }).waitFor();
  await page.goBack();
  await page.getByLabel('Your note').fill('once');
  await page.getByRole('button', { name: 'Keep it' }).click();
  await page.locator('li', { hasText: 'once' }).waitFor();
  expect(notes.get(adaId)).toEqual(['once']);

  await page.goto(at('/account'));
  await page.locator('header summary').click();
  await page.getByRole('button', { name: 'Sign out' }).click();
  await steps.sees('You are signed out');
  await page.goBack();
  await steps.sees('Sign in');
  expect(await page.getByRole('main').textContent()).not.toContain(ADA);
  await person.close();
});

test('a session that was ended elsewhere: the person signs in, and finds what they typed', async () => {
  const { person, page, steps } = await account(ADA);
  await page.goto(at('/account/test/plain'));
  await page.getByLabel('Your note').fill('typed before');
  await keyhold
    .db('sessions')
    .where({ account_id: adaId })
    .update({ ended_at: new Date(), ended_reason: 'ended-elsewhere' });
  await page.getByRole('button', { name: 'Keep it' }).click();
  await steps.signInWithPassword(ADA);
  await page.getByRole('heading', { level: 1, name: 'Plain' }).waitFor();
  expect(await page.getByLabel('Your note').inputValue()).toBe('typed before');
  await page.getByRole('button', { name: 'Keep it' }).click();
  await page.locator('li', { hasText: 'typed before' }).waitFor();
  expect(person.complaints).toEqual([]);
  await person.close();
});

test('signing in again for a sensitive page, in two tabs at once, leads each to its own', async () => {
  const { person, page, steps } = await account(ADA);
  await keyhold.db('sessions').update({ login_ts: keyhold.db.raw('login_ts - 600') });
  const second = await person.context.newPage();
  await page.goto(at('/account/test/note?tab=1'));
  await second.goto(at('/account/test/note?tab=2'));
  await steps.signInWithPassword(ADA);
  await page.getByRole('heading', { level: 1, name: 'Note' }).waitFor();
  expect(page.url()).toContain('tab=1');
  await second.goto(at('/account/test/note?tab=2'));
  await second.getByRole('heading', { level: 1, name: 'Note' }).waitFor();
  await person.close();
});
