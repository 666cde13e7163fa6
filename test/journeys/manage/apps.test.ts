import { afterAll, beforeAll, beforeEach, expect, test } from '@jest/globals';
import {
  changeConsent,
  findConsent,
  findWording,
  foldConsent,
  giveConsent,
  listConsentEvents,
} from '../../../src/domain/consents/consents.js';
import { listConnected } from '../../../src/journeys/manage/apps/listing.js';
import { openWork } from '../../../src/platform/storage/work.js';
import { accountToken } from '../../support/account-api.js';
import { until } from '../../support/jobs.js';
import { startKeyhold, type TestKeyhold } from '../../support/keyhold.js';
import { accountOf, recordedDuring } from '../../support/ledger.js';
import type { Person } from '../../support/person.js';
import { newMember } from '../../support/protocol.js';
import { openRelyingParty, type RelyingParty, type Tokens } from '../../support/relying-party.js';
import { csrfOf, wordingOn } from '../../support/steps.js';

// What each app may have: seen, changed claim by claim, ended on a day, and taken back.

const ADA = 'ada@example.test';
const DAY = 86_400_000;
const WRITES = 'account:consents:read account:consents:write';
const CLAIMS = JSON.stringify({ userinfo: { nickname: null, gender: null } });

let keyhold: TestKeyhold;
let house: RelyingParty;
let shop: RelyingParty;
let helper: RelyingParty;
let ada: Person;
let accountId: string;
let tokens: Tokens;

beforeAll(async () => {
  keyhold = await startKeyhold();
  house = await openRelyingParty(keyhold, { first_party: true, client_name: 'Photo Album' });
  helper = await openRelyingParty(keyhold, { client_name: 'Helper', scope: `openid ${WRITES}` });
  ada = await newMember(keyhold, house, ADA);
  accountId = await accountOf(keyhold.db, ADA);
  await put('nickname', 'Countess');
  await put('website', 'https://ada.example');
});

async function put(attribute: string, value: string): Promise<void> {
  await ada.goto(new URL(`/account/profile/change/${attribute}`, keyhold.origin));
  await post(`/account/profile/change/${attribute}`, { value });
}

beforeEach(async () => {
  await shop?.close();
  shop = await openRelyingParty(keyhold, { client_name: 'Shop' });
  await openWork(keyhold.db, { kind: 'person', id: accountId }, work =>
    giveConsent(work, {
      accountId,
      clientId: shop.clientId,
      scopes: ['openid', 'profile', 'offline_access'],
      claims: ['nickname'],
      refusedScopes: [],
      refusedClaims: ['gender'],
      notices: { naming: 1, presence: 1, comfort: 1, account: 1, age: 1 },
      language: 'en',
      method: 'consent_page',
    }),
  );
  await ada.goto(await shop.authorizationUrl({ scope: 'openid profile offline_access', claims: CLAIMS }));
  tokens = await shop.exchange();
});

afterAll(async () => {
  await Promise.all([house?.close(), shop?.close(), helper?.close()]);
  await keyhold?.close();
});

async function post(path: string, fields: Readonly<Record<string, string | readonly string[]>>) {
  const pairs = Object.entries(fields).flatMap(([name, value]) =>
    [value].flat().map(one => [name, String(one)] as [string, string]),
  );
  const body = new URLSearchParams([...pairs, ['csrf', csrfOf(ada)], ['for', accountId]]);
  const answer = await fetch(new URL(path, keyhold.origin), {
    method: 'POST',
    redirect: 'manual',
    headers: {
      cookie: await ada.jar.getCookieString(new URL(path, keyhold.origin).href),
      'content-type': 'application/x-www-form-urlencoded',
      'sec-fetch-site': 'same-origin',
    },
    body,
  });
  return { status: answer.status, location: answer.headers.get('location') };
}

const at = () => `/account/apps/${shop.clientId}`;
const open = (path: string = at()) => ada.goto(new URL(path, keyhold.origin));
const standing = () => findConsent(keyhold.db, accountId, shop.clientId);
const ledger = () => listConsentEvents(keyhold.db, accountId, { clientId: shop.clientId });

/** Everything stays ticked that was, but for these. */
async function untick(claims: readonly string[], more: Readonly<Record<string, string>> = {}) {
  const state = await standing();
  const ticked = [
    ...['locale', 'updated_at', 'name', 'given_name', 'middle_name', 'family_name', 'nickname'],
    ...['preferred_username', 'picture', 'profile', 'website', 'birthdate', 'zoneinfo', 'gender'],
  ];
  const allow = ticked.filter(claim => !claims.includes(claim));
  await open();
  return post(at(), { allow, seen: state?.id ?? '', ...wordingOn(ada), until: 'keep', ...more });
}

test('one claim that is unticked stops at once for a token that was given before, and the rest goes on', async () => {
  await open();
  expect(await shop.userInfo(tokens)).toMatchObject({ nickname: 'Countess', website: 'https://ada.example' });
  const events = await recordedDuring(keyhold.db, async () => {
    expect(await untick(['nickname', 'gender'])).toEqual({ status: 303, location: `${at()}?done=changed` });
  });
  expect(events.map(({ type }) => type)).toContain('consent.changed');
  const told = await shop.userInfo(tokens);
  expect(told).toMatchObject({ website: 'https://ada.example' });
  expect(told).not.toHaveProperty('nickname');
  const fresh = await shop.refresh(tokens.refresh_token ?? '');
  expect(await shop.userInfo(fresh)).not.toHaveProperty('nickname');
  const written = await ledger();
  expect(written.map(({ event, method, by }) => [event, method, by])).toEqual([
    ['given', 'consent_page', 'person'],
    ['changed', 'account', 'person'],
  ]);
  expect(written[1]).toMatchObject({ claims: [], refusedClaims: ['gender', 'nickname'], language: 'en' });
  const wording = await findWording(keyhold.db, written[1]?.wording ?? '');
  expect(wording).toContain('What you untick, the app does not get any more');
  expect(wording).not.toContain(ADA);
  expect(foldConsent(written)).toEqual(await standing());
  await until(async () => (await ada.newestMail(ADA, /^What Shop may see/)) !== undefined);
});

test('a claim of a scope is refused by itself, and allowed again it leaves after the next sign-in', async () => {
  await open();
  await untick(['website', 'gender']);
  expect(await shop.userInfo(tokens)).not.toHaveProperty('website');
  await untick(['gender']);
  await ada.goto(await shop.authorizationUrl({ scope: 'openid profile offline_access' }));
  expect(await shop.userInfo(await shop.exchange())).toMatchObject({ website: 'https://ada.example' });
  expect(foldConsent(await ledger())).toEqual(await standing());
});

test('an end is given, taken away again, and never one that nobody offered', async () => {
  await open();
  await untick(['gender'], { until: '30' });
  const until = (await standing())?.validUntil?.getTime() ?? 0;
  expect(Math.round((until - Date.now()) / DAY)).toBe(30);
  await untick(['gender'], { until: '31' });
  expect((await standing())?.validUntil?.getTime()).toBe(until);
  await untick(['gender'], { until: 'none' });
  expect((await standing())?.validUntil).toBeUndefined();
  expect(await ledger()).toHaveLength(3);
  expect(foldConsent(await ledger())).toEqual(await standing());
});

test('under words that were not shown nothing more is allowed and no end moved, and what is taken back is so without them', async () => {
  const other = { wording: '0'.repeat(64) };
  await untick(['gender', 'website'], other);
  expect((await ledger()).map(({ event, wording }) => [event, wording !== undefined])).toEqual([
    ['given', false],
    ['changed', false],
  ]);
  const now = await standing();
  for (const more of [{ claims: ['gender'] }, { claims: ['gender', 'website'], until: '30' }]) {
    const { claims, ...fields } = more;
    expect(await untick(claims, { ...fields, ...other })).toMatchObject({ location: `${at()}?done=other` });
  }
  expect(await standing()).toEqual(now);
});

test('where the terms let an answer last 60 days, no later end is offered or taken', async () => {
  const short = await openRelyingParty(keyhold, { client_name: 'Short', consent_lasts: '60 days' });
  const clientId = short.clientId;
  const nothing = { claims: [], refusedScopes: [], refusedClaims: [] };
  await openWork(keyhold.db, { kind: 'person', id: accountId }, work =>
    giveConsent(work, { accountId, clientId, ...nothing, scopes: ['openid', 'email'], language: 'en' }),
  );
  await open(`/account/apps/${clientId}`);
  expect(ada.page.text).toContain('30 days from now');
  expect(ada.page.text).not.toContain('90 days from now');
  const seen = (await findConsent(keyhold.db, accountId, clientId))?.id ?? '';
  for (const until of ['90', '365', 'none'])
    await post(`/account/apps/${clientId}`, {
      allow: ['email', 'email_verified'],
      seen,
      until,
      ...wordingOn(ada),
    });
  expect(await listConsentEvents(keyhold.db, accountId, { clientId })).toHaveLength(1);
  await short.close();
});

test('what was answered otherwise meanwhile, taken back, or nothing at all changes nothing', async () => {
  await open();
  const before = (await standing())?.id ?? '';
  await untick(['gender', 'website']);
  const now = await standing();
  const stale = { seen: before, allow: ['website'], refuse: [], language: 'en', method: 'account' };
  const written = await openWork(keyhold.db, { kind: 'person', id: accountId }, work =>
    changeConsent(work, { accountId, clientId: shop.clientId, ...stale }),
  );
  expect([written, await standing()]).toEqual([false, now]);
  expect(await post(at(), { allow: [], seen: before, until: '30' })).toMatchObject({
    location: `${at()}?done=other`,
  });
  expect(await untick(['gender', 'website'])).toMatchObject({ location: at() });
  expect(await standing()).toEqual(now);
  await post(`${at()}/remove`, {});
  const said = await ledger();
  expect(await post(at(), { allow: ['nickname'], seen: now?.id ?? '', until: '365' })).toMatchObject({
    location: `${at()}?done=gone`,
  });
  const late = { seen: now?.id ?? '', allow: ['nickname'], refuse: [], language: 'en', method: 'account' };
  const changed = await openWork(keyhold.db, { kind: 'person', id: accountId }, work =>
    changeConsent(work, { accountId, clientId: shop.clientId, ...late }),
  );
  expect([changed, await standing(), await ledger()]).toEqual([false, undefined, said]);
});

test('taking everything back says what happens, ends it, and leaves the answers with their receipts', async () => {
  await open(`${at()}/remove`);
  expect(ada.page.text).toContain('within five minutes');
  await ada.press('Take back everything');
  expect(ada.page.text).toContain('Everything is taken back.');
  expect(ada.page.text).toContain('This app may have nothing about you.');
  expect(ada.page.text).toContain('It was taken back');
  await expect(shop.refresh(tokens.refresh_token ?? '')).rejects.toMatchObject({ error: 'invalid_grant' });
  expect((await ledger()).map(({ event, method }) => [event, method])).toEqual([
    ['given', 'consent_page'],
    ['withdrawn', 'account'],
  ]);
});

test('the list says what each may see, proposes what was not used for half a year, and sets the house apart', async () => {
  const old = new Date(Date.now() - 181 * DAY);
  const clientId = 'app_long_ago';
  const row = {
    client_id: clientId,
    metadata: { client_name: 'Long ago' },
    created_at: old,
    updated_at: old,
  };
  await keyhold.db('clients').insert(row);
  const nothing = { claims: [], refusedScopes: [], refusedClaims: [] };
  await openWork(keyhold.db, { kind: 'person', id: accountId }, work =>
    giveConsent({ ...work, at: old }, { accountId, clientId, ...nothing, scopes: ['email'], language: 'en' }),
  );
  await open('/account/apps');
  expect(ada.page.text).toContain('Do you still use these?');
  expect(ada.page.text).toContain('Take back everything from Long ago');
  expect(ada.page.text).not.toContain('Take back everything from Shop');
  expect(ada.page.text).toContain('See your name and your profile');
  expect(ada.page.text).toContain('Photo Album');
  const token = await accountToken(keyhold, ada, helper, WRITES);
  const { apps, house: ours } = await ask('GET', '/api/me/apps', token);
  expect(apps).toEqual(
    expect.arrayContaining([
      expect.objectContaining({ client_id: clientId, unused: true, last_used: null, last_told: null }),
      expect.objectContaining({
        client_id: shop.clientId,
        unused: false,
        until: null,
        refused_claims: ['gender'],
        last_used: expect.any(String),
        last_told: expect.any(String),
      }),
    ]),
  );
  expect(ours).toEqual([expect.objectContaining({ name: 'Photo Album' })]);
  await keyhold.db('clients').where({ client_id: clientId }).delete();
});

async function ask(method: string, path: string, token: string, body?: object) {
  const answer = await fetch(new URL(path, keyhold.origin), {
    method,
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
    ...(body && { body: JSON.stringify(body) }),
  });
  const text = await answer.text();
  return { status: answer.status, ...(text === '' ? {} : JSON.parse(text)) };
}

test('an app takes back for its person, and never allows: no claim, no later end, nothing unknown', async () => {
  const token = await accountToken(keyhold, ada, helper, WRITES);
  const path = `/api/me/apps/${shop.clientId}`;
  const end = new Date(Date.now() + 10 * DAY).toISOString();
  expect(await ask('PATCH', path, token, { until: end, refuse: ['nickname'] })).toMatchObject({
    status: 200,
    claims: [],
    refused_claims: ['gender', 'nickname'],
    until: end,
  });
  expect(await shop.userInfo(tokens)).not.toHaveProperty('nickname');
  const now = await ledger();
  expect(now.at(-1)).toMatchObject({ event: 'changed', by: 'client', method: 'api' });
  for (const [body, status, code] of [
    [{ until: new Date(Date.now() + 11 * DAY).toISOString() }, 400, 'end_refused'],
    [{ until: new Date(Date.now() - DAY).toISOString() }, 400, 'end_refused'],
    [{ until: null }, 400, 'invalid_input'],
    [{ allow: ['nickname'] }, 400, 'invalid_input'],
    [{ refuse: ['email'] }, 400, 'claim_unknown'],
    [{}, 400, 'invalid_input'],
  ] as const)
    expect(await ask('PATCH', path, token, body)).toMatchObject({ status, code });
  expect(await ledger()).toEqual(now);
  expect(await ask('GET', path, token)).toMatchObject({
    answers: [{ event: 'changed' }, { event: 'given' }],
  });
  expect((await ask('DELETE', path, token)).status).toBe(204);
  expect((await ask('DELETE', path, token)).status).toBe(404);
  expect(await standing()).toBeUndefined();
});

test('however many apps there are, each stands on one page, in order, and the app that asks gets the same', async () => {
  const many = Array.from({ length: 53 }, (_, at) => `app_many_${String(at).padStart(2, '0')}`);
  const created_at = new Date();
  await keyhold.db('clients').insert(
    many.map((client_id, at) => ({
      client_id,
      metadata: { client_name: `Many ${at % 3}` },
      created_at,
      updated_at: created_at,
    })),
  );
  for (const clientId of many)
    await openWork(keyhold.db, { kind: 'person', id: accountId }, work =>
      giveConsent(work, {
        accountId,
        clientId,
        scopes: ['openid'],
        claims: [],
        refusedScopes: [],
        refusedClaims: [],
        language: 'en',
      }),
    );
  const seen: string[] = [];
  let after: string | undefined;
  do {
    const page = await listConnected(keyhold, accountId, { after, limit: 20 });
    expect(page.apps.length).toBeLessThanOrEqual(20);
    seen.push(...page.apps.map(({ clientId }) => clientId));
    after = page.next;
  } while (after !== undefined);
  const all = await listConnected(keyhold, accountId, { limit: 500 });
  expect(seen).toEqual(all.apps.map(({ clientId }) => clientId));
  expect(new Set(seen).size).toBe(seen.length);
  expect(seen).toEqual(expect.arrayContaining(many));
  await keyhold.db('consents').where('client_id', 'like', 'app_many_%').delete();
  await keyhold.db('clients').where('client_id', 'like', 'app_many_%').delete();
});
