import { afterAll, beforeAll, beforeEach, expect, test } from '@jest/globals';
import { decodeJwt } from 'jose';
import * as openid from 'openid-client';
import { restrictAccount } from '../../src/domain/accounts/accounts.js';
import {
  changeConsent,
  findConsent,
  foldConsent,
  listConsentEvents,
} from '../../src/domain/consents/consents.js';
import { registerResourceServer } from '../../src/domain/resources/resources.js';
import { openWork } from '../../src/platform/storage/work.js';
import { personAt, signIn } from '../support/journeys.js';
import { startKeyhold, type TestKeyhold, unchecked } from '../support/keyhold.js';
import { accountOf } from '../support/ledger.js';
import type { Person } from '../support/person.js';
import { rowCounts } from '../support/protocol.js';
import { openRelyingParty, type RelyingParty, type Tokens } from '../support/relying-party.js';
import { memberOf } from '../support/steps.js';

// What data may be used for, asked by apps as rich authorization requests (RFC 9396) of the type `data_use`.

const ADA = 'ada@example.test';
const API = 'https://api.example.test/offers';
const DECLARED = {
  client_name: 'Shop',
  scope: 'openid email offers:read',
  purposes: ['account', 'comfort', 'presence', 'messages'],
  authorization_details_types: ['data_use'],
};

let keyhold: TestKeyhold;
let door: RelyingParty;
let house: RelyingParty;
let shop: RelyingParty;
let ada: Person;
let accountId: string;

beforeAll(async () => {
  keyhold = await startKeyhold();
  await openWork(keyhold.db, { kind: 'operator' }, work =>
    registerResourceServer(work, {
      identifier: API,
      name: 'Offers',
      scopes: ['offers:read'],
      signing_alg: 'ES256',
    }),
  );
  house = await openRelyingParty(keyhold, { first_party: true, ...DECLARED, client_name: 'House' });
  door = await openRelyingParty(keyhold, { first_party: true });
  await memberOf(keyhold, door, ADA);
  accountId = await accountOf(keyhold.db, ADA);
});

beforeEach(async () => {
  await shop?.close();
  shop = await openRelyingParty(keyhold, DECLARED);
  ada = personAt(keyhold);
  await ada.goto(await house.authorizationUrl({ scope: 'openid email' }));
  await signIn(ada, ADA);
});

afterAll(async () => {
  await Promise.all([shop?.close(), house?.close(), door?.close()]);
  await keyhold?.close();
});

const uses = (...purposes: readonly string[]) => JSON.stringify([{ type: 'data_use', purposes }]);
const asking = (details: string, more: Readonly<Record<string, string>> = {}, app = shop) =>
  app.authorizationUrl({ scope: 'openid email', authorization_details: details, ...more });
const detailsOf = (tokens: Tokens | openid.IntrospectionResponse) => tokens['authorization_details'];
const only = (...purposes: readonly string[]) => [{ type: 'data_use', purposes }];
const offeredUses = () => ada.page.labels.filter(label => label.startsWith('Use your data for'));
const consent = async () => {
  const state = await findConsent(keyhold.db, accountId, shop.clientId);
  if (!state) throw new Error('there is no consent');
  return state;
};

async function refused(purpose: string): Promise<void> {
  await ada.goto(await asking(uses(purpose)));
  await ada.press('Allow');
  await shop.exchange();
}

test('each purpose is told with its notice and refused by itself; only what was allowed comes back, and is on record', async () => {
  await ada.goto(await asking(uses('comfort', 'presence', 'account')));
  const offered = offeredUses();
  expect(offered).toHaveLength(2);
  expect(ada.page.text).toContain('Use your data for: Running your account');
  ada.tick(offered[1] ?? '');
  await ada.press('Allow');
  const tokens = await shop.exchange();
  const state = await consent();
  const [yes] = state.uses.filter(use => use !== 'account');
  expect([state.uses.length, state.refusedUses.length]).toEqual([2, 1]);
  expect(detailsOf(tokens)).toEqual([
    { type: 'data_use', purposes: expect.arrayContaining(['account', yes]) },
  ]);
  expect(detailsOf(await shop.introspect(tokens.access_token))).toEqual(detailsOf(tokens));
  expect(await shop.userInfo(tokens)).toMatchObject({ email: ADA });
  const events = await listConsentEvents(keyhold.db, accountId, { clientId: shop.clientId });
  expect(foldConsent(events)).toEqual(state);
  expect(Object.keys(state.notices)).toEqual(expect.arrayContaining(['comfort', 'presence']));
});

test('what was answered is not asked again, also where it was refused; something else is', async () => {
  await refused('comfort');
  await ada.goto(await asking(uses('comfort'), { prompt: 'none' }));
  expect(detailsOf(await shop.exchange())).toBeUndefined();
  await ada.goto(await asking(uses('comfort', 'presence'), { prompt: 'none' }));
  expect(ada.page.url.searchParams.get('error')).toBe('consent_required');
  const { searchParams } = await asking(uses('account', 'comfort'), { prompt: 'none' });
  await ada.goto(await openid.buildAuthorizationUrlWithPAR(shop.configuration, searchParams));
  expect(ada.page.url.searchParams.get('error')).toBe('consent_required');
  await ada.goto(await asking(uses('comfort', 'presence')));
  expect(offeredUses()).toHaveLength(1);
});

test('a pushed request for an API brings them in its JWT access token, and a token may be had for less', async () => {
  const parameters = Object.fromEntries(
    (await asking(uses('account', 'comfort'), { resource: API, scope: 'openid offers:read' })).searchParams,
  );
  const url = await openid.buildAuthorizationUrlWithPAR(shop.configuration, parameters);
  await ada.goto(url);
  ada.tick(offeredUses()[0] ?? '');
  await ada.press('Allow');
  const tokens = await shop.exchange();
  const payload = decodeJwt(tokens.access_token);
  expect(payload['authorization_details']).toEqual(only('account', 'comfort'));
  const less = await openid.refreshTokenGrant(shop.configuration, tokens.refresh_token ?? '', {
    resource: API,
    authorization_details: uses('comfort'),
  });
  expect(detailsOf(less)).toEqual(only('comfort'));
  await expect(
    openid.refreshTokenGrant(shop.configuration, less.refresh_token ?? '', {
      resource: API,
      authorization_details: uses('presence'),
    }),
  ).rejects.toMatchObject({ error: 'invalid_authorization_details' });
});

test('the next refresh, and introspection at once, are without what was taken back, restricted or reworded', async () => {
  await ada.goto(await asking(uses('comfort', 'presence')));
  for (const label of offeredUses()) ada.tick(label);
  await ada.press('Allow');
  const tokens = await shop.exchange();
  expect(detailsOf(tokens)).toEqual(only('comfort', 'presence'));
  const { id: seen } = await consent();
  const said = { seen, allow: [], refuse: [], refuseUses: ['comfort'], language: 'en', method: 'account' };
  await openWork(keyhold.db, { kind: 'person', id: accountId }, work =>
    changeConsent(work, { accountId, clientId: shop.clientId, ...said }),
  );
  expect(detailsOf(await shop.introspect(tokens.access_token))).toEqual(only('presence'));
  const next = await shop.refresh(tokens.refresh_token ?? '');
  expect(detailsOf(next)).toEqual(only('presence'));
  const restrict = (restriction: Parameters<typeof restrictAccount>[2]) =>
    openWork(keyhold.db, { kind: 'operator' }, work => restrictAccount(work, accountId, restriction));
  await restrict({ all: false, purposes: ['presence'], attributes: [] });
  expect(detailsOf(await shop.introspect(next.access_token))).toBeUndefined();
  await restrict(undefined);
  expect(detailsOf(await shop.introspect(next.access_token))).toEqual(only('presence'));
  const from = (to: number) => keyhold.db('purposes').where('id', 'presence').update({ counts_from: to });
  const [{ counts_from: before }] = await keyhold
    .db('purposes')
    .where('id', 'presence')
    .select('counts_from');
  await from(before + 1);
  const after = await shop.refresh(next.refresh_token ?? '');
  expect(detailsOf(after)).toBeUndefined();
  await ada.goto(await asking(uses('presence'), { prompt: 'none' }));
  expect(ada.page.url.searchParams.get('error')).toBe('consent_required');
  await from(before);
});

test('what is no question, or none that this app may ask, is refused and leaves nothing', async () => {
  const stranger = await openRelyingParty(unchecked(keyhold), DECLARED);
  const silent = await openRelyingParty(keyhold, { ...DECLARED, authorization_details_types: [] });
  const before = await rowCounts(keyhold.db);
  for (const [details, app] of [
    ['{', shop],
    ['{"type":"data_use","purposes":["comfort"]}', shop],
    ['[{"type":"other"}]', shop],
    ['[{"type":"data_use"}]', shop],
    ['[{"type":"data_use","purposes":[]}]', shop],
    ['[{"type":"data_use","purposes":["comfort"],"more":1}]', shop],
    [uses('age'), shop],
    [uses('nothing'), shop],
    [JSON.stringify(Array.from({ length: 200 }, () => ({ type: 'data_use', purposes: ['comfort'] }))), shop],
    [uses('comfort'), stranger],
    [uses('comfort'), silent],
  ] as const) {
    await ada.goto(await asking(details, {}, app));
    expect([details, ada.page.url.searchParams.get('error')]).toEqual([
      details,
      'invalid_authorization_details',
    ]);
  }
  expect(await rowCounts(keyhold.db)).toEqual(before);
  await Promise.all([stranger.close(), silent.close()]);
});

test('an app of the house is given what rests on anything but consent, and asks for the rest', async () => {
  await ada.goto(await asking(uses('account'), {}, house));
  expect(detailsOf(await house.exchange())).toEqual(only('account'));
  await ada.goto(await asking(uses('account', 'comfort'), {}, house));
  ada.tick(offeredUses()[0] ?? '');
  await ada.press('Allow');
  expect(detailsOf(await house.exchange())).toEqual(only('account', 'comfort'));
});

test('a device asks for them too', async () => {
  const device_grant = 'urn:ietf:params:oauth:grant-type:device_code';
  const tv = await openRelyingParty(keyhold, {
    ...DECLARED,
    grant_types: [device_grant, 'authorization_code'],
  });
  const device = await openid.initiateDeviceAuthorization(tv.configuration, {
    scope: 'openid email',
    authorization_details: uses('account', 'comfort'),
  });
  await ada.goto(device.verification_uri_complete ?? '');
  await ada.press('Continue');
  await ada.press('Yes, this is my device');
  ada.tick(offeredUses()[0] ?? '');
  await ada.press('Allow');
  const tokens = await openid.pollDeviceAuthorizationGrant(tv.configuration, { ...device, interval: 0.01 });
  expect(detailsOf(tokens)).toEqual(only('account', 'comfort'));
  await tv.close();
});

test('asking costs no statement more, and discovery names the type', async () => {
  await refused('comfort');
  const trips = async (url: URL) => (await keyhold.trips.during(() => ada.goto(url))).length;
  const rich = await trips(await asking(uses('comfort')));
  expect(rich).toBe(await trips(await shop.authorizationUrl({ scope: 'openid email' })));
  expect(shop.configuration.serverMetadata()['authorization_details_types_supported']).toEqual(['data_use']);
});

test('taken back on the page of the app, it is off the record of what may be done', async () => {
  await ada.goto(await asking(uses('comfort')));
  ada.tick(offeredUses()[0] ?? '');
  await ada.press('Allow');
  const tokens = await shop.exchange();
  await ada.goto(`${keyhold.origin}/account/apps/${shop.clientId}`);
  ada.untick(ada.page.labels.at(-2) ?? '');
  await ada.press('Save');
  expect(await consent()).toMatchObject({ uses: [], refusedUses: ['comfort'] });
  expect(detailsOf(await shop.refresh(tokens.refresh_token ?? ''))).toBeUndefined();
});
