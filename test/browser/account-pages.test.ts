import { afterAll, beforeAll, expect, jest, test } from '@jest/globals';
import { ACCOUNT_PAGES } from '../../src/journeys/manage/routes.js';
import { type BrowserPerson, openBrowser, type TestBrowser } from '../support/browser.js';
import { DOORS, type Owner } from '../support/door-table.js';
import { startKeyhold, type TestKeyhold } from '../support/keyhold.js';
import { accountOf } from '../support/ledger.js';
import { EVERY_SCOPE, openOwner } from '../support/owner.js';
import type { Person } from '../support/person.js';
import { newMember } from '../support/protocol.js';
import { openRelyingParty, type RelyingParty } from '../support/relying-party.js';
import { csrfOf } from '../support/steps.js';

// Every page of the account that the table of doors names, looked at as it is shown to its owner.

let keyhold: TestKeyhold;
let browser: TestBrowser;
let app: RelyingParty;
let ada: Person;
let owner: Owner;
let narrow: BrowserPerson;
let wide: BrowserPerson;

jest.setTimeout(60_000);

const shown = ACCOUNT_PAGES.filter(
  ({ method, path }) =>
    method === 'GET' &&
    DOORS[`GET ${path}`]?.owner === 200 &&
    /* Files, and what a script asks for. */
    !/\.\w+$|\/(?:state|file)$/.test(path) &&
    !path.includes('/test/'),
).map(({ path }) => path);

beforeAll(async () => {
  [keyhold, browser] = await Promise.all([startKeyhold(), openBrowser()]);
  app = await openRelyingParty(keyhold, { scope: `openid profile email ${EVERY_SCOPE}` });
  ada = await newMember(keyhold, app, 'ada@example.test');
  await ada.goto(new URL('/account', keyhold.origin));
  const accountId = await accountOf(keyhold.db, 'ada@example.test');
  owner = openOwner({ keyhold, app, person: ada, accountId, csrf: csrfOf(ada) });
  narrow = await browser.newPerson({ width: 320, dark: true });
  wide = await browser.newPerson({ width: 1280 });
});

afterAll(async () => {
  await browser?.close();
  await app?.close();
  await keyhold?.close();
});

/** The owner's own browser, with another window. */
async function carry({ context }: BrowserPerson, language: string): Promise<void> {
  const { hostname: domain } = new URL(keyhold.origin);
  const own = [...(await ada.cookies(keyhold.origin))].filter(([name]) => name !== 'keyhold_language');
  const cookies = [...own, ['keyhold_language', language] as const];
  await context.clearCookies();
  await context.addCookies(cookies.map(([name, value]) => ({ name, value, domain, path: '/' })));
}

test.each(shown)('%s has no barrier and fits, from left to right and from right to left', async path => {
  await keyhold.db('sessions').update({ login_ts: Math.floor(Date.now() / 1000) });
  const entry = DOORS[`GET ${path}`];
  const params: Readonly<Record<string, string>> = { ...entry?.named, ...(await entry?.params?.(owner)) };
  const url = keyhold.origin + path.replace(/:(\w+)/g, (_, name: string) => params[name] ?? '');
  for (const [person, language, direction] of [
    [narrow, 'ar', 'rtl'],
    [narrow, 'de', 'ltr'],
    [wide, 'fr', 'ltr'],
  ] as const) {
    await carry(person, language);
    const { page } = person;
    const answer = await page.goto(url);
    expect([answer?.status(), new URL(page.url()).pathname]).toEqual([200, new URL(url).pathname]);
    expect(await page.locator('html').getAttribute('dir')).toBe(direction);
    expect(await person.accessibilityProblems()).toEqual([]);
    expect(await page.evaluate('document.documentElement.scrollWidth - innerWidth')).toBeLessThanOrEqual(0);
    expect(person.complaints).toEqual([]);
  }
});
