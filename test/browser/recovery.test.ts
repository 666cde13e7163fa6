import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { openBrowser, type TestBrowser } from '../support/browser.js';
import { startKeyhold, type TestKeyhold } from '../support/keyhold.js';
import { objectionIn } from '../support/mailbox.js';
import { openRelyingParty, type RelyingParty } from '../support/relying-party.js';
import { memberOf } from '../support/steps.js';
import { walk } from '../support/walk.js';

// Recovery and "This wasn't me" in a real browser; each page is looked at for barriers.

let keyhold: TestKeyhold;
let app: RelyingParty;
let browser: TestBrowser;
const EMAIL = 'ada@example.test';

beforeAll(async () => {
  keyhold = await startKeyhold();
  app = await openRelyingParty(keyhold, { first_party: true, client_name: 'Photo Album' });
  browser = await openBrowser();
  await memberOf(keyhold, app, EMAIL);
});

afterAll(async () => {
  await browser?.close();
  await app?.close();
  await keyhold?.close();
});

test('somebody recovers by creating a passkey, and objects to that elsewhere, in the dark and in German', async () => {
  const ada = await browser.newPerson();
  const { page, sees, fill, press, typeCode } = walk(ada, keyhold.mailbox);
  await page.goto((await app.authorizationUrl()).href);
  await fill('Email', EMAIL);
  await press('Continue');
  await sees('Enter your password');
  const earlier = await keyhold.mailbox.latest(EMAIL);
  await press('Forgot password?');
  await sees('Check your email');
  await keyhold.mailbox.latest(EMAIL, earlier);
  await typeCode(EMAIL);
  await sees('Choose how you sign in');
  const code = await keyhold.mailbox.latest(EMAIL);
  await press('Create a passkey');
  await sees('Back in the app');
  expect(await ada.passkeyCount()).toBe(1);
  expect((await app.exchange()).claims()).toMatchObject({ acr: 'aal1' });
  expect(ada.complaints).toEqual([]);
  await ada.close();

  const notice = await keyhold.mailbox.latest(EMAIL, code);
  expect(notice.subject).toBe('Your Keyhold account has a new passkey');
  const owner = await browser.newPerson({ dark: true, width: 360, scripts: false, locale: 'de-DE' });
  const elsewhere = walk(owner, keyhold.mailbox);
  await owner.page.goto(objectionIn(notice));
  await owner.page.getByRole('heading', { level: 1, name: 'Waren Sie das?' }).waitFor();
  await elsewhere.press('Das war ich nicht');
  await owner.page.getByRole('heading', { level: 1, name: 'Ihr Konto ist gesperrt' }).waitFor();
  const wide = await owner.page
    .evaluate('document.documentElement.scrollWidth > innerWidth')
    .catch(() => false);
  expect(wide).toBe(false);
  await owner.close();

  const lit = await browser.newPerson();
  const again = walk(lit, keyhold.mailbox);
  await lit.page.goto(objectionIn(notice));
  await again.sees('You have objected already');
  await lit.close();
});
