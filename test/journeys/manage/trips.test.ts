import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { ACCOUNT_PAGES } from '../../../src/journeys/manage/routes.js';
import { accountToken } from '../../support/account-api.js';
import { DOORS, type Owner } from '../../support/door-table.js';
import { startKeyhold, type TestKeyhold } from '../../support/keyhold.js';
import { accountOf } from '../../support/ledger.js';
import { EVERY_SCOPE, openOwner } from '../../support/owner.js';
import type { Person } from '../../support/person.js';
import { newMember } from '../../support/protocol.js';
import { openRelyingParty, type RelyingParty } from '../../support/relying-party.js';
import { csrfOf } from '../../support/steps.js';

let keyhold: TestKeyhold;
let app: RelyingParty;
let ada: Person;
let owner: Owner;

const SCOPE = 'account:overview:read';

beforeAll(async () => {
  keyhold = await startKeyhold();
  app = await openRelyingParty(keyhold, { scope: `openid profile email ${EVERY_SCOPE}` });
  ada = await newMember(keyhold, app, 'ada@example.test');
  const accountId = await accountOf(keyhold.db, 'ada@example.test');
  await ada.goto(new URL('/account', keyhold.origin));
  owner = openOwner({ keyhold, app, person: ada, accountId, csrf: csrfOf(ada) });
});

afterAll(async () => {
  await app?.close();
  await keyhold?.close();
});

const shown = ACCOUNT_PAGES.filter(({ method, path }) => {
  const entry = DOORS[`GET ${path}`];
  return method === 'GET' && entry?.owner === 200 && !entry.file;
});

/* What was skipped on the way to an app is read beside the profile, at the same time; which accounts a history is of before it. */
const MORE: Readonly<Record<string, number>> = { '/account/profile': 1, '/account/history': 1 };

test.each(shown)('$path takes three round trips at most beyond the look who is here', async ({ path }) => {
  const entry = DOORS[`GET ${path}`];
  const params: Readonly<Record<string, string>> = { ...entry?.named, ...(await entry?.params?.(owner)) };
  const url = new URL(
    path.replace(/:(\w+)/g, (_, name: string) => params[name] ?? ''),
    keyhold.origin,
  );
  const trips = await keyhold.trips.during(() => ada.goto(url));
  expect(ada.page.status).toBe(200);
  expect({ path, trips }).toEqual({ path, trips: trips.slice(0, 1 + 3 + (MORE[path] ?? 0)) });
});

test('an operation takes one round trip for the token, and its own', async () => {
  const token = await accountToken(keyhold, ada, app, SCOPE);
  const ask = () =>
    fetch(new URL('/api/me', keyhold.origin), { headers: { authorization: `Bearer ${token}` } }).then(
      answer => answer.text(),
    );
  await ask();
  expect(await keyhold.trips.during(ask)).toHaveLength(1 + 2);
});
