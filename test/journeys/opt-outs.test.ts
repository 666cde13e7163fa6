import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { accountToken } from '../support/account-api.js';
import { until } from '../support/jobs.js';
import { personAt, signIn } from '../support/journeys.js';
import { startKeyhold, type TestKeyhold } from '../support/keyhold.js';
import { accountOf, recordedDuring } from '../support/ledger.js';
import type { Person } from '../support/person.js';
import { newMember } from '../support/protocol.js';
import { openRelyingParty, type RelyingParty } from '../support/relying-party.js';

// Global Privacy Control is heeded at sign-in, kept, shown and passed on; what somebody says themselves stands above it.

let keyhold: TestKeyhold;
let app: RelyingParty;
let house: RelyingParty;
const GPC = { headers: { 'Sec-GPC': '1' } };

beforeAll(async () => {
  keyhold = await startKeyhold();
  house = await openRelyingParty(keyhold, { first_party: true });
  app = await openRelyingParty(keyhold, {
    client_name: 'Shop',
    scope: 'openid profile email account:preferences:read account:preferences:write',
  });
});

afterAll(async () => {
  await Promise.all([app?.close(), house?.close()]);
  await keyhold?.close();
});

const at = (path: string) => new URL(path, keyhold.origin);

/** What an app is told about somebody who is signed in. */
async function told(person: Person): Promise<unknown> {
  await person.goto(await house.authorizationUrl());
  const tokens = await house.exchange();
  return tokens.claims()?.['sale_opt_out'];
}

async function member(email: string, profile: Readonly<Record<string, unknown>> = {}): Promise<string> {
  await newMember(keyhold, house, email);
  const accountId = await accountOf(keyhold.db, email);
  for (const [attribute, value] of Object.entries(profile)) {
    await keyhold.db('profile_attributes').insert({
      account_id: accountId,
      attribute,
      value: JSON.stringify(value),
      source: 'person',
      recorded_at: new Date(),
    });
  }
  return accountId;
}

const CALIFORNIA = { address: { country: 'US', region: 'CA' } };

async function signedIn(email: string, more: Parameters<typeof personAt>[1] = {}): Promise<Person> {
  const person = personAt(keyhold, more);
  await person.goto(await house.authorizationUrl());
  await signIn(person, email);
  return person;
}

test('where no is what counts, an app is told nothing against it until the browser says so at a sign-in, once', async () => {
  const accountId = await member('ada@example.test', CALIFORNIA);
  expect(await told(await signedIn('ada@example.test'))).toBe(false);
  const events = await recordedDuring(keyhold.db, async () => {
    await signedIn('ada@example.test', GPC);
    await signedIn('ada@example.test', GPC);
  });
  expect(events.filter(({ type }) => type.startsWith('sale.'))).toMatchObject([
    { type: 'sale.opted_out', account_id: accountId, detail: { by: 'signal' } },
  ]);
  const ada = await signedIn('ada@example.test');
  expect(await told(ada)).toBe(true);
  await ada.goto(at('/account/preferences'));
  expect(ada.page.text).toContain('Your data must not be sold or shared.');
  expect(ada.page.text).toContain('Your browser asked for that when you signed in');
  await ada.goto(at('/account/history'));
  expect(ada.page.text).toContain('Your browser asked that your data is not sold, and that was kept');
});

test('what somebody says themselves stands above the signal, and everybody is told of it', async () => {
  await member('bea@example.test', CALIFORNIA);
  const bea = await signedIn('bea@example.test', GPC);
  await bea.goto(at('/account/preferences'));
  await bea.press('Allow it');
  expect(bea.page.text).toContain('Your data may be sold or shared.');
  expect(bea.page.text).toContain('Here you have said that it may be done');
  await until(async () => (await bea.newestMail('bea@example.test', /You allowed selling/)) !== undefined);
  expect(await told(await signedIn('bea@example.test', GPC))).toBe(false);
  await bea.goto(at('/account/preferences'));
  await bea.press('Do not sell or share my data');
  expect(await told(bea)).toBe(true);
});

test('where yes is what counts, at a young age, and where nobody knows, nothing is sold of somebody who said nothing', async () => {
  const young = `${new Date().getUTCFullYear() - 14}-01-01`;
  for (const [email, profile] of [
    ['cleo@example.test', { address: { country: 'DE' } }],
    ['dora@example.test', { ...CALIFORNIA, birthdate: young }],
    ['eve@example.test', {}],
  ] as const) {
    await member(email, profile);
    expect([email, await told(await signedIn(email))]).toEqual([email, true]);
  }
});

test('a child below the age of consent cannot say yes alone', async () => {
  await member('finn@example.test', { ...CALIFORNIA, birthdate: `${new Date().getUTCFullYear() - 9}-01-01` });
  const finn = await signedIn('finn@example.test');
  await finn.goto(at('/account/preferences'));
  await finn.press('Allow it');
  expect(await told(finn)).toBe(true);
});

test.each(['0', 'true', '1, 1', ''])('a signal that is none (%j) changes nothing', async value => {
  const email = `gus${value.length}${value.charCodeAt(0) || 0}@example.test`;
  const accountId = await member(email, CALIFORNIA);
  await signedIn(email, { headers: { 'Sec-GPC': value } });
  expect((await keyhold.db('accounts').where({ id: accountId }).first('sale_choice')).sale_choice).toBeNull();
});

test('an app that is let sees and changes it, and nothing that was made up is taken', async () => {
  await member('hal@example.test');
  const hal = await signedIn('hal@example.test', GPC);
  const token = await accountToken(keyhold, hal, app, 'account:preferences:read account:preferences:write');
  const ask = async (method: string, body?: object) => {
    const answer = await fetch(`${keyhold.issuer}/api/me/preferences`, {
      method,
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
      ...(body && { body: JSON.stringify(body) }),
    });
    return { status: answer.status, body: (await answer.json()) as { sale?: object } };
  };
  expect((await ask('GET')).body.sale).toMatchObject({ choice: 'opted_out', by: 'signal' });
  expect((await ask('PATCH', { sale: 'maybe' })).status).toBe(400);
  expect((await ask('PATCH', { sale: 'opted_in' })).body.sale).toMatchObject({
    choice: 'opted_in',
    by: 'person',
  });
});

test('that the signal is heeded is published', async () => {
  const answer = await fetch(at('/.well-known/gpc.json'));
  expect(await answer.json()).toMatchObject({ gpc: true });
});
