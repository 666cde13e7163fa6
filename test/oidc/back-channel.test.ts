import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from '@jest/globals';
import { createRemoteJWKSet, decodeJwt, jwtVerify } from 'jose';
import { endSession, listSessions } from '../../src/oidc/session.js';
import { openWork } from '../../src/platform/storage/work.js';
import { hasten, jobsLeft, until } from '../support/jobs.js';
import { signIn } from '../support/journeys.js';
import { startKeyhold, type TestKeyhold } from '../support/keyhold.js';
import type { Person } from '../support/person.js';
import { eventsOf, memberAgain, newMember } from '../support/protocol.js';
import { openRelyingParty, type RelyingParty, type Tokens } from '../support/relying-party.js';

const ADA = 'ada@example.test';
const LOGOUT_EVENT = 'http://schemas.openid.net/event/backchannel-logout';

let keyhold: TestKeyhold;
let house: RelyingParty;
let shop: RelyingParty;
let ada: Person;
let accountId: string;
let atHouse: Tokens;
let atShop: Tokens;

beforeAll(async () => {
  keyhold = await startKeyhold({ LOG_LEVEL: 'silent' });
  const first = await openRelyingParty(keyhold, { first_party: true });
  await newMember(keyhold, first, ADA);
  accountId = (await first.exchange()).claims()?.sub ?? '';
  await first.close();
});

afterAll(() => keyhold?.close());

beforeEach(async () => {
  await keyhold.db('sessions').delete();
  house = await openRelyingParty(keyhold, { first_party: true, id_token_signed_response_alg: 'ES256' });
  shop = await openRelyingParty(keyhold, { first_party: true, subject_type: 'pairwise' });
  ada = await memberAgain(keyhold, house, ADA);
  atHouse = await house.exchange();
  await ada.goto(await shop.authorizationUrl());
  atShop = await shop.exchange();
});

afterEach(async () => {
  await toldApps();
  await Promise.all([house?.close(), shop?.close()]);
});

const toldApps = () => until(async () => (await jobsLeft(keyhold.db, 'backchannel-logout')) === 0);

async function signOut(): Promise<void> {
  await ada.goto(house.endSessionUrl({ id_token_hint: atHouse.id_token ?? '' }));
  await ada.press('Sign out');
  expect(ada.page.heading).toBe('You are signed out');
}

async function endOnlySession(): Promise<boolean> {
  const [session] = await listSessions(keyhold.db, accountId);
  return openWork(keyhold.db, { kind: 'operator' }, work => endSession(work, session?.uid ?? '', 'operator'));
}

async function expectLogoutToken(token: string, app: RelyingParty, tokens: Tokens): Promise<void> {
  const keys = createRemoteJWKSet(new URL(`${keyhold.issuer}/jwks`));
  const alg = app === house ? 'ES256' : 'RS256';
  const { payload, protectedHeader } = await jwtVerify(token, keys, {
    issuer: keyhold.issuer,
    audience: app.clientId,
    typ: 'logout+jwt',
    algorithms: [alg],
  });
  expect(protectedHeader.kid).toEqual(expect.any(String));
  const { iat = 0, exp = 0, jti, ...rest } = payload;
  expect(rest).toEqual({
    iss: keyhold.issuer,
    aud: app.clientId,
    sub: tokens.claims()?.sub,
    sid: tokens.claims()?.sid,
    events: { [LOGOUT_EVENT]: {} },
  });
  expect(exp - iat).toBeLessThanOrEqual(120);
  expect(String(jti).length).toBeGreaterThanOrEqual(21);
}

test('each app of a session is told once, of whom it knows, and with a token that lives two minutes', async () => {
  await signOut();
  await expectLogoutToken(await house.nextLogoutToken(), house, atHouse);
  await expectLogoutToken(await shop.nextLogoutToken(), shop, atShop);
  await toldApps();
  expect([house.logoutTokens.length, shop.logoutTokens.length]).toEqual([1, 1]);
});

test('an app that fails is told again, with a token of its own each time, and the person does not wait', async () => {
  house.answerLogoutWith(500);
  await signOut();
  const first = decodeJwt(await house.nextLogoutToken());
  house.answerLogoutWith(200);
  await until(async () => {
    await hasten(keyhold.db);
    return house.logoutTokens.length > 1;
  });
  const second = await house.nextLogoutToken();
  await expectLogoutToken(second, house, atHouse);
  expect(decodeJwt(second).jti).not.toBe(first.jti);
  await toldApps();
  expect([house.logoutTokens.length, shop.logoutTokens.length]).toEqual([2, 1]);
});

test('"Stay signed in" tells the app that asked and no other', async () => {
  await ada.goto(house.endSessionUrl({ id_token_hint: atHouse.id_token ?? '' }));
  await ada.press('Stay signed in');
  await expectLogoutToken(await house.nextLogoutToken(), house, atHouse);
  await toldApps();
  expect(shop.logoutTokens).toEqual([]);
});

test('signing out on the start page tells every app', async () => {
  await ada.goto(`${keyhold.origin}/sign-out`);
  await ada.press('Sign out');
  await expectLogoutToken(await house.nextLogoutToken(), house, atHouse);
  await expectLogoutToken(await shop.nextLogoutToken(), shop, atShop);
});

test('the verb ends session, tokens and grants and tells every app; a second time there is nothing to end', async () => {
  const [session] = await listSessions(keyhold.db, accountId);
  expect(await endOnlySession()).toBe(true);
  await expectLogoutToken(await house.nextLogoutToken(), house, atHouse);
  await expectLogoutToken(await shop.nextLogoutToken(), shop, atShop);
  expect((await house.introspect(atHouse.access_token)).active).toBe(false);
  await ada.goto(await house.authorizationUrl({ prompt: 'none' }));
  expect(ada.page.url.searchParams.get('error')).toBe('login_required');
  expect((await eventsOf(keyhold.db, 'session.ended')).at(-1)).toMatchObject({
    account_id: accountId,
    detail: { session: session?.uid, reason: 'operator' },
  });
  const again = await openWork(keyhold.db, { kind: 'operator' }, work =>
    endSession(work, session?.uid ?? '', 'operator'),
  );
  expect(again).toBe(false);
  await toldApps();
  expect(house.logoutTokens).toHaveLength(1);
});

test('offline_access outlives a plain sign-out and nothing else; what hangs on the session does not', async () => {
  const askOffline = async (person: Person) => {
    await person.goto(await shop.authorizationUrl({ scope: 'openid offline_access', prompt: 'consent' }));
    await person.press('Allow');
    return shop.exchange();
  };
  const offline = await askOffline(ada);
  await signOut();
  expect((await house.introspect(atHouse.access_token)).active).toBe(false);
  await expect(house.refresh(atHouse.refresh_token ?? '')).rejects.toMatchObject({ error: 'invalid_grant' });
  await expect(shop.refresh(atShop.refresh_token ?? '')).rejects.toMatchObject({ error: 'invalid_grant' });
  const refreshed = await shop.refresh(offline.refresh_token ?? '');
  expect((await shop.introspect(refreshed.access_token)).active).toBe(true);

  await ada.goto(await shop.authorizationUrl());
  await signIn(ada, ADA);
  const second = await askOffline(ada);
  expect(await endOnlySession()).toBe(true);
  await expect(shop.refresh(second.refresh_token ?? '')).rejects.toMatchObject({ error: 'invalid_grant' });
});
