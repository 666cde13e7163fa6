import { afterAll, beforeAll, expect, test } from '@jest/globals';
import Router from '@koa/router';
import { fetch } from 'undici';
import { deviceRoutes } from '../../src/journeys/device-grant/pages.js';
import { homeRoutes } from '../../src/journeys/home/pages.js';
import { interactionRoutes } from '../../src/journeys/interaction-routes.js';
import type { Parts } from '../../src/journeys/journey.js';
import { moveRoutes } from '../../src/journeys/move/pages.js';
import { objectionRoutes } from '../../src/journeys/notices/objection.js';
import { personAt } from '../support/journeys.js';
import { startKeyhold, type TestKeyhold } from '../support/keyhold.js';
import { peopleOnRecord } from '../support/ledger.js';
import type { Person } from '../support/person.js';
import { openRelyingParty, type RelyingParty } from '../support/relying-party.js';
import { csrfOf, memberOf, postScript, requestPath, toPasskeyOffer } from '../support/steps.js';

let keyhold: TestKeyhold;
let app: RelyingParty;
let ada: Person;
let mallory: Person;
let before: string;

const router = new Router();
// Routes are only listed here: nothing of the parts is touched before a request comes.
interactionRoutes(router, {} as Parts);
homeRoutes(router, {} as Parts, undefined);
deviceRoutes(router, {} as Parts);
objectionRoutes(router, {} as Parts);
moveRoutes(router, {} as Parts);
const listed = router.stack.filter(route => route.methods.includes('POST')).map(route => String(route.path));

beforeAll(async () => {
  keyhold = await startKeyhold();
  app = await openRelyingParty(keyhold);
  await memberOf(keyhold, app, 'ada@example.test');
  ada = personAt(keyhold);
  await toPasskeyOffer(ada, app, 'ada@example.test');
  mallory = personAt(keyhold);
  await mallory.goto(await app.authorizationUrl());
  before = await peopleOnRecord(keyhold.db);
});

afterAll(async () => {
  await app?.close();
  await keyhold?.close();
});

const SCRIPTED = /passkey(\/new)?(\/options)?$/;
const FORGERIES: readonly (readonly [
  name: string,
  token: 'own' | 'foreign' | 'none' | 'altered',
  headers: Record<string, string>,
])[] = [
  ['without a token', 'none', {}],
  ["with another browser's token", 'foreign', {}],
  ['with an altered token', 'altered', {}],
  ['from another origin', 'own', { origin: 'https://evil.example' }],
  ['from a page of another port', 'own', { origin: 'http://localhost:1' }],
  ['cross-site', 'own', { 'sec-fetch-site': 'cross-site' }],
  ['same-site', 'own', { 'sec-fetch-site': 'same-site' }],
  ['typed into the address bar', 'own', { 'sec-fetch-site': 'none' }],
];

test('C20: every post of the pages is known here', () => {
  expect(listed.sort()).toEqual([
    '/device',
    '/device/confirm',
    '/device/deny',
    '/interaction/:uid/account',
    '/interaction/:uid/back',
    '/interaction/:uid/choose',
    '/interaction/:uid/code',
    '/interaction/:uid/code/send',
    '/interaction/:uid/consent',
    '/interaction/:uid/consent/known',
    '/interaction/:uid/deny',
    '/interaction/:uid/federated/:provider',
    '/interaction/:uid/identifier',
    '/interaction/:uid/link/:token',
    '/interaction/:uid/link/:token/deny',
    '/interaction/:uid/lost',
    '/interaction/:uid/lost/app',
    '/interaction/:uid/lost/back',
    '/interaction/:uid/lost/begin',
    '/interaction/:uid/lost/continue',
    '/interaction/:uid/lost/password',
    '/interaction/:uid/lost/stop',
    '/interaction/:uid/new-account',
    '/interaction/:uid/organisation',
    '/interaction/:uid/organisation/around',
    '/interaction/:uid/passkey',
    '/interaction/:uid/passkey/new',
    '/interaction/:uid/passkey/new/options',
    '/interaction/:uid/passkey/options',
    '/interaction/:uid/passkey/skip',
    '/interaction/:uid/password',
    '/interaction/:uid/question',
    '/interaction/:uid/question/skip',
    '/interaction/:uid/recovery',
    '/interaction/:uid/recovery-codes/file',
    '/interaction/:uid/recovery-codes/kept',
    '/interaction/:uid/recovery/gone',
    '/interaction/:uid/recovery/password',
    '/interaction/:uid/second-factor/app',
    '/interaction/:uid/second-factor/app/code',
    '/interaction/:uid/second-factor/other',
    '/interaction/:uid/second-factor/skip',
    '/interaction/:uid/second-step',
    '/interaction/:uid/second-step/kept',
    '/interaction/:uid/sign-up',
    '/move/:secret',
    '/move/app',
    '/move/leave',
    '/move/passkey',
    '/move/passkey/options',
    '/move/try',
    '/objection',
    '/objection/:token',
    '/sign-out',
  ]);
});

test.each(listed)('C20: POST %s is refused unless our page in this browser sent it', async route => {
  const path = route.replace('/interaction/:uid', requestPath(ada)).replace(':token', 'x'.repeat(43));
  const tokens = {
    own: csrfOf(ada),
    foreign: csrfOf(mallory),
    none: '',
    altered: csrfOf(ada).replace(/^./, '!'),
  };
  for (const [name, token, headers] of FORGERIES) {
    const { status, text } = await send(path, tokens[token], headers);
    expect([name, status]).toEqual([name, 403]);
    expect(text).toContain(SCRIPTED.test(path) ? '"code":"csrf"' : 'This form could not be trusted');
  }
  const asText = await send(path, csrfOf(ada), { 'content-type': 'text/plain' });
  expect(asText.status).toBe(400);
  await ada.goto(ada.page.url);
  expect(ada.page.heading).toBe('Sign in faster next time');
  expect(await peopleOnRecord(keyhold.db)).toBe(before);
});

test("C20, C48: a request is nothing to another browser, whatever its token: a stranger's sign-in is nobody else's", async () => {
  const url = new URL(`${requestPath(ada)}/passkey/skip`, keyhold.origin);
  const page = await mallory.post(url, { csrf: csrfOf(mallory) });
  expect([page.status, page.heading]).toEqual([404, 'Request error']);
  await ada.goto(ada.page.url);
  expect(ada.page.heading).toBe('Sign in faster next time');
  expect((await postScript(ada, '/passkey/new/options')).status).toBe(200);
});

test('C31: looking changes nothing: no GET or HEAD moves a request on', async () => {
  for (const route of router.stack.filter(each => each.methods.includes('GET'))) {
    const path = String(route.path)
      .replace('/interaction/:uid', requestPath(ada))
      .replace(/:\w+/, 'x'.repeat(43));
    for (const method of ['GET', 'HEAD']) {
      const cookie = await ada.jar.getCookieString(new URL(path, keyhold.origin).href);
      await fetch(new URL(`${path}?way=sign-up`, keyhold.origin), {
        method,
        headers: { cookie, accept: 'text/html' },
      });
    }
  }
  await ada.goto(ada.page.url);
  expect(ada.page.heading).toBe('Sign in faster next time');
  expect(await peopleOnRecord(keyhold.db)).toBe(before);
});

async function send(path: string, token: string, headers: Readonly<Record<string, string>>) {
  const url = new URL(path, keyhold.origin);
  const json = SCRIPTED.test(path);
  const answer = await fetch(url, {
    method: 'POST',
    redirect: 'manual',
    headers: {
      accept: json ? 'application/json' : 'text/html',
      'content-type': json ? 'application/json' : 'application/x-www-form-urlencoded',
      cookie: await ada.jar.getCookieString(url.href),
      'sec-fetch-site': 'same-origin',
      ...(json && token && { 'x-csrf-token': token }),
      ...headers,
    },
    body: json ? '{}' : new URLSearchParams(token ? { csrf: token } : {}).toString(),
  });
  return { status: answer.status, text: await answer.text() };
}
