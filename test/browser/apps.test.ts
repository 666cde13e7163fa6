import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { type BrowserPerson, openBrowser, type TestBrowser } from '../support/browser.js';
import { startKeyhold, type TestKeyhold } from '../support/keyhold.js';
import { openRelyingParty, type RelyingParty } from '../support/relying-party.js';
import { walk } from '../support/walk.js';

let keyhold: TestKeyhold;
let browser: TestBrowser;
let shop: RelyingParty;
let forum: RelyingParty;
let gina: BrowserPerson;

beforeAll(async () => {
  [keyhold, browser] = await Promise.all([startKeyhold(), openBrowser()]);
  shop = await openRelyingParty(keyhold, { client_name: 'Shop' });
  forum = await openRelyingParty(keyhold, { client_name: 'Forum', first_party: true });
  gina = await browser.newPerson();
});

afterAll(async () => {
  await browser.close();
  await shop.close();
  await forum.close();
  await keyhold.close();
});

const AT_APP = 'Back in the app';
const BIRTHDATE = JSON.stringify({ userinfo: { birthdate: null } });

test('consent: an optional claim is refused, the app still gets in, and the choice is remembered', async () => {
  const { page, sees, press, signUpWithPasskey } = walk(gina, keyhold.mailbox);
  await page.goto((await shop.authorizationUrl({ prompt: 'create', claims: BIRTHDATE })).href);
  await signUpWithPasskey('gina@example.test', 'Gina Gold');
  await sees('Allow access?');
  expect(await page.getByRole('main').textContent()).toContain('Shop');
  expect(await page.getByLabel('See your date of birth').isChecked()).toBe(false);
  await press('Allow');
  await sees(AT_APP);
  const claims = await shop.userInfo(await shop.exchange());
  expect(claims).toMatchObject({ email: 'gina@example.test', name: 'Gina Gold' });
  expect(claims).not.toHaveProperty('birthdate');

  await page.goto((await shop.authorizationUrl({ claims: BIRTHDATE })).href);
  await sees(AT_APP);
});

test("consent: whoever doesn't allow goes back to the app with access_denied", async () => {
  const { page, sees, press } = walk(gina, keyhold.mailbox);
  await page.goto((await shop.authorizationUrl({ prompt: 'consent' })).href);
  await sees('Allow access?');
  await press("Don't allow");
  await sees('Refused: access_denied');
});

test('a second app lets her in without a question, by a posted form', async () => {
  const { page, sees } = walk(gina, keyhold.mailbox);
  await page.goto((await forum.authorizationUrl({ response_mode: 'form_post' })).href);
  await sees(AT_APP);
  expect(page.url()).toBe(forum.redirectUri);
  const tokens = await forum.exchange();
  expect(await forum.userInfo(tokens)).toMatchObject({ email: 'gina@example.test' });
});

test('signing out of one app ends both: each hears of it, and the next visit asks again', async () => {
  const { page, sees, press } = walk(gina, keyhold.mailbox);
  await page.goto((await forum.authorizationUrl()).href);
  await sees(AT_APP);
  const tokens = await forum.exchange();
  await page.goto(
    forum.endSessionUrl({
      id_token_hint: tokens.id_token ?? '',
      post_logout_redirect_uri: forum.client.post_logout_redirect_uris?.[0] ?? '',
    }).href,
  );
  const confirm = page.getByRole('button', { name: 'Sign out', exact: true });
  const done = page.getByRole('heading', { name: 'Signed out of the app' });
  await confirm.or(done).waitFor();
  if (await confirm.isVisible()) {
    await sees('Sign out?');
    await press('Sign out');
  }
  await sees('Signed out of the app');
  await expect(shop.nextLogoutToken()).resolves.toMatch(/^ey/);
  await expect(forum.nextLogoutToken()).resolves.toMatch(/^ey/);
  expect(await forum.introspect(tokens.access_token)).toEqual({ active: false });

  await gina.answersPasskeys(false);
  await page.goto((await shop.authorizationUrl()).href);
  await sees('Sign in');
});

test('a sign-out that no app asked for is confirmed and ends on our own page', async () => {
  await gina.answersPasskeys(true);
  const { page, sees, press } = walk(gina, keyhold.mailbox);
  await page.goto((await forum.authorizationUrl()).href);
  await sees(AT_APP);
  await page.goto(keyhold.origin);
  await sees('You are signed in');
  await press('Sign out');
  await sees('You are signed out');
});

test('a redirect address nobody registered is told to the developer, and not followed', async () => {
  const { page, sees } = walk(gina, keyhold.mailbox);
  await page.goto((await shop.authorizationUrl({ redirect_uri: 'http://localhost:1/elsewhere' })).href);
  await sees('Request error');
  expect(await page.getByRole('main').textContent()).toContain('http://localhost:1/elsewhere');
});
