import { afterAll, beforeAll, expect, jest, test } from '@jest/globals';
import { appCode, forgetPeriods } from '../support/authenticator-app.js';
import { type BrowserPerson, openBrowser, type TestBrowser } from '../support/browser.js';
import { until } from '../support/jobs.js';
import { startKeyhold, type TestKeyhold } from '../support/keyhold.js';
import { PHONE } from '../support/move.js';
import { openRelyingParty, type RelyingParty } from '../support/relying-party.js';
import { type Walk, walk } from '../support/walk.js';

// The move to a new phone as two people-sized screens see it: each phone a browser with an authenticator of its own.

jest.setTimeout(120_000);

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
const SHOTS = process.env['KEYHOLD_SHOTS'];

/** A phone, walked by its labels. */
interface Phone extends Walk {
  readonly device: BrowserPerson;
  /** For whoever looks at the pages with their own eyes. */
  shot(name: string): Promise<void>;
}

async function phoneOf(
  name: string,
  {
    synced = false,
    ...more
  }: { readonly synced?: boolean; readonly dark?: boolean; readonly passkeys?: boolean } = {},
): Promise<Phone> {
  const device = await browser.newPerson({ width: 390, userAgent: PHONE, synced, ...more });
  return {
    device,
    ...walk(device, keyhold.mailbox),
    shot: async step => {
      if (SHOTS) await device.page.screenshot({ path: `${SHOTS}/${name}-${step}.png`, fullPage: true });
    },
  };
}

/** From a new account on the old phone to the picture for the new one. */
async function showsPicture(old: Phone): Promise<string> {
  await old.page.goto(at('/account/sign-in'));
  await old.page.getByRole('link', { name: 'Move to a new phone' }).click();
  await old.sees('Move to a new phone');
  await old.shot('1-start');
  await old.press('Begin');
  await old.sees('Scan this with the new phone');
  await old.shot('2-picture');
  const box = await old.page.locator('.qr').boundingBox();
  expect(box?.width).toBeGreaterThan(200);
  return (await old.page.locator('.more .key').textContent()) ?? '';
}

/** The new phone scans it, and the old one taps its number; both pages go on by themselves. */
async function scansAndIsLetIn(old: Phone, phone: Phone, link: string): Promise<void> {
  await phone.page.goto(link);
  await phone.sees('Set up this phone?');
  await phone.shot('1-open');
  await phone.press('Go on with this phone');
  await phone.sees('Look at the old phone');
  await phone.shot('2-number');
  const number = (await phone.page.locator('output').textContent()) ?? '';
  await old.sees('Is this your new phone?');
  expect(await old.page.getByText('Chrome · Android').count()).toBe(1);
  await old.shot('3-number');
  await old.press(number);
  await old.sees('Go on with the new phone');
  await old.shot('4-confirmed');
  await phone.sees('Let this phone sign in');
  await phone.shot('3-bind');
}

/** By a passkey; the phone answers when its button is pressed, and not as soon as the page is there. */
async function signsIn(phone: Phone, button: string): Promise<void> {
  await phone.device.answersPasskeys(false);
  await phone.press(button);
  await phone.sees('Sign in');
  await phone.shot('4-sign-in');
  await phone.device.answersPasskeys(true);
  await phone.press('Sign in with a passkey');
}

test('a passkey of one device: made anew, tried, and the old phone retires itself and hears of it', async () => {
  const old = await phoneOf('old');
  const phone = await phoneOf('new', { dark: true });
  await old.page.goto((await app.authorizationUrl({ prompt: 'create' })).href);
  await old.signUpWithPasskey('ann@example.test');
  await old.sees('Back in the app');
  const link = await showsPicture(old);
  await scansAndIsLetIn(old, phone, link);
  await phone.press('Create a passkey');
  await phone.sees('Now try it');
  await phone.shot('4-try');
  await old.sees('Now try it on the new phone');
  await signsIn(phone, 'Try it now');
  await phone.sees('It works');
  await phone.shot('5-works');
  await old.sees('What happens to the old phone?');
  await old.page.getByLabel('Passkey on one device').check();
  await old.page.getByLabel('Sign the old phone out').check();
  await old.shot('5-old');
  await old.press('Remove what I ticked');
  await old.sees('The old phone is signed out');
  await old.shot('6-over');
  await until(async () => (await old.device.passkeyCount()) === 0);
  expect(await phone.device.passkeyCount()).toBe(1);
  await old.page.goto(at('/account'));
  await old.sees('Sign in');
  await phone.page.goto(at('/account/move/done'));
  await phone.sees('You have moved');
  await phone.shot('6-done');

  const thief = await phoneOf('thief');
  await thief.page.goto(link);
  await thief.sees('This picture was used already');
  await thief.shot('1-used');
  expect([...old.device.complaints, ...phone.device.complaints]).toEqual([]);
  await Promise.all([old, phone, thief].map(({ device }) => device.close()));
});

test('a passkey that comes along is there already: it is only tried, and both phones stay', async () => {
  const old = await phoneOf('old-synced', { synced: true, dark: true });
  const phone = await phoneOf('new-synced', { synced: true });
  await old.page.goto((await app.authorizationUrl({ prompt: 'create' })).href);
  await old.signUpWithPasskey('bea@example.test');
  await old.sees('Back in the app');
  await old.device.carryPasskeysTo(phone.device);
  const link = await showsPicture(old);
  await scansAndIsLetIn(old, phone, link);
  await phone.press('Create a passkey');
  await phone.page.getByRole('alert').filter({ hasText: /./ }).waitFor();
  await phone.shot('4-already');
  await signsIn(phone, 'Try the one that came along');
  await phone.sees('It works');
  await phone.page.getByRole('link', { name: 'Choose what the old phone keeps' }).click();
  await phone.sees('What happens to the old phone?');
  await phone.shot('5-old');
  await phone.press('Keep the old phone too');
  await phone.sees('You have moved');
  expect(await old.device.passkeyCount()).toBe(1);
  expect(phone.device.complaints).toEqual([]);
  await Promise.all([old, phone].map(({ device }) => device.close()));
});

test('an authenticator app: taken over by its link or key, tried with the password, the old one removed', async () => {
  const old = await phoneOf('old-app', { passkeys: false });
  const phone = await phoneOf('new-app', { passkeys: false });
  await old.page.goto((await app.authorizationUrl({ prompt: 'create' })).href);
  await old.signUpWithPassword('cleo@example.test');
  await old.sees('Back in the app');
  await old.page.goto(at('/account/sign-in/apps/new'));
  const before = ((await old.page.locator('.key').textContent()) ?? '').replaceAll(' ', '');
  await old.fill('Code from your app', appCode(before));
  await old.press('Turn on');
  await old.sees('Recovery codes');
  await forgetPeriods(keyhold);
  await old.page.goto(at('/account/move'));
  await old.signInWithPassword('cleo@example.test');
  await old.fill('Code from your app', appCode(before));
  await old.press('Continue');
  const link = await showsPicture(old);
  await scansAndIsLetIn(old, phone, link);
  await phone.page.getByRole('link', { name: 'Set up an authenticator app' }).click();
  await phone.sees('Set up an authenticator app');
  await phone.shot('4-app');
  expect(
    await phone.page.getByRole('link', { name: 'Open in my authenticator app' }).getAttribute('href'),
  ).toMatch(/^otpauth:\/\/totp\//);
  const secret = ((await phone.page.locator('.key').textContent()) ?? '').replaceAll(' ', '');
  await phone.fill('Code from your app', appCode(secret));
  await phone.press('Take this app');
  await phone.sees('Now try it');
  await forgetPeriods(keyhold);
  await phone.press('Try it now');
  await phone.signInWithPassword('cleo@example.test');
  await phone.fill('Code from your app', appCode(secret));
  await phone.press('Continue');
  await phone.sees('It works');
  await phone.page.getByRole('link', { name: 'Choose what the old phone keeps' }).click();
  await phone.sees('What happens to the old phone?');
  await phone.page.getByRole('checkbox').first().check();
  await phone.press('Remove what I ticked');
  await phone.sees('You have moved');
  await phone.shot('6-done');
  expect(await keyhold.db('authenticator_apps').count()).toEqual([{ count: '1' }]);
  await Promise.all([old, phone].map(({ device }) => device.close()));
});
