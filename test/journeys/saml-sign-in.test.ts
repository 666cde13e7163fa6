import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { personAt } from '../support/journeys.js';
import { startKeyhold, type TestKeyhold } from '../support/keyhold.js';
import { accountOf } from '../support/ledger.js';
import { openRelyingParty, type RelyingParty } from '../support/relying-party.js';
import { openSamlPeer, type SamlPeer } from '../support/saml-peer.js';
import { continueWith, declareProvider } from '../support/upstream.js';

let keyhold: TestKeyhold;
let house: RelyingParty;
let company: SamlPeer;

beforeAll(async () => {
  keyhold = await startKeyhold();
  house = await openRelyingParty(keyhold, { first_party: true });
  company = await openSamlPeer();
  await declareProvider(keyhold, {
    id: 'acme',
    name: 'Acme',
    kind: 'saml',
    secrets: {},

    settings: { metadata_url: company.metadataUrl },
    mapping: { email_domains: ['acme.test'] },
  });
});

afterAll(async () => {
  await company?.close();
  await house?.close();
  await keyhold?.close();
});

test('somebody of a company opens an account by what it says, and is signed in by it from then on', async () => {
  company.manners.employee = { id: 'a7c3', attributes: { email: 'ada@acme.test', name: 'Ada Lovelace' } };
  const ada = personAt(keyhold);
  await ada.goto(await house.authorizationUrl());
  await continueWith(ada, 'acme');
  expect(ada.page.heading).toBe('On to Acme');
  await ada.follow('Continue with Acme');
  expect(ada.page.heading).toBe('Signed in at the company');
  await ada.press('Go on');
  expect(ada.page.heading).toBe('Create your account with Acme');
  expect(ada.page.text).toContain('ada@acme.test');
  ada.tick('I accept the terms');
  await ada.press('Create account');
  expect(ada.page.heading).toBe('Back in the app');
  const first = (await house.exchange()).claims();
  expect(first?.['acr']).toBe('aal1');

  const again = personAt(keyhold);
  await again.goto(await house.authorizationUrl());
  await continueWith(again, 'acme');
  await again.press('Go on');
  expect(again.page.heading).toBe('Back in the app');
  expect((await house.exchange()).claims()?.sub).toBe(first?.sub);
  expect(await accountOf(keyhold.db, 'ada@acme.test')).toBe(first?.sub);
});
