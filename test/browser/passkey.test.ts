import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { openBrowser, type TestBrowser } from '../support/browser.js';
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
  await browser.close();
  await app.close();
  await keyhold.close();
});

const AT_APP = 'Back in the app';

test('somebody signs up with a passkey, and next time autofill signs them in', async () => {
  const ann = await browser.newPerson();
  const { page, sees, signUpWithPasskey } = walk(ann, keyhold.mailbox);
  await page.goto((await app.authorizationUrl({ prompt: 'create' })).href);
  await signUpWithPasskey('ann@example.test', 'Ann Archer');
  await sees(AT_APP);
  expect(await ann.passkeyCount()).toBe(1);
  const first = await app.exchange();
  expect(first.claims()).toMatchObject({ acr: 'phr' });
  expect(await app.userInfo(first)).toMatchObject({
    email: 'ann@example.test',
    email_verified: true,
    name: 'Ann Archer',
  });

  await ann.context.clearCookies();
  await page.goto((await app.authorizationUrl()).href);
  await sees(AT_APP);
  const second = await app.exchange();
  expect(second.claims()?.sub).toBe(first.claims()?.sub);
  expect(second.claims()).toMatchObject({ acr: 'phr', amr: expect.arrayContaining(['hwk', 'user']) });
  expect(ann.complaints).toEqual([]);
  await ann.close();
});

test('the passkey button signs in where autofill was not answered', async () => {
  const bea = await browser.newPerson();
  const { page, sees, press, signUpWithPasskey } = walk(bea, keyhold.mailbox);
  await page.goto((await app.authorizationUrl({ prompt: 'create' })).href);
  await signUpWithPasskey('bea@example.test');
  await sees(AT_APP);

  await bea.context.clearCookies();
  await bea.answersPasskeys(false);
  await page.goto((await app.authorizationUrl()).href);
  await sees('Sign in');
  await bea.answersPasskeys(true);
  await press('Sign in with a passkey');
  await sees(AT_APP);
  expect((await app.exchange()).claims()).toMatchObject({ acr: 'phr' });
  await bea.close();
});

test('after a password sign-in a passkey is offered, made, and good for the next sign-in', async () => {
  const cora = await browser.newPerson();
  const { page, sees, press, signUpWithPassword, signInWithPassword } = walk(cora, keyhold.mailbox);
  await page.goto((await app.authorizationUrl({ prompt: 'create' })).href);
  await signUpWithPassword('cora@example.test');
  await sees(AT_APP);

  await cora.context.clearCookies();
  await page.goto((await app.authorizationUrl()).href);
  await signInWithPassword('cora@example.test');
  await sees('Sign in faster next time');
  await press('Create a passkey');
  await sees(AT_APP);
  expect(await cora.passkeyCount()).toBe(1);

  await cora.context.clearCookies();
  await page.goto((await app.authorizationUrl()).href);
  await sees(AT_APP);
  await cora.close();
});
