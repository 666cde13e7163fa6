import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { personAt } from '../support/journeys.js';
import { startKeyhold, type TestKeyhold } from '../support/keyhold.js';
import { accountOf } from '../support/ledger.js';
import { openRelyingParty, type RelyingParty } from '../support/relying-party.js';
import { continueWith, declareOpenid, openUpstream, type TestUpstream } from '../support/upstream.js';

let keyhold: TestKeyhold;
let house: RelyingParty;
let upstream: TestUpstream;

beforeAll(async () => {
  keyhold = await startKeyhold();
  house = await openRelyingParty(keyhold, { first_party: true });
  upstream = await openUpstream();
  await declareOpenid(keyhold, { id: 'acme', name: 'Acme', issuer: upstream.issuer });
});

afterAll(async () => {
  await upstream?.close();
  await house?.close();
  await keyhold?.close();
});

test('somebody new opens an account by what they bring, and is signed in by it from then on', async () => {
  upstream.says({ sub: 'ada-1', email: 'ada@example.test', email_verified: true, name: 'Ada Lovelace' });
  const ada = personAt(keyhold);
  await ada.goto(await house.authorizationUrl());
  await continueWith(ada, 'acme');
  expect(ada.page.heading).toBe('Create your account with Acme');
  expect(ada.page.text).toContain('ada@example.test');
  ada.tick('I accept the terms');
  await ada.press('Create account');
  expect(ada.page.heading).toBe('Back in the app');
  const first = (await house.exchange()).claims();
  expect(first?.['acr']).toBe('aal1');

  const again = personAt(keyhold);
  await again.goto(await house.authorizationUrl());
  await continueWith(again, 'acme');
  expect(again.page.heading).toBe('Back in the app');
  expect((await house.exchange()).claims()?.sub).toBe(first?.sub);
  const accountId = await accountOf(keyhold.db, 'ada@example.test');
  const types = await keyhold.db('events').where({ account_id: accountId }).orderBy('id').pluck('type');
  expect(types).toEqual(
    expect.arrayContaining(['account.opened', 'federated_link.added', 'federated_link.used']),
  );
});
