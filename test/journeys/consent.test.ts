import { afterAll, beforeAll, beforeEach, expect, test } from '@jest/globals';
import { listConsentEvents } from '../../src/domain/consents/consents.js';
import { standardSchema } from '../../src/domain/profiles/profiles.js';
import { asksOf } from '../../src/journeys/consent/asks.js';
import { personAt, signIn } from '../support/journeys.js';
import { startKeyhold, type TestKeyhold } from '../support/keyhold.js';
import { accountOf, peopleOnRecord, recordedDuring } from '../support/ledger.js';
import type { Person } from '../support/person.js';
import { openRelyingParty, type RelyingParty } from '../support/relying-party.js';
import { csrfOf, memberOf, postStep, requestPath, wordingOn } from '../support/steps.js';

let keyhold: TestKeyhold;
let house: RelyingParty;
let album: RelyingParty;
let ada: Person;
const ADA = 'ada@example.test';
const CLAIMS = JSON.stringify({
  userinfo: {
    birthdate: { essential: true },
    gender: null,
    nickname: { essential: false },
    nonsense: { essential: true },
    sub: null,
  },
  id_token: { auth_time: { essential: true }, nickname: null },
});

beforeAll(async () => {
  keyhold = await startKeyhold();
  house = await openRelyingParty(keyhold, { first_party: true });
  await memberOf(keyhold, house, ADA);
});

beforeEach(async () => {
  await album?.close();
  album = await openRelyingParty(keyhold, {
    client_name: 'Photo Album',
    policy_uri: 'https://album.example/privacy',
  });
  ada = personAt(keyhold);
  await ada.goto(await house.authorizationUrl());
  await signIn(ada, ADA);
});

afterAll(async () => {
  await Promise.all([album?.close(), house?.close()]);
  await keyhold?.close();
});

const consent = async () =>
  keyhold
    .db('consents')
    .where({ account_id: await accountOf(keyhold.db, ADA), client_id: album.clientId })
    .first('scopes', 'claims', 'refused_claims', 'language');

test('each scope and claim has a line of its own; what is optional is not ticked; what nobody knows is not asked', async () => {
  await ada.goto(await album.authorizationUrl({ claims: CLAIMS }));
  expect(ada.page.heading).toBe('Allow access?');
  const lines = [
    'See your name and your profile',
    'See your email address',
    'See your date of birth',
    'Photo Album',
    ADA,
  ];
  for (const line of lines) expect(ada.page.text).toContain(line);
  expect(ada.page.labels).toEqual(['See your gender', 'See your nickname']);
  expect(ada.page.html).not.toContain('checked');
  expect(ada.page.html).not.toContain('nonsense');
  expect(ada.page.text).toContain(`You will go to ${new URL(album.redirectUri).host}`);
});

test('refusing what is optional blocks nothing, and the choice is remembered', async () => {
  await ada.goto(await album.authorizationUrl({ claims: CLAIMS }));
  ada.tick('See your gender');
  const events = await recordedDuring(keyhold.db, () => ada.press('Allow'));
  for (const asked of ['Gender', 'Date of birth']) {
    expect(ada.page.heading).toBe(asked);
    await ada.press('Skip');
  }
  expect(ada.page.heading).toBe('Back in the app');
  const { scopes, claims, refused_claims, language } = (await consent()) ?? {};
  expect([...scopes].sort()).toEqual(['email', 'openid', 'profile']);
  expect([[...claims].sort(), refused_claims, language]).toEqual([
    ['birthdate', 'gender'],
    ['nickname'],
    'en',
  ]);
  expect(events.filter(event => event.type === 'consent.given')).toHaveLength(1);
  await ada.goto(await album.authorizationUrl({ claims: CLAIMS }));
  expect(ada.page.heading).toBe('Back in the app');
  await ada.goto(await album.authorizationUrl({ claims: JSON.stringify({ userinfo: { zoneinfo: null } }) }));
  expect(ada.page.labels).toEqual(['See your time zone']);
});

test('asked again by the app, everything stands there again', async () => {
  await ada.goto(await album.authorizationUrl());
  await ada.press('Allow');
  await ada.goto(await album.authorizationUrl({ prompt: 'consent', claims: CLAIMS }));
  expect(ada.page.heading).toBe('Allow access?');
  expect(ada.page.text).toContain('See your email address');
  expect(ada.page.labels).toEqual(['See your gender', 'See your nickname']);
});

test('"Don\'t allow" tells the app access_denied, is on record, and leaves no consent', async () => {
  await ada.goto(await album.authorizationUrl());
  const before = await peopleOnRecord(keyhold.db);
  const events = await recordedDuring(keyhold.db, () => ada.press("Don't allow"));
  expect(ada.page.heading).toBe('Refused: access_denied');
  expect(ada.page.url.searchParams.get('iss')).toBe(keyhold.issuer);
  expect(events.map(event => event.type)).toEqual(['consent.refused']);
  expect(await peopleOnRecord(keyhold.db)).toBe(before);
});

test('a no is as easy as a yes, and has the words on record that were shown, and no others', async () => {
  const refused = async () => {
    const events = await listConsentEvents(keyhold.db, await accountOf(keyhold.db, ADA), {
      clientId: album.clientId,
    });
    return events.map(({ event, wording, notices }) => [event, wording, Object.keys(notices).length > 0]);
  };
  await ada.goto(await album.authorizationUrl());
  expect(ada.page.html).not.toContain('primary-action');
  const { wording } = wordingOn(ada);
  await ada.press("Don't allow");
  expect(await refused()).toEqual([['refused', wording, true]]);
  await ada.goto(await album.authorizationUrl());
  await postStep(ada, '/deny', { wording: '0'.repeat(64) });
  expect(ada.page.heading).toBe('Refused: access_denied');
  expect(await refused()).toEqual([
    ['refused', wording, true],
    ['refused', undefined, false],
  ]);
});

test('C40, C49: a form can allow no more than the page asked', async () => {
  await ada.goto(
    await album.authorizationUrl({ scope: 'openid', claims: JSON.stringify({ userinfo: { gender: null } }) }),
  );
  await postStep(ada, '/consent', {
    allow: 'claim:phone_number',
    scopes: 'offline_access email',
    claims: 'birthdate',
    accountId: '00000000-0000-0000-0000-000000000000',
    __proto__: 'x',
    constructor: 'x',
  });
  expect(ada.page.heading).toBe('Back in the app');
  expect(await consent()).toEqual({
    scopes: ['openid'],
    claims: [],
    refused_claims: ['gender'],
    language: 'en',
  });
});

test('a second "Allow" finds the request finished, and changes nothing', async () => {
  await ada.goto(await album.authorizationUrl());
  const url = new URL(`${requestPath(ada)}/consent`, keyhold.origin);
  const csrf = csrfOf(ada);
  await ada.press('Allow');
  const before = await peopleOnRecord(keyhold.db);
  await ada.goto(keyhold.origin);
  const page = await ada.post(url, { csrf });
  expect([page.status, page.heading]).toEqual([409, 'This step is already done']);
  expect(await peopleOnRecord(keyhold.db)).toBe(before);
});

const prompt = (details: Readonly<Record<string, unknown>>, reasons: readonly string[] = []) => ({
  prompt: { name: 'consent', reasons, details },
  params: {},
});

test.each([
  ['nothing', prompt({}), { scopes: [], required: [], optional: [], resources: {} }],
  [
    'each scope, also that it may know who comes back',
    prompt({ missingOIDCScope: ['openid', 'email'] }),
    { scopes: ['openid', 'email'], required: [], optional: [], resources: {} },
  ],
  [
    'scopes of an API apart',
    prompt({
      missingOIDCScope: ['email', 'read'],
      missingResourceScopes: { 'https://api.example': ['read'] },
    }),
    { scopes: ['email'], required: [], optional: [], resources: { 'https://api.example': ['read'] } },
  ],
  [
    'a claim essential in one place is essential',
    {
      ...prompt({ missingOIDCClaims: ['email', 'name', 'acr', '__proto__'] }),
      params: { claims: '{"userinfo":{"email":null,"name":null},"id_token":{"email":{"essential":true}}}' },
    },
    { scopes: [], required: ['email'], optional: ['name'], resources: {} },
  ],
])('the page asks for %s', (_name, pending, wanted) => {
  expect(asksOf(pending, standardSchema().schema)).toEqual(wanted);
});
