import { afterAll, beforeAll, expect, jest, test } from '@jest/globals';
import { v7 as uuidv7 } from 'uuid';
import { type BrowserPersonOptions, openBrowser, type TestBrowser } from '../support/browser.js';
import { startKeyhold, type TestKeyhold } from '../support/keyhold.js';
import { accountOf } from '../support/ledger.js';
import { codeIn, objectionIn } from '../support/mailbox.js';
import { newMember } from '../support/protocol.js';
import { openRelyingParty, type RelyingParty } from '../support/relying-party.js';
import { GOOD_PASSWORD, walk } from '../support/walk.js';

// The history and "this wasn't me" in a real browser.

/* Each page is looked at for barriers. */
jest.setTimeout(90_000);

let keyhold: TestKeyhold;
let browser: TestBrowser;
let app: RelyingParty;
let count = 0;

beforeAll(async () => {
  [keyhold, browser] = await Promise.all([startKeyhold(), openBrowser()]);
  app = await openRelyingParty(keyhold, { first_party: true, client_name: 'Photo Album' });
});

afterAll(async () => {
  await browser.close();
  await app.close();
  await keyhold.close();
});

/** Somebody with an account to whom a lot has happened, on the page that tells of it. */
async function atHistory(options: BrowserPersonOptions = {}) {
  const email = `ada${++count}@example.test`;
  await newMember(keyhold, app, email);
  const person = await browser.newPerson({ passkeys: false, ...options });
  const { page } = person;
  await page.goto(new URL('/account/history', keyhold.origin).href);
  await page.getByLabel('Email').fill(email);
  await page.getByRole('button', { name: 'Continue', exact: true }).click();
  await page.getByLabel('Password', { exact: true }).fill(GOOD_PASSWORD);
  await page.getByRole('button', { name: 'Sign in', exact: true }).click();
  await page.getByRole('heading', { level: 1, name: 'History' }).waitFor();
  const accountId = await accountOf(keyhold.db, email);
  const types = ['profile.changed', ...Array(30).fill('sign_in.failed'), 'consent.refused', 'passkey.added'];
  const now = Date.now() - types.length * 60_000;
  await keyhold.db('events').insert(
    types.map((type, index) => {
      const msecs = now + index * 60_000;
      const detail = type === 'passkey.added' ? { passkeyId: uuidv7() } : {};
      const actor = { actor_kind: 'person', actor_id: accountId };
      return { id: uuidv7({ msecs }), at: new Date(msecs), type, ...actor, account_id: accountId, detail };
    }),
  );
  await page.reload();
  return { person, email, accountId, ...walk(person, keyhold.mailbox) };
}

test('without scripts and by keyboard alone: filtered, looked through, objected to, and back in', async () => {
  const { person, page, email, accountId, press, fill } = await atHistory({ scripts: false });
  // What looks for barriers is a script itself.
  const sees = (name: string) => page.getByRole('heading', { level: 1, name, exact: true }).waitFor();
  const state = async () => (await keyhold.db('accounts').where({ id: accountId }).first('state'))?.state;
  await page.getByRole('link', { name: 'Tries that failed' }).focus();
  await page.keyboard.press('Enter');
  await page.getByText('A try to sign in did not work').first().waitFor();
  await page.getByRole('link', { name: 'Everything' }).focus();
  await page.keyboard.press('Enter');
  await page.getByText('Choose days').focus();
  await page.keyboard.press('Enter');
  await fill('From', '2020-02-01');
  await fill('To', '2020-01-01');
  await page.getByRole('button', { name: 'Show' }).focus();
  await page.keyboard.press('Enter');
  await page.getByText('The last day is before the first one.').waitFor();
  await page.goto(new URL('/account/history', keyhold.origin).href);
  await page.getByRole('listitem').filter({ hasText: 'A passkey was added' }).getByRole('link').focus();
  await page.keyboard.press('Enter');
  await sees('Something you did not do?');
  const earlier = await keyhold.mailbox.latest(email);
  await page.getByRole('button', { name: "This wasn't me" }).focus();
  await page.keyboard.press('Enter');
  await sees('Your account is frozen');
  expect(await state()).toBe('frozen');
  const told = await keyhold.mailbox.latest(email, earlier);

  await page.getByRole('link', { name: 'Recover the account' }).click();
  await fill('Email', email);
  await press('Continue');
  await page.getByRole('button', { name: 'Forgot password?' }).click();
  await fill('Code', codeIn(await keyhold.mailbox.latest(email, told)));
  await press('Continue');
  await sees('Choose how you sign in');
  await fill('New password', `${GOOD_PASSWORD} anew`);
  await press('Set the new password');
  await page.waitForURL(url => !url.pathname.startsWith('/interaction'));
  expect(await state()).toBe('active');
  await person.close();
});

test('a double press, and the back button afterwards, lead to the same friendly page', async () => {
  const { person, page, accountId, sees } = await atHistory();
  await page.getByRole('listitem').filter({ hasText: 'Signed in' }).getByRole('link').first().click();
  await sees('Something you did not do?');
  await page.getByRole('button', { name: "This wasn't me" }).dblclick();
  await sees('Your account is frozen');
  await page.goBack();
  const again = page.getByRole('button', { name: "This wasn't me" });
  if (await again.isVisible()) {
    await again.click();
    await sees('Your account is frozen');
  }
  const frozen = await keyhold.db('events').where({ account_id: accountId, type: 'account.frozen' });
  expect(frozen).toHaveLength(1);
  expect(person.complaints).toEqual([]);
  await person.close();
});

test('a file is downloaded, named, and not shown in the browser', async () => {
  const { person, page } = await atHistory();
  for (const [name, file] of [
    ['Download as a table (CSV)', 'history.csv'],
    ['Download for programs (JSON)', 'history.json'],
  ] as const) {
    const download = page.waitForEvent('download');
    await page.getByRole('link', { name }).click();
    expect((await download).suggestedFilename()).toBe(file);
  }
  await person.close();
});

test.each(['de', 'fr', 'es', 'ar'])('%s: the pages are whole, accessible, and fit a phone', async locale => {
  const { person, page } = await atHistory({ width: 390, dark: locale === 'ar' });
  for (const path of ['/account/history', '/account/history?from=x']) {
    await page.goto(
      new URL(`${path}${path.includes('?') ? '&' : '?'}ui_locales=${locale}`, keyhold.origin).href,
    );
    expect(await person.accessibilityProblems()).toEqual([]);
    const wider = await page.evaluate('document.documentElement.scrollWidth > innerWidth');
    expect([locale, path, wider]).toEqual([locale, path, false]);
  }
  await page.goto(new URL(`/account/history?ui_locales=${locale}`, keyhold.origin).href);
  await page.locator('.happened li').first().getByRole('link').click();
  await page.locator('main h1').waitFor();
  expect(await person.accessibilityProblems()).toEqual([]);
  expect(await page.evaluate('document.documentElement.scrollWidth > innerWidth')).toBe(false);
  await person.close();
});

test('the mail that a frozen account sends leads to a page that takes back', async () => {
  const { person, page, email, sees } = await atHistory();
  const earlier = await keyhold.mailbox.latest(email);
  await page.locator('.happened li').filter({ hasText: 'Signed in' }).getByRole('link').first().click();
  await page.getByRole('button', { name: "This wasn't me" }).click();
  await sees('Your account is frozen');
  await page.goto(objectionIn(await keyhold.mailbox.latest(email, earlier)));
  await sees('Was this you?');
  await page.getByText('If there is something that you do not know, press the button.').waitFor();
  expect(await person.accessibilityProblems()).toEqual([]);
  await person.close();
});
