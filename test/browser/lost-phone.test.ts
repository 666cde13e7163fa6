import { mkdirSync } from 'node:fs';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { appCode, setUpApp } from '../support/authenticator-app.js';
import { type BrowserPerson, openBrowser, type TestBrowser } from '../support/browser.js';
import { startKeyhold, type TestKeyhold } from '../support/keyhold.js';
import { accountOf } from '../support/ledger.js';
import { agedAddresses, beginToWait, GONE, letPass, mailOf, stopLinkIn } from '../support/lost-phone.js';
import { codeIn } from '../support/mailbox.js';
import { newMember } from '../support/protocol.js';
import { openRelyingParty, type RelyingParty } from '../support/relying-party.js';
import { type Walk, walk } from '../support/walk.js';

// A lost phone in a real browser: stopped by the owner, and gone to the end with a new passkey. Each page is looked at for barriers.

let keyhold: TestKeyhold;
let app: RelyingParty;
let browser: TestBrowser;
const LOOK = process.env['KEYHOLD_LOOK'];

beforeAll(async () => {
  keyhold = await startKeyhold();
  app = await openRelyingParty(keyhold, { first_party: true, client_name: 'Photo Album' });
  browser = await openBrowser();
});

afterAll(async () => {
  await browser?.close();
  await app?.close();
  await keyhold?.close();
});

/** Somebody who has lost the phone with their authenticator app. */
async function unlucky(email: string) {
  const setUp = await setUpApp(keyhold, await newMember(keyhold, app, email));
  await agedAddresses(keyhold);
  return { ...setUp, accountId: await accountOf(keyhold.db, email) };
}

/** Keeps a picture of the page, in both widths and colours, for whoever wants to look. */
async function look({ page }: Pick<BrowserPerson, 'page'>, name: string): Promise<void> {
  if (!LOOK) return;
  mkdirSync(LOOK, { recursive: true });
  const before = page.viewportSize() ?? { width: 1000, height: 800 };
  for (const width of [390, 1280])
    for (const colorScheme of ['light', 'dark'] as const) {
      await page.emulateMedia({ colorScheme });
      await page.setViewportSize({ width, height: 900 });
      await page.screenshot({ path: `${LOOK}/${name}-${width}-${colorScheme}.png`, fullPage: true });
    }
  await page.emulateMedia({ colorScheme: 'light' });
  await page.setViewportSize(before);
}

async function fits({ page }: Pick<BrowserPerson, 'page'>): Promise<void> {
  const wide = await page.evaluate('document.documentElement.scrollWidth > innerWidth').catch(() => false);
  expect(wide).toBe(false);
}

/** From a new request to what is due once both were shown. */
async function toBoth(person: BrowserPerson, step: Walk, email: string): Promise<void> {
  const { page, sees, press, fill } = step;
  await page.goto((await app.authorizationUrl({ prompt: 'login' })).href);
  await step.signInWithPassword(email);
  await sees('One more step');
  await press(GONE);
  await sees('Your phone is gone?');
  await fits(person);
  await look(person, '1-lost');
  const earlier = await keyhold.mailbox.latest(email);
  await press('Go on with password and email');
  await sees('Check your email');
  await fill('Code', codeIn(await keyhold.mailbox.latest(email, earlier)));
  await press('Continue');
}

test('it is begun by keyboard on a small screen; what was paused asks whether it was them', async () => {
  const email = 'ada@example.test';
  const { secret } = await unlucky(email);
  const ada = await browser.newPerson({ width: 390 });
  const step = walk(ada, keyhold.mailbox);
  await toBoth(ada, step, email);
  await step.sees('What was on the phone?');
  await fits(ada);
  await look(ada, '2-what');
  await ada.page.getByRole('button', { name: 'Pause them and begin' }).focus();
  await ada.page.keyboard.press('Enter');
  await step.sees('Now you wait');
  await fits(ada);
  await look(ada, '3-waiting');

  await keyhold.db('authenticator_apps').update({ last_period: 0 });
  await step.page.goto((await app.authorizationUrl({ prompt: 'login' })).href);
  await step.signInWithPassword(email);
  await step.sees('One more step');
  await step.fill('Code from your app', appCode(secret));
  await step.press('Continue');
  await step.sees('Have you lost your phone?');
  await fits(ada);
  await look(ada, '4-factor');
  expect(ada.complaints).toEqual([]);
  await ada.close();
});

test('the owner stops it without scripts, in another browser, in the dark and in Arabic', async () => {
  const email = 'cleo@example.test';
  await unlucky(email);
  await beginToWait(keyhold, app, email);
  const mail = await mailOf(keyhold, email, /Is your phone lost/);
  const owner = await browser.newPerson({ dark: true, width: 360, scripts: false, locale: 'ar' });
  await owner.page.goto(stopLinkIn(mail));
  await owner.page.getByRole('heading', { level: 1, name: 'هل ضاع هاتفك؟' }).waitFor();
  await fits(owner);
  await look(owner, '5-stop-ar');
  await owner.page.getByRole('button', { name: 'إيقاف هذا', exact: true }).press('Enter');
  await owner.page.getByRole('heading', { level: 1, name: 'أُوقف الأمر' }).waitFor();
  await look(owner, '6-stopped-ar');
  await owner.close();
});

test('once the time has come a passkey is made on the new phone, and new codes are kept', async () => {
  const email = 'bea@example.test';
  const { accountId } = await unlucky(email);
  await beginToWait(keyhold, app, email);
  await letPass(keyhold, accountId, 73);
  const bea = await browser.newPerson();
  const step = walk(bea, keyhold.mailbox);
  await toBoth(bea, step, email);
  await step.sees('Set up your new phone');
  await fits(bea);
  await look(bea, '7-new');
  await bea.page.getByRole('button', { name: 'Create a passkey' }).focus();
  await bea.page.keyboard.press('Enter');
  await step.sees('Write down your recovery codes');
  await look(bea, '8-codes');
  expect(await bea.page.locator('ol.codes li').count()).toBe(10);
  await step.press('I have kept them');
  await step.sees('Back in the app');
  expect(await bea.passkeyCount()).toBe(1);
  expect(bea.complaints).toEqual([]);
  if (LOOK) {
    await bea.page.goto(new URL('/account/sign-in', keyhold.origin).href);
    await look(bea, '9-ways');
  }
  await bea.close();
});

test('somebody who recovers says without scripts what was on the phone', async () => {
  const email = 'dora@example.test';
  await unlucky(email);
  await keyhold.db('accounts').update({ second_step: false });
  const dora = await browser.newPerson({ width: 390, scripts: false });
  const step = walk(dora, keyhold.mailbox);
  await step.page.goto((await app.authorizationUrl({ prompt: 'login' })).href);
  await step.fill('Email', email);
  await step.press('Continue');
  await step.press('Forgot password?');
  await step.page.getByRole('heading', { level: 1, name: 'Check your email' }).waitFor();
  await step.fill('Code', codeIn(await mailOf(keyhold, email, /^\d{8} .*/)));
  await step.press('Continue');
  await step.page.getByLabel('Authenticator app').check();
  await step.press('Pause what is ticked');
  await step.page.getByText('What is ticked is paused as soon as').waitFor();
  await fits(dora);
  await look(dora, '10-gone');
  expect(await step.page.getByLabel('Authenticator app').isChecked()).toBe(true);
  await dora.close();
});
