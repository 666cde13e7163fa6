import { mkdir } from 'node:fs/promises';
import { afterAll, beforeAll, expect, jest, test } from '@jest/globals';
import type { Page } from 'playwright-core';
import sharp from 'sharp';
import { openBrowser, type TestBrowser } from '../support/browser.js';
import { startKeyhold, type TestKeyhold } from '../support/keyhold.js';
import { accountOf } from '../support/ledger.js';
import { declareAttributes, profileCommand } from '../support/profile.js';
import { newMember } from '../support/protocol.js';
import { openRelyingParty, type RelyingParty } from '../support/relying-party.js';
import { GOOD_PASSWORD, walk } from '../support/walk.js';

let keyhold: TestKeyhold;
let browser: TestBrowser;
let app: RelyingParty;
let picture: Buffer;

jest.setTimeout(120_000);

const ADA = 'ada@example.test';
const BOB = 'bob@example.test';
const PROFILE = 'Your profile';
const at = (path: string) => `${keyhold.origin}${path}`;
/** A folder for pictures of the pages, for whoever wants to look at them. */
const SHOTS = process.env['KEYHOLD_TEST_SHOTS'];

beforeAll(async () => {
  [keyhold, browser] = await Promise.all([startKeyhold(), openBrowser()]);
  app = await openRelyingParty(keyhold, { client_name: 'Photo Album' });
  const said = { type: 'text', purpose: 'naming', see: ['person', 'apps', 'operator'], change: ['person'] };
  await declareAttributes(keyhold, [
    {
      ...said,
      name: 'handle',
      label: { en: 'Handle' },
      change: ['person', 'operator'],
      limits: { changes: { max: 1, within: '30 days' } },
    },
    { ...said, name: 'legal_name', label: { en: 'Legal name' }, limits: { approval: true } },
    { ...said, name: 'grade', label: { en: 'Grade' }, change: ['operator'] },
  ]);
  await newMember(keyhold, app, ADA);
  await newMember(keyhold, app, BOB);
  picture = await sharp({ create: { width: 90, height: 60, channels: 3, background: '#2f7d5b' } })
    .png()
    .toBuffer();
  if (SHOTS) await mkdir(SHOTS, { recursive: true });
});

afterAll(async () => {
  await browser?.close();
  await app?.close();
  await keyhold?.close();
});

async function shot(page: Page, name: string): Promise<void> {
  if (!SHOTS) return;
  const size = page.viewportSize() ?? { width: 1000, height: 800 };
  for (const [scheme, width] of [
    ['light', 390],
    ['light', 1280],
    ['dark', 390],
    ['dark', 1280],
  ] as const) {
    await page.emulateMedia({ colorScheme: scheme });
    await page.setViewportSize({ width, height: 900 });
    await page.screenshot({ path: `${SHOTS}/${name}-${scheme}-${width}.png`, fullPage: true });
  }
  await page.emulateMedia({ colorScheme: 'light' });
  await page.setViewportSize(size);
}

async function here(email: string, options: Parameters<TestBrowser['newPerson']>[0] = {}) {
  const person = await browser.newPerson({ passkeys: false, ...options });
  const steps = walk(person, keyhold.mailbox);
  await person.page.goto(at('/account/profile'));
  await steps.signInWithPassword(email);
  return { person, steps, page: person.page };
}

test('a person fills in, changes, undoes, and asks for a correction, and every page is for everybody', async () => {
  const { person, steps, page } = await here(ADA);
  await steps.sees(PROFILE);
  await shot(page, 'empty');
  const change = async (name: string, label: string, value: string) => {
    await page.goto(at(`/account/profile/change/${name}`));
    await steps.fill(label, value);
    await steps.press('Save');
    await steps.sees(PROFILE);
  };
  await change('name', 'Full name', 'Ada Byron');
  await change('name', 'Full name', 'Ada Lovelace');
  await change('handle', 'Handle', 'ada');
  await change('handle', 'Handle', 'ada.lovelace');
  await change('legal_name', 'Legal name', 'Augusta Ada King, Countess of Lovelace');
  await page.goto(at('/account/profile/change/address'));
  await steps.sees('Postal address');
  await shot(page, 'address');
  await steps.fill('Street and number', '12 St James’s Square');
  await steps.fill('Postal code', 'SW1Y 4JH');
  await steps.fill('Town', 'London');
  await steps.press('Save');
  await page.goto(at('/account/profile/change/zoneinfo'));
  await steps.sees('Time zone');
  await page.getByLabel('Time zone').selectOption('Europe/London');
  await steps.press('Save');
  await page.goto(at('/account/profile/change/birthdate'));
  await steps.sees('Date of birth');
  await page.getByLabel('Date of birth').fill('2999-01-01');
  await steps.press('Save');
  await steps.sees('Date of birth');
  await page.getByText('That day is still to come.').first().waitFor();
  await shot(page, 'wrong');
  await page.getByLabel('Date of birth').fill('1990-12-10');
  await steps.press('Save');
  await page.goto(at('/account/profile/change/handle'));
  await steps.sees('Handle');
  await page.getByText('It can be changed again from').waitFor();
  await shot(page, 'blocked');
  await page.getByRole('link', { name: 'Have a mistake corrected' }).click();
  await steps.sees('Have a mistake corrected');
  await steps.fill('What is wrong, and what would be right?', 'It should be “ada”.\nThank you!');
  await shot(page, 'correction');
  await steps.press('Send');
  await steps.sees(PROFILE);
  await page.goto(at('/account/profile/picture/picture'));
  await steps.sees('Picture');
  await page
    .getByLabel('Picture file')
    .setInputFiles({ name: 'me.png', mimeType: 'image/png', buffer: picture });
  await steps.press('Upload');
  await steps.sees(PROFILE);
  const shown = page.getByRole('img', { name: 'Your picture' });
  expect(await shown.evaluate(image => (image as unknown as { naturalWidth: number }).naturalWidth)).toBe(
    512,
  );
  await page.goto(at('/account/profile/picture/picture'));
  await steps.sees('Picture');
  await shot(page, 'picture');
  await page.goto(at('/account/profile'));
  for (const details of await page.locator('#name details, #handle details, #grade details').all()) {
    await details.locator('summary').click();
  }
  await steps.sees(PROFILE);
  await shot(page, 'profile');
  await page.goto(at('/account/profile?ui_locales=ar'));
  expect(await person.accessibilityProblems()).toEqual([]);
  await shot(page, 'arabic');
  await page.goto(at('/account/profile?ui_locales=de'));
  await shot(page, 'german');
  await page.goto(at('/account/profile?ui_locales=en'));
  await page.getByRole('button', { name: 'Undo Full name' }).click();
  await steps.sees(PROFILE);
  await page.getByText('It says again what it said before.').waitFor();
  expect(await page.locator('#name .profile-value').first().textContent()).toContain('Ada Byron');
  expect(person.complaints.filter(complaint => !complaint.includes('status of 4'))).toEqual([]);
  await person.close();
});

test('by keyboard alone, and without scripts', async () => {
  const person = await browser.newPerson({ passkeys: false, scripts: false });
  const { page } = person;
  const { fill, press } = walk(person, keyhold.mailbox);
  await page.goto(at('/account/profile'));
  await fill('Email', BOB);
  await press('Continue');
  await fill('Password', GOOD_PASSWORD);
  await press('Sign in');
  await page.getByRole('heading', { level: 1, name: PROFILE }).waitFor();
  const link = page.getByRole('link', { name: 'Add Nickname' });
  await link.focus();
  await page.keyboard.press('Enter');
  await page.getByRole('heading', { level: 1, name: 'Nickname' }).waitFor();
  await page.getByLabel('Nickname').focus();
  await page.keyboard.type('Bobby');
  await page.keyboard.press('Enter');
  await page.getByText('It is changed.').waitFor();
  await page.locator('#nickname summary').focus();
  await page.keyboard.press('Enter');
  expect(await page.locator('#nickname dl').isVisible()).toBe(true);
  await page.goto(at('/account/profile/picture/picture'));
  await page
    .getByLabel('Picture file')
    .setInputFiles({ name: 'me.png', mimeType: 'image/png', buffer: picture });
  await press('Upload');
  await page.getByText('It is changed.').waitFor();
  await person.close();
});

test('two tabs, back and a session that was ended elsewhere: nothing is lost and nothing is done twice', async () => {
  const { person, steps, page } = await here(BOB);
  await steps.sees(PROFILE);
  await page.goto(at('/account/profile/change/website'));
  const tab = await person.context.newPage();
  await tab.goto(at('/account/profile/change/website'));
  await steps.fill('Website', 'https://one.example');
  await steps.press('Save');
  await steps.sees(PROFILE);
  await tab.getByLabel('Website').fill('https://two.example');
  await tab.getByRole('button', { name: 'Save' }).click();
  await tab.getByText('It is changed.').waitFor();
  await page.goBack();
  await steps.sees('Website');
  const account_id = await accountOf(keyhold.db, BOB);
  await keyhold.db('sessions').where({ account_id }).update({ ended_at: new Date() });
  await steps.fill('Website', 'https://three.example');
  await steps.press('Save');
  await steps.signInWithPassword(BOB);
  await steps.sees('Website');
  expect(await page.getByLabel('Website').inputValue()).toBe('https://three.example');
  await steps.press('Save');
  await steps.sees(PROFILE);
  expect(await page.locator('#website .profile-value').textContent()).toContain('https://three.example');
  await person.close();
});

test('what an operator answered is read on the page', async () => {
  const [waiting] = JSON.parse((await profileCommand(keyhold, 'changes', 'list')).out);
  await profileCommand(
    keyhold,
    'changes',
    'refuse',
    waiting.id,
    '--reason',
    'We need to see a document first.',
  );
  const [wish] = JSON.parse((await profileCommand(keyhold, 'corrections', 'list')).out);
  await profileCommand(
    keyhold,
    'corrections',
    'accept',
    wish.id,
    '--value',
    'ada',
    '--answer',
    'Done. Sorry!',
  );
  const { person, steps, page } = await here(ADA);
  await steps.sees(PROFILE);
  for (const said of ['We need to see a document first.', 'Done. Sorry!'])
    await page.getByText(said).waitFor();
  await shot(page, 'answered');
  await person.close();
});
