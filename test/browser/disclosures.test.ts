import { afterAll, beforeAll, expect, jest, test } from '@jest/globals';
import { setAttributes, standardSchema } from '../../src/domain/profiles/profiles.js';
import { openWork } from '../../src/platform/storage/work.js';
import { type BrowserPersonOptions, openBrowser, type TestBrowser } from '../support/browser.js';
import { startKeyhold, type TestKeyhold } from '../support/keyhold.js';
import { accountOf } from '../support/ledger.js';
import { newMember } from '../support/protocol.js';
import { openRelyingParty, type RelyingParty } from '../support/relying-party.js';
import { GOOD_PASSWORD } from '../support/walk.js';

// What left to whom, in a real browser.

/* Each page is looked at for barriers. */
jest.setTimeout(90_000);

const EMAIL = 'ada@example.test';

let keyhold: TestKeyhold;
let browser: TestBrowser;
let shop: RelyingParty;
let album: RelyingParty;

beforeAll(async () => {
  [keyhold, browser] = await Promise.all([startKeyhold(), openBrowser()]);
  shop = await openRelyingParty(keyhold, { client_name: 'Buchladen am Eck' });
  album = await openRelyingParty(keyhold, { client_name: 'Photo Album', first_party: true });
  const ada = await newMember(keyhold, shop, EMAIL);
  const accountId = await accountOf(keyhold.db, EMAIL);
  const change = (values: Readonly<Record<string, unknown>>) =>
    openWork(keyhold.db, { kind: 'operator' }, work =>
      setAttributes(work, standardSchema().schema, accountId, values, 'operator'),
    );
  await change({ name: 'Ada Lovelace', nickname: 'Countess' });
  const tokens = await shop.exchange();
  await shop.userInfo(tokens);
  await change({ nickname: 'Enchantress' });
  await shop.userInfo(tokens);
  await change({ name: 'Ada King' });
  await ada.goto(await album.authorizationUrl());
  await album.exchange();
}, 60_000);

afterAll(async () => {
  await browser.close();
  await Promise.all([shop, album].map(app => app.close()));
  await keyhold.close();
});

/** The person on the page that tells who was told what about them. */
async function atDisclosures(options: BrowserPersonOptions = {}) {
  const person = await browser.newPerson({ passkeys: false, ...options });
  const { page } = person;
  await page.goto(new URL('/account/disclosures', keyhold.origin).href);
  await page.getByLabel('Email').fill(EMAIL);
  await page.getByRole('button', { name: 'Continue', exact: true }).click();
  await page.getByLabel('Password', { exact: true }).fill(GOOD_PASSWORD);
  await page.getByRole('button', { name: 'Sign in', exact: true }).click();
  await page.getByRole('heading', { level: 1, name: 'Who was told what about you' }).waitFor();
  return person;
}

test('without scripts and by keyboard alone: one app, one thing, why, and everything again', async () => {
  const { page, close } = await atDisclosures({ scripts: false });
  const told = page.getByRole('region', { name: 'What was told' });
  await told.getByText('Different by now: Full name').first().waitFor();
  await page.getByRole('link', { name: 'Everything Buchladen am Eck was told' }).focus();
  await page.keyboard.press('Enter');
  await page.waitForURL(/app=/);
  expect(await told.getByText('Photo Album was told').count()).toBe(0);
  await page.getByLabel('What', { exact: true }).selectOption({ label: 'Nickname' });
  await page.getByRole('button', { name: 'Show' }).focus();
  await page.keyboard.press('Enter');
  await page.waitForURL(/claim=nickname/);
  expect(await told.getByText('Buchladen am Eck was told: Nickname').count()).toBe(2);
  await told.getByText('What it is held for').first().focus();
  await page.keyboard.press('Enter');
  await page.getByText('Calling you by your name').first().waitFor();
  await close();
});

test('the profile leads to who was told an attribute, and a file is downloaded by its name', async () => {
  const { page, close, complaints } = await atDisclosures();
  await page.goto(new URL('/account/profile', keyhold.origin).href);
  const nickname = page.getByRole('article', { name: 'Nickname' });
  await nickname.getByText('Why, since when, and who may see it', { exact: true }).click();
  await nickname.getByRole('link', { name: 'See which app was told this Nickname' }).click();
  await page.getByText('Buchladen am Eck was told: Nickname').first().waitFor();
  for (const [name, file] of [
    ['Download as a table (CSV)', 'disclosures.csv'],
    ['Download for programs (JSON)', 'disclosures.json'],
  ] as const) {
    const download = page.waitForEvent('download');
    await page.getByRole('link', { name }).click();
    expect((await download).suggestedFilename()).toBe(file);
  }
  expect(complaints).toEqual([]);
  await close();
});

test.each(['en', 'de', 'fr', 'es', 'ar'])(
  '%s: the page is whole, accessible, and fits a phone',
  async locale => {
    const person = await atDisclosures({ width: 390, dark: locale === 'ar' });
    const { page } = person;
    for (const path of ['/account/disclosures?', '/account/disclosures?claim=birthdate&']) {
      await page.goto(new URL(`${path}ui_locales=${locale}`, keyhold.origin).href);
      expect(await person.accessibilityProblems()).toEqual([]);
      const wider = await page.evaluate('document.documentElement.scrollWidth > innerWidth');
      expect([locale, path, wider]).toEqual([locale, path, false]);
    }
    await person.close();
  },
);
