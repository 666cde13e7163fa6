import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, expect, jest, test } from '@jest/globals';
import { type BrowserPerson, openBrowser, type TestBrowser } from '../support/browser.js';
import { startKeyhold, type TestKeyhold } from '../support/keyhold.js';
import { openRelyingParty, type RelyingParty } from '../support/relying-party.js';
import { walk } from '../support/walk.js';

let keyhold: TestKeyhold;
let browser: TestBrowser;
let app: RelyingParty;

/* A dozen pages, each looked at. */
jest.setTimeout(90_000);

const AT_APP = 'Back in the app';
const IDA = 'ida@example.test';
const JON = 'jon@example.test';

beforeAll(async () => {
  [keyhold, browser] = await Promise.all([startKeyhold(), openBrowser()]);
  app = await openRelyingParty(keyhold, { first_party: true, client_name: 'Photo Album' });
});

afterAll(async () => {
  await browser.close();
  await app.close();
  await keyhold.close();
});

const emailOf = async () => (await app.userInfo(await app.exchange())).email;

async function fits({ page }: BrowserPerson): Promise<void> {
  const overflow = await page.evaluate('document.documentElement.scrollWidth - innerWidth');
  expect(overflow).toBeLessThanOrEqual(0);
}

test('two people share a browser: another is added, and each is chosen', async () => {
  const shared = await browser.newPerson({ passkeys: false, width: 320, dark: true });
  const { page, sees, signUpWithPassword } = walk(shared, keyhold.mailbox);
  const begin = async (parameters = {}) => page.goto((await app.authorizationUrl(parameters)).href);
  const choose = (email: string) => page.getByRole('button', { name: email }).click();
  await begin({ prompt: 'create' });
  await signUpWithPassword(IDA, 'Ida Ibsen');
  await sees(AT_APP);

  await begin({ prompt: 'select_account' });
  await sees('Choose an account');
  await page.getByRole('link', { name: 'Use another account' }).click();
  await sees('Sign in');
  await page.getByRole('link', { name: 'Create account' }).click();
  await signUpWithPassword(JON);
  await sees(AT_APP);
  expect(await emailOf()).toBe(JON);

  for (const email of [IDA, JON]) {
    await begin();
    await sees('Choose an account');
    expect(await page.getByRole('main').textContent()).toContain('Photo Album');
    expect(await page.getByRole('button', { name: `Ida Ibsen ${IDA}`, exact: true }).count()).toBe(1);
    await fits(shared);
    await choose(email);
    await sees(AT_APP);
    expect(await emailOf()).toBe(email);
  }

  expect(shared.complaints).toEqual([]);
  await shared.close();
});

test('one of two is signed out by an app, then everyone', async () => {
  const shared = await browser.newPerson({ passkeys: false, width: 320 });
  const { page, sees, press, signInWithPassword } = walk(shared, keyhold.mailbox);
  const begin = async (parameters = {}) => page.goto((await app.authorizationUrl(parameters)).href);
  for (const email of [IDA, JON]) {
    await begin({ prompt: 'login' });
    await signInWithPassword(email);
    await sees(AT_APP);
  }

  const back = { post_logout_redirect_uri: `${new URL(app.redirectUri).origin}/signed-out` };
  await page.goto(app.endSessionUrl(back).href);
  await sees('Who shall be signed out?');
  await fits(shared);
  await page.getByRole('button', { name: JON }).click();
  await sees('Sign out?');
  await press('Sign out');
  await sees('Signed out of the app');
  await begin();
  await sees(AT_APP);
  expect(await emailOf()).toBe(IDA);

  await begin({ prompt: 'login' });
  await signInWithPassword(JON);
  await sees(AT_APP);
  await page.goto(keyhold.origin);
  await sees('Several accounts are signed in');
  await fits(shared);
  await page.goto(app.endSessionUrl(back).href);
  await press('Sign out everyone');
  await sees('Signed out of the app');
  await begin();
  await sees('Sign in');
  expect((await shared.context.cookies(keyhold.origin)).map(({ name }) => name)).not.toContain(
    'keyhold_session',
  );
  expect(shared.complaints).toEqual([]);
  await shared.close();
});

const frameOf = ({ href }: URL) =>
  `document.body.append(Object.assign(document.createElement('iframe'), { src: ${JSON.stringify(href)} }))`;

test('an app asks in a hidden frame whether it may go on with somebody', async () => {
  const shared = await browser.newPerson({ passkeys: false });
  const { page, sees, signInWithPassword } = walk(shared, keyhold.mailbox);
  for (const email of [IDA, JON]) {
    await page.goto((await app.authorizationUrl({ prompt: 'login' })).href);
    await signInWithPassword(email);
    await sees(AT_APP);
  }
  const { id_token = '' } = await app.exchange();
  const ask = async (parameters: Record<string, string>) => {
    const url = await app.authorizationUrl({ prompt: 'none', ...parameters });
    const arrived = page.waitForResponse(answer => answer.url().startsWith(app.redirectUri));
    await page.evaluate(frameOf(url));
    return Object.fromEntries(new URL((await arrived).url()).searchParams);
  };
  expect(await ask({ id_token_hint: id_token })).toMatchObject({ code: expect.any(String) });
  expect(await ask({})).toMatchObject({ error: 'account_selection_required' });

  /* No page of ours is shown in a frame, not even the one that posts itself on to the app: such an app asks by query. */
  const answers: string[] = [];
  page.on('request', request => void answers.push(`${request.method()} ${request.url()}`));
  const turnedAway = page.waitForEvent('console', message => /frame-ancestors/.test(message.text()));
  const posted = await app.authorizationUrl({
    prompt: 'none',
    id_token_hint: id_token,
    response_mode: 'form_post',
  });
  await page.evaluate(frameOf(posted));
  await turnedAway;
  expect(answers.filter(request => request.startsWith('POST'))).toEqual([]);

  /* A frame on a page of another site brings no cookie along: nobody is there. */
  const elsewhere = createServer((_, response) =>
    response.setHeader('content-type', 'text/html').end('<!doctype html><body>'),
  );
  await new Promise<void>(resolve => elsewhere.listen(0, '127.0.0.1', resolve));
  const { port } = elsewhere.address() as AddressInfo;
  await page.goto(`http://127.0.0.1:${port}/`);
  expect(await ask({ id_token_hint: id_token })).toMatchObject({ error: 'login_required' });
  elsewhere.close();
  await shared.close();
});
