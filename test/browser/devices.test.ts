import { afterAll, beforeAll, expect, jest, test } from '@jest/globals';
import {
  type BrowserPerson,
  type BrowserPersonOptions,
  openBrowser,
  type TestBrowser,
} from '../support/browser.js';
import { startKeyhold, type TestKeyhold } from '../support/keyhold.js';
import { accountOf } from '../support/ledger.js';
import { newMember } from '../support/protocol.js';
import { openRelyingParty, type RelyingParty } from '../support/relying-party.js';
import { GOOD_PASSWORD } from '../support/walk.js';

// Where somebody is signed in, in two real browsers.

/* Each page is looked at for barriers. */
jest.setTimeout(90_000);

let keyhold: TestKeyhold;
let browser: TestBrowser;
let app: RelyingParty;
let count = 0;

beforeAll(async () => {
  [keyhold, browser] = await Promise.all([startKeyhold({ RATE_LIMITS: 'on' }), openBrowser()]);
  app = await openRelyingParty(keyhold, { first_party: true, client_name: 'Photo Album' });
});

afterAll(async () => {
  await browser.close();
  await app.close();
  await keyhold.close();
});

async function member(): Promise<string> {
  const email = `ada${++count}@example.test`;
  await newMember(keyhold, app, email);
  return email;
}

/** Somebody at the devices of their account, in a browser of their own. */
async function atDevices(email: string, options: BrowserPersonOptions = {}): Promise<BrowserPerson> {
  const person = await browser.newPerson({ passkeys: false, ...options });
  const { page } = person;
  await page.goto(new URL('/account/devices', keyhold.origin).href);
  await page.getByLabel('Email').fill(email);
  await page.getByRole('button', { name: 'Continue', exact: true }).click();
  await page.getByLabel('Password', { exact: true }).fill(GOOD_PASSWORD);
  await page.getByRole('button', { name: 'Sign in', exact: true }).click();
  await sees(person, 'Your devices');
  return person;
}

const sees = ({ page }: BrowserPerson, name: string) =>
  page.getByRole('heading', { level: 1, name, exact: true }).waitFor();

test('all others are signed out, and the other browser is asked who it is', async () => {
  const email = await member();
  const [here, there] = [await atDevices(email), await atDevices(email, { width: 390 })];
  const { page } = here;
  await page.reload();
  expect(await page.getByText('This device', { exact: true }).count()).toBe(1);
  expect(await here.accessibilityProblems()).toEqual([]);
  await page.getByRole('link', { name: 'Sign out everywhere else' }).click();
  await sees(here, 'Sign out everywhere else');
  expect(await here.accessibilityProblems()).toEqual([]);
  await page.getByRole('button', { name: 'Sign out everywhere else' }).click();
  await page.getByText('Everywhere else you are signed out now.').waitFor();
  expect(await here.accessibilityProblems()).toEqual([]);
  await there.page.reload();
  await sees(there, 'Sign in');
  await page.reload();
  await sees(here, 'Your devices');
  expect([...here.complaints, ...there.complaints]).toEqual([]);
  await Promise.all([here.close(), there.close()]);
});

test('without scripts and by keyboard alone: one device is signed out, and the way there unfolds on a narrow screen', async () => {
  const email = await member();
  const there = await atDevices(email);
  const here = await atDevices(email, { scripts: false, width: 390 });
  const { page } = here;
  await page.goto(new URL('/account', keyhold.origin).href);
  const places = page.getByRole('navigation', { name: 'Your account' });
  expect(await places.getByRole('link', { name: 'Devices' }).isVisible()).toBe(false);
  await places.locator('summary').focus();
  await page.keyboard.press('Enter');
  await places.getByRole('link', { name: 'Devices' }).focus();
  await page.keyboard.press('Enter');
  await sees(here, 'Your devices');
  await page
    .getByRole('listitem')
    .filter({ hasText: 'Chrome', hasNotText: 'This device' })
    .getByRole('link', { name: 'Sign out' })
    .focus();
  await page.keyboard.press('Enter');
  await sees(here, 'Sign out this device');
  await page.getByRole('button', { name: 'Sign out this device' }).focus();
  await page.keyboard.press('Enter');
  await page.getByText('The device is signed out.').waitFor();
  await there.page.reload();
  await sees(there, 'Sign in');
  const accountId = await accountOf(keyhold.db, email);
  const ended = await keyhold
    .db('sessions')
    .where({ account_id: accountId, ended_reason: 'ended-elsewhere' });
  expect(ended).toHaveLength(1);
  await Promise.all([here.close(), there.close()]);
});
