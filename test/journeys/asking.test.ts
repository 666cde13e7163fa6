import { afterAll, beforeAll, beforeEach, expect, test } from '@jest/globals';
import { findWording } from '../../src/domain/consents/consents.js';
import { standardSchema } from '../../src/domain/profiles/profiles.js';
import { personAt, signIn } from '../support/journeys.js';
import { startKeyhold, type TestKeyhold, unchecked } from '../support/keyhold.js';
import { accountOf, recordedDuring } from '../support/ledger.js';
import type { Person } from '../support/person.js';
import { openRelyingParty, type RelyingParty } from '../support/relying-party.js';
import { memberOf, postStep, sendStep } from '../support/steps.js';

// How apps ask: what they declared, and who looked at it.

const ADA = 'ada@example.test';
const DECLARED = {
  client_name: 'Cinema',
  scope: 'openid email',
  purposes: ['account', 'age', 'comfort'],
  required_claims: ['birthdate'],
  optional_claims: ['zoneinfo'],
};
const ASKED = JSON.stringify({
  userinfo: {
    birthdate: { essential: true },
    zoneinfo: { essential: true },
    gender: { essential: true },
    nickname: null,
  },
  id_token: { auth_time: { essential: true }, gender: null },
});

let keyhold: TestKeyhold;
let house: RelyingParty;
let cinema: RelyingParty;
let stranger: RelyingParty;
let ada: Person;

beforeAll(async () => {
  keyhold = await startKeyhold();
  house = await openRelyingParty(keyhold, { first_party: true });
  await memberOf(keyhold, house, ADA);
});

beforeEach(async () => {
  await Promise.all([cinema?.close(), stranger?.close()]);
  cinema = await openRelyingParty(keyhold, DECLARED);
  stranger = await openRelyingParty(unchecked(keyhold), { client_name: 'Prize draw' });
  ada = personAt(keyhold);
  await ada.goto(await house.authorizationUrl());
  await signIn(ada, ADA);
});

afterAll(async () => {
  await Promise.all([cinema?.close(), stranger?.close(), house?.close()]);
  await keyhold?.close();
});

async function consentTo({ clientId }: RelyingParty) {
  const account_id = await accountOf(keyhold.db, ADA);
  return keyhold.db('consents').where({ account_id, client_id: clientId }).first('claims', 'refused_claims');
}

/* What is allowed and not known is asked for next. */
async function answerAge(): Promise<void> {
  expect(ada.page.heading).toBe('Date of birth');
  ada.fill('Date of birth', '1990-06-15');
  await ada.press('Save and go on');
}

const rowsOf = async ({ clientId }: RelyingParty) =>
  Number((await keyhold.db('consent_ledger').where({ client_id: clientId }).count())[0]?.['count']);

test('what an app asks beyond what it declared is not offered, not on record and does not leave', async () => {
  await ada.goto(await cinema.authorizationUrl({ scope: 'openid email', claims: ASKED }));
  expect(ada.page.labels).toEqual(['See your time zone']);
  expect(ada.page.text).toContain('See your date of birth');
  expect(ada.page.text).not.toMatch(/gender|nickname/);
  ada.tick('See your time zone');
  await ada.press('Allow');
  await answerAge();
  await ada.press('Skip');
  expect(ada.page.heading).toBe('Back in the app');
  expect(await consentTo(cinema)).toEqual({ claims: ['birthdate', 'zoneinfo'], refused_claims: [] });
  const tokens = await cinema.exchange();
  const granted = await keyhold.db('grants').where({ client_id: cinema.clientId }).select();
  expect(JSON.stringify(granted)).not.toMatch(/gender|nickname/);
  expect(tokens.claims()).toHaveProperty('auth_time');
});

test('what an app declared as optional cannot be called essential: refusing it blocks nothing', async () => {
  await ada.goto(await cinema.authorizationUrl({ scope: 'openid email', claims: ASKED }));
  await ada.press('Allow');
  expect(ada.page.heading).toBe('Back in the app');
  expect(await consentTo(cinema)).toEqual({ claims: ['birthdate'], refused_claims: ['zoneinfo'] });
  await ada.goto(await cinema.authorizationUrl({ scope: 'openid email', claims: ASKED }));
  expect(ada.page.heading).toBe('Back in the app');
});

test('an app that nobody has checked is warned of before it asks, and "Go back" comes first', async () => {
  const before = await rowsOf(stranger);
  await ada.goto(await stranger.authorizationUrl());
  expect(ada.page.heading).toBe('Do you know this app?');
  expect(ada.page.text).toContain('Prize draw');
  expect(ada.page.text).toContain(new URL(stranger.redirectUri).host);
  expect(ada.page.html.indexOf('Go back')).toBeLessThan(ada.page.html.indexOf('I know this app'));
  await ada.press('Go back');
  expect(ada.page.heading).toBe('Refused: access_denied');
  expect([await rowsOf(stranger), await consentTo(stranger)]).toEqual([before, undefined]);
});

test('nothing is allowed before the warning was read, and then the app may ask', async () => {
  await ada.goto(await stranger.authorizationUrl());
  const { status } = await sendStep(ada, '/consent', { wording: 'x' });
  expect([status, await rowsOf(stranger)]).toEqual([303, 0]);
  await ada.press('I know this app, go on');
  expect(ada.page.heading).toBe('Allow access?');
  expect(ada.page.text).toContain('Not checked');
  await ada.press('Allow');
  expect(ada.page.heading).toBe('Back in the app');
  await ada.goto(await stranger.authorizationUrl());
  expect(ada.page.heading).toBe('Back in the app');
});

test('the refusal of an app that was warned of goes on record once it has asked', async () => {
  await ada.goto(await stranger.authorizationUrl());
  await postStep(ada, '/consent/known', {});
  const events = await recordedDuring(keyhold.db, () => ada.press("Don't allow"));
  expect(events.map(({ type }) => type)).toContain('consent.refused');
  expect(await rowsOf(stranger)).toBe(1);
});

async function told(profile: Readonly<Record<string, unknown>>): Promise<void> {
  const account_id = await accountOf(keyhold.db, ADA);
  await keyhold
    .db('profile_attributes')
    .where({ account_id })
    .whereIn('attribute', Object.keys(profile))
    .delete();
  for (const [attribute, value] of Object.entries(profile)) {
    const row = { account_id, attribute, value: JSON.stringify(value), source: 'person' };
    await keyhold.db('profile_attributes').insert({ ...row, recorded_at: new Date() });
  }
}

const INSTEAD = JSON.stringify({
  userinfo: { age_over_16: { essential: true }, country: null },
  id_token: { age_over_18: null },
});

test('an app is told that somebody is old enough and where they live, and neither their birthday nor their address', async () => {
  await told({ birthdate: '1990-06-15', address: { country: 'DE', street_address: 'Seestraße 1' } });
  const bar = await openRelyingParty(keyhold, {
    scope: 'openid',
    purposes: ['age', 'delivery'],
    required_claims: ['age_over_16'],
    optional_claims: ['country', 'age_over_18'],
  });
  await ada.goto(await bar.authorizationUrl({ scope: 'openid', claims: INSTEAD }));
  expect(ada.page.text).toContain('Learn whether you are 16 or older, but not your date of birth');
  expect(ada.page.labels).toEqual([
    'Learn which country you live in, but not your address',
    'Learn whether you are 18 or older, but not your date of birth',
  ]);
  ada.tick('Learn which country you live in, but not your address');
  await ada.press('Allow');
  const tokens = await bar.exchange();
  expect(tokens.claims()).not.toHaveProperty('age_over_18');
  const { sub: _, sale_opt_out: __, ...info } = await bar.userInfo(tokens);
  expect(info).toEqual({ age_over_16: true, country: 'DE' });
  const account_id = await accountOf(keyhold.db, ADA);
  const left = await keyhold.db('disclosures').where({ account_id, client_id: bar.clientId }).select();
  expect(left.map(({ claim, purpose }) => [claim, purpose])).toEqual(
    expect.arrayContaining([
      ['age_over_16', 'age'],
      ['country', 'delivery'],
    ]),
  );
  const [given] = await keyhold.db('consent_ledger').where({ client_id: bar.clientId }).select('notices');
  expect(Object.keys(given.notices).sort()).toEqual(['age', 'delivery']);
  await ada.goto(new URL('/account/disclosures', keyhold.origin));
  expect(ada.page.text).toContain('16 or older: yes or no');
  await ada.goto(new URL(`/account/apps/${bar.clientId}`, keyhold.origin));
  for (const line of ['16 or older: yes or no', '18 or older: yes or no', 'Country'])
    expect(ada.page.text + ada.page.labels.join()).toContain(line);
  await bar.close();
});

test('what rests on words that changed stays here, and so does what is derived from it', async () => {
  await told({ birthdate: '1990-06-15', address: { country: 'DE' } });
  const claims = JSON.stringify({ userinfo: { age_over_16: null, country: null } });
  const bar = await openRelyingParty(keyhold, { scope: 'openid' });
  await ada.goto(await bar.authorizationUrl({ scope: 'openid', claims }));
  ada.tick('Learn which country you live in, but not your address');
  ada.tick('Learn whether you are 16 or older, but not your date of birth');
  await ada.press('Allow');
  const tokens = await bar.exchange();
  expect(await bar.userInfo(tokens)).toMatchObject({ age_over_16: true, country: 'DE' });
  await keyhold
    .db('consents')
    .where({ client_id: bar.clientId })
    .update({ notices: { age: 0, delivery: 1 } });
  const { age_over_16: age, country } = await bar.userInfo(tokens);
  expect([age, country]).toEqual([undefined, 'DE']);
  await bar.close();
});

test('the page says what each thing is for and how long it is kept, and the app says why in its own words, as its own', async () => {
  const words = 'To show <b>films</b> that are right for you';
  const claims = JSON.stringify({
    userinfo: {
      birthdate: { essential: true, purpose: words },
      zoneinfo: { purpose: 'Turned \u202earound' },
    },
  });
  const before = await rowsOf(cinema);
  await ada.goto(await cinema.authorizationUrl({ scope: 'openid email', claims }));
  const { text } = ada.page;
  expect(text).toContain(`In the app’s own words: ${words}`);
  expect(text).not.toContain('around');
  expect(text).toContain('What it is for');
  for (const id of DECLARED.purposes) {
    const purpose = standardSchema().schema.purposes.find(each => each.id === id);
    for (const line of [purpose?.name['en'], purpose?.why['en']]) expect(text).toContain(line);
  }
  expect(text).toContain('Kept here as long as you have an account.');
  expect(text).not.toContain('Showing who you are');
  await ada.press('Allow');
  expect(await rowsOf(cinema)).toBe(before + 1);
  const { wording } = await keyhold
    .db('consent_ledger')
    .where({ client_id: cinema.clientId })
    .first('wording');
  const said = JSON.parse((await findWording(keyhold.db, wording.toString('hex'))) ?? '{}');
  expect(said.lines.join(' ')).toContain(words);
});
