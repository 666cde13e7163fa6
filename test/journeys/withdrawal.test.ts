import { afterAll, beforeAll, beforeEach, expect, test } from '@jest/globals';
import { runConsents } from '../../src/consent-commands.js';
import { listConsentEvents } from '../../src/domain/consents/consents.js';
import { expireConsents, withdrawFromApp } from '../../src/journeys/consent/withdraw.js';
import { openWork } from '../../src/platform/storage/work.js';
import { until } from '../support/jobs.js';
import { startKeyhold, type TestKeyhold } from '../support/keyhold.js';
import { accountOf, recordedDuring } from '../support/ledger.js';
import type { Person } from '../support/person.js';
import { bringCode, memberAgain, newMember } from '../support/protocol.js';
import { openRawClient } from '../support/raw-client.js';
import { openRelyingParty, type RelyingParty, type Tokens } from '../support/relying-party.js';

const ADA = 'ada@example.test';
let keyhold: TestKeyhold;
let house: RelyingParty;
let shop: RelyingParty;
let other: RelyingParty;
let ada: Person;
let accountId: string;
let tokens: Tokens;

beforeAll(async () => {
  keyhold = await startKeyhold({ LOG_LEVEL: 'silent' });
  house = await openRelyingParty(keyhold, { first_party: true });
  await newMember(keyhold, house, ADA);
  accountId = await accountOf(keyhold.db, ADA);
});

beforeEach(async () => {
  await Promise.all([shop?.close(), other?.close()]);
  shop = await openRelyingParty(keyhold, { client_name: 'Shop' });
  other = await openRelyingParty(keyhold, { client_name: 'Other' });
  ada = await memberAgain(keyhold, house, ADA);
  for (const app of [other, shop]) {
    await ada.goto(
      await app.authorizationUrl({ scope: 'openid email profile offline_access', prompt: 'consent' }),
    );
    await ada.press('Allow');
    tokens = await app.exchange();
  }
});

afterAll(async () => {
  await Promise.all([house?.close(), shop?.close(), other?.close()]);
  await keyhold?.close();
});

const withdraw = () =>
  openWork(keyhold.db, { kind: 'person', id: accountId }, work =>
    withdrawFromApp(work, { accountId, clientId: shop.clientId, method: 'account' }),
  );

const ledger = async () =>
  (await listConsentEvents(keyhold.db, accountId, { clientId: shop.clientId })).map(
    ({ event, state, by, method }) => [event, state, by, method],
  );

async function expectNothingLeft(held: Tokens): Promise<void> {
  await expect(shop.refresh(held.refresh_token ?? '')).rejects.toMatchObject({ error: 'invalid_grant' });
  const userinfo = await fetch(`${keyhold.origin}/userinfo`, {
    headers: { Authorization: `Bearer ${held.access_token}` },
  });
  expect(userinfo.status).toBe(401);
  expect((await shop.introspect(held.access_token)).active).toBe(false);
  expect((await shop.introspect(held.refresh_token ?? '')).active).toBe(false);
}

test('what was taken back is over at once: tokens, userinfo, introspection, and a code that was on its way', async () => {
  const code = await bringCode(ada, shop);
  const again = await memberAgain(keyhold, house, ADA);
  await again.goto(await shop.authorizationUrl({ scope: 'openid offline_access' }));
  const elsewhere = await shop.exchange();
  const events = await recordedDuring(keyhold.db, async () => expect(await withdraw()).toBe(true));
  expect(events.map(({ type }) => type)).toEqual(['consent.withdrawn']);
  await expectNothingLeft(tokens);
  await expectNothingLeft(elsewhere);
  const raw = await openRawClient(keyhold, shop.client);
  const answer = await raw.post(
    '/token',
    {
      grant_type: 'authorization_code',
      code: code.code,
      redirect_uri: code.redirectUri,
      code_verifier: code.verifier,
    },
    { Authorization: `Basic ${btoa(`${shop.clientId}:${shop.client.client_secret}`)}` },
  );
  expect([answer.status, answer.body]).toEqual([400, expect.objectContaining({ error: 'invalid_grant' })]);
  expect(await ledger()).toEqual([
    ['given', 'dpv:ConsentGiven', 'person', 'consent_page'],
    ['withdrawn', 'dpv:ConsentWithdrawn', 'person', 'account'],
  ]);
  expect(await keyhold.db('grants').where({ account_id: accountId, client_id: shop.clientId })).toEqual([]);
});

test('the app is told, the next request asks anew, and nobody is told or asked by another app', async () => {
  await withdraw();
  await shop.nextLogoutToken();
  await ada.goto(await shop.authorizationUrl({ prompt: 'none' }));
  expect(ada.page.heading).toBe('Refused: consent_required');
  await ada.goto(await shop.authorizationUrl());
  expect(ada.page.heading).toBe('Allow access?');
  await ada.goto(await other.authorizationUrl());
  expect(ada.page.heading).toBe('Back in the app');
  expect(other.logoutTokens).toEqual([]);
});

test('no session knows the app any more, in whichever browser, and each sign-in to it is told to it as over', async () => {
  const elsewhere = await memberAgain(keyhold, house, ADA);
  await elsewhere.goto(await shop.authorizationUrl());
  const known = async () =>
    (
      await keyhold
        .db('sessions')
        .where({ account_id: accountId })
        .whereNull('ended_at')
        .pluck('authorizations')
    ).filter(apps => shop.clientId in (apps ?? {})).length;
  expect(await known()).toBe(2);
  await withdraw();
  expect(await known()).toBe(0);
  await until(async () => shop.logoutTokens.length === 2);
});

test('of tokens that are asked for while it is taken back none lives on', async () => {
  const [refreshed, withdrawn] = await Promise.allSettled([
    shop.refresh(tokens.refresh_token ?? ''),
    withdraw(),
  ]);
  expect(withdrawn).toMatchObject({ value: true });
  await expectNothingLeft(tokens);
  if (refreshed.status === 'fulfilled') await expectNothingLeft(refreshed.value);
});

test('withdrawn by an operator it says so; twice there is nothing to withdraw, and nobody is nobody', async () => {
  const said = { out: '', err: '' };
  const run = (...words: string[]) =>
    runConsents(words, {
      db: keyhold.db,
      print: text => {
        said.out = text;
      },
      fail: text => {
        said.err = text;
      },
    });
  expect(await run('withdraw', ADA, shop.clientId)).toBe(0);
  await expectNothingLeft(tokens);
  expect((await ledger()).at(-1)).toEqual(['withdrawn', 'dpv:ConsentRevoked', 'operator', 'command']);
  const events = await recordedDuring(keyhold.db, async () => {
    expect(await run('withdraw', ADA, shop.clientId)).toBe(1);
    expect(await run('withdraw', 'nobody@example.test', shop.clientId)).toBe(1);
    expect(await run('withdraw', ADA)).toBe(2);
  });
  expect(events).toEqual([]);
});

test('an end date ends at its instant, before any job; the job writes it down once and clears away', async () => {
  await keyhold
    .db('consents')
    .update({ valid_until: new Date(Date.now() - 1) })
    .where({ client_id: shop.clientId });
  await expectNothingLeft(tokens);
  await ada.goto(await shop.authorizationUrl());
  expect(ada.page.heading).toBe('Allow access?');
  const run = () =>
    expireConsents(keyhold.db).run(
      {},
      { id: '1', attempt: 1, last: false, signal: new AbortController().signal },
    );
  await run();
  await run();
  expect((await ledger()).map(([event]) => event)).toEqual(['given', 'expired']);
  await until(async () => shop.logoutTokens.length === 1);
  expect((await other.introspect((await fresh(other)).access_token)).active).toBe(true);
});

async function fresh(app: RelyingParty): Promise<Tokens> {
  await ada.goto(await app.authorizationUrl());
  return app.exchange();
}

test('nobody adds to the ledger in hindsight, and nothing of it can be changed or removed', async () => {
  for (const table of ['consent_ledger', 'consent_wordings']) {
    await expect(keyhold.db(table).delete()).rejects.toThrow(/permission denied/);
    await expect(keyhold.db.raw(`TRUNCATE ${table} CASCADE`)).rejects.toThrow(/permission denied/);
  }
  await expect(keyhold.db('consent_ledger').update({ event: 'given' })).rejects.toThrow(/permission denied/);
});
