import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { appCode, forgetPeriods } from '../support/authenticator-app.js';
import { type BrowserPerson, openBrowser, type TestBrowser } from '../support/browser.js';
import { until } from '../support/jobs.js';
import { startKeyhold, type TestKeyhold } from '../support/keyhold.js';
import { openRelyingParty, type RelyingParty } from '../support/relying-party.js';
import { walk } from '../support/walk.js';

let keyhold: TestKeyhold;
let browser: TestBrowser;
let app: RelyingParty;

beforeAll(async () => {
  [keyhold, browser] = await Promise.all([startKeyhold(), openBrowser()]);
  app = await openRelyingParty(keyhold, { first_party: true });
});

afterAll(async () => {
  await browser?.close();
  await app?.close();
  await keyhold?.close();
});

const at = (path: string) => new URL(path, keyhold.origin).href;

async function isBarrierFree(person: BrowserPerson): Promise<void> {
  expect([person.page.url(), await person.accessibilityProblems()]).toEqual([person.page.url(), []]);
}

test('a passkey is added and removed in the account, and the keeper of passkeys is told each time', async () => {
  const ann = await browser.newPerson();
  const { page, sees, press, signUpWithPassword } = walk(ann, keyhold.mailbox);
  await page.goto((await app.authorizationUrl({ prompt: 'create' })).href);
  await signUpWithPassword('ann@example.test');
  await sees('Back in the app');
  await page.goto(at('/account/sign-in'));
  await sees('How you sign in');
  await isBarrierFree(ann);
  await page.getByRole('link', { name: 'Add a passkey' }).click();
  await sees('Add a passkey');
  await isBarrierFree(ann);
  await press('Create a passkey');
  await sees('How you sign in');
  expect(await page.getByRole('status').textContent()).toContain('Your passkey is added');
  expect(await ann.passkeyCount()).toBe(1);
  await isBarrierFree(ann);
  await page.getByRole('link', { name: 'Rename or remove' }).click();
  await sees('Your passkey');
  await isBarrierFree(ann);
  await press('Remove this passkey');
  await sees('How you sign in');
  /* The Signal API: what is no passkey here any more is none on the device either. */
  await until(async () => (await ann.passkeyCount()) === 0);
  expect(ann.complaints).toEqual([]);
  await ann.close();
});

test('an authenticator app is set up, asked for, remembered; a recovery code stands in for it', async () => {
  const bea = await browser.newPerson({ passkeys: false, width: 390 });
  const { page, sees, press, signUpWithPassword, signInWithPassword } = walk(bea, keyhold.mailbox);
  await page.goto((await app.authorizationUrl({ prompt: 'create' })).href);
  await signUpWithPassword('bea@example.test');
  await sees('Back in the app');
  await page.goto(at('/account/sign-in/apps/new'));
  await sees('Set up an authenticator app');
  await isBarrierFree(bea);
  const box = await page.locator('.qr').boundingBox();
  expect(box?.width).toBeGreaterThan(200);
  const secret = ((await page.locator('.key').textContent()) ?? '').replaceAll(' ', '');
  await page.getByLabel('Code from your app').fill(appCode(secret));
  await press('Turn on');
  await sees('Recovery codes');
  await isBarrierFree(bea);
  const codes = await page.locator('.codes code').allTextContents();
  expect(codes).toHaveLength(10);
  const [download] = await Promise.all([page.waitForEvent('download'), press('Save as a file')]);
  expect(download.suggestedFilename()).toBe('recovery-codes.txt');

  await forgetPeriods(keyhold);
  await page.goto((await app.authorizationUrl({ prompt: 'login' })).href);
  await signInWithPassword('bea@example.test');
  await sees('One more step');
  await isBarrierFree(bea);
  await page.getByLabel('Do not ask in this browser for 30 days').check();
  await page.getByLabel('Code from your app').fill(appCode(secret));
  await press('Continue');
  await sees('Back in the app');
  expect((await app.exchange()).claims()).toMatchObject({ acr: 'aal2' });
  await page.goto((await app.authorizationUrl({ prompt: 'login' })).href);
  await signInWithPassword('bea@example.test');
  await sees('Back in the app');

  await bea.context.clearCookies();
  await page.goto((await app.authorizationUrl()).href);
  await signInWithPassword('bea@example.test');
  await sees('One more step');
  await page.getByRole('link', { name: 'Use a recovery code' }).click();
  await page.getByLabel('Recovery code').fill(codes[0] ?? '');
  await press('Continue');
  await sees('Keep your new recovery code');
  await isBarrierFree(bea);
  await press('I have kept it');
  await sees('Back in the app');
  expect(bea.complaints).toEqual([]);
  await bea.close();
});
