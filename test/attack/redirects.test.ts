import { request } from 'node:http';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { personAt, signIn } from '../support/journeys.js';
import { startKeyhold, type TestKeyhold } from '../support/keyhold.js';
import { accountOf } from '../support/ledger.js';
import { readPage } from '../support/page.js';
import { openRelyingParty, type RelyingParty } from '../support/relying-party.js';
import { memberOf } from '../support/steps.js';

// C. Redirects and the browser.

let keyhold: TestKeyhold;
let house: RelyingParty;
let stranger: RelyingParty;
const ADA = 'ada@example.test';

beforeAll(async () => {
  keyhold = await startKeyhold();
  house = await openRelyingParty(keyhold, { first_party: true });
  stranger = await openRelyingParty(keyhold);
  await memberOf(keyhold, house, ADA);
});

afterAll(async () => {
  await stranger?.close();
  await house?.close();
  await keyhold?.close();
});

/** Every address that a page leads to, as a browser on it would understand it. */
function targetsOf(html: string): readonly URL[] {
  const { document } = readPage(new URL(keyhold.origin), 200, new Headers(), html);
  return document('[href],[action],[formaction],[src]')
    .toArray()
    .flatMap(element => ['href', 'action', 'formaction', 'src'].map(name => document(element).attr(name)))
    .filter(value => value !== undefined)
    .map(value => new URL(value, keyhold.origin));
}

test.each([
  '//evil.test/%00',
  '//evil.test%2f%00',
  '/\\evil.test/%00',
  '///evil.test/%00',
  '/%2f%2fevil.test/%00',
  '//evil.test/',
  '/\\evil.test',
  '/?ui_locales=//evil.test',
  '/?return_to=https://evil.test',
  '/terms?here=//evil.test',
  '/sign-out?return_to=//evil.test',
  '/end-session/success?client_id=//evil.test',
])('C26: no page of %s leads anywhere else', async path => {
  const { status, html } = await rawGet(path);
  expect(status).toBeLessThan(500);
  expect([...new Set(targetsOf(html).map(({ origin }) => origin))]).toEqual([keyhold.origin]);
});

/** `fetch` would tidy the path up. */
async function rawGet(path: string) {
  return new Promise<{ status: number; html: string }>((resolve, reject) => {
    const { hostname, port, host } = new URL(keyhold.origin);
    request({ hostname, port, path, headers: { host, accept: 'text/html' } }, response => {
      let html = '';
      response.setEncoding('utf8');
      response.on('data', chunk => {
        html += chunk;
      });
      response.on('end', () => resolve({ status: response.statusCode ?? 0, html }));
    })
      .on('error', reject)
      .end();
  });
}

test('C26: a silent request tells an app nothing about somebody it was never used by', async () => {
  const ada = personAt(keyhold);
  await ada.goto(await house.authorizationUrl());
  await signIn(ada, ADA);
  const sub = await accountOf(keyhold.db, ADA);
  const silent = async (app: RelyingParty, value: string) => {
    const claims = JSON.stringify({ id_token: { sub: { value } } });
    const page = await ada.goto(await app.authorizationUrl({ prompt: 'none', claims }));
    return page.url.searchParams.get('error') ?? 'code';
  };
  const nobody = '01890a5d-ac96-774b-bcce-b302099a8057';
  expect(await silent(stranger, sub)).toBe(await silent(stranger, nobody));
  expect(await silent(house, sub)).toBe('code');
});
