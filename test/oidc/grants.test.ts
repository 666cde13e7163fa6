import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { startKeyhold, type TestKeyhold } from '../support/keyhold.js';
import type { Person } from '../support/person.js';
import { newMember } from '../support/protocol.js';
import { openRelyingParty, type RelyingParty } from '../support/relying-party.js';

let keyhold: TestKeyhold;
let house: RelyingParty;
let shop: RelyingParty;
let ada: Person;

beforeAll(async () => {
  keyhold = await startKeyhold();
  house = await openRelyingParty(keyhold, { first_party: true });
  shop = await openRelyingParty(keyhold);
  ada = await newMember(keyhold, house, 'ada@example.test');
});

afterAll(async () => {
  await Promise.all([house?.close(), shop?.close()]);
  await keyhold?.close();
});

async function tokensFor(app: RelyingParty, scope: string) {
  await ada.goto(await app.authorizationUrl({ scope }));
  if (ada.page.buttons.includes('Allow')) await ada.press('Allow');
  return app.exchange();
}

test.each([
  ['of the house', () => house],
  ['of somebody else', () => shop],
])('an app %s that asks for less, or for more, keeps the tokens of its session', async (_whose, appOf) => {
  const app = appOf();
  const first = await tokensFor(app, 'openid email');
  const less = await tokensFor(app, 'openid');
  const more = await tokensFor(app, 'openid email phone');
  expect((await app.userInfo(first)).email).toBe('ada@example.test');
  expect((await app.userInfo(less)).email).toBeUndefined();
  expect((await app.introspect(more.access_token)).scope).toBe('openid email phone');
  const refreshed = await app.refresh(first.refresh_token ?? '');
  expect(refreshed.scope).toBe('openid email');
});

test('where less is allowed than before, what the app held ends', async () => {
  const before = await tokensFor(shop, 'openid email');
  await keyhold.db('consents').update({ scopes: ['openid'], refused_scopes: ['email', 'phone'] });
  await tokensFor(shop, 'openid email');
  expect((await shop.introspect(before.access_token)).active).toBe(false);
});

test('what was narrowed since is narrowed in tokens that were given before, and what was not goes on', async () => {
  const club = await openRelyingParty(keyhold);
  const before = await tokensFor(club, 'openid email phone');
  expect((await club.introspect(before.access_token)).scope).toBe('openid email phone');
  await keyhold
    .db('consents')
    .where({ client_id: club.clientId })
    .update({ scopes: ['openid', 'phone'] });
  expect(await club.introspect(before.access_token)).toMatchObject({ active: true, scope: 'openid phone' });
  expect((await club.userInfo(before)).email).toBeUndefined();
  const refreshed = await club.refresh(before.refresh_token ?? '');
  expect(refreshed.scope).toBe('openid phone');
  await keyhold.db('consents').where({ client_id: club.clientId }).delete();
  expect((await club.introspect(refreshed.access_token)).active).toBe(false);
  await club.close();
});
