import { afterAll, beforeAll, beforeEach, expect, test } from '@jest/globals';
import { buildAuthorizationUrlWithPAR, initiateDeviceAuthorization } from 'openid-client';
import { accountToken } from '../support/account-api.js';
import { setProfile } from '../support/consented.js';
import { personAt, signIn } from '../support/journeys.js';
import { startKeyhold, type TestKeyhold } from '../support/keyhold.js';
import { accountOf, peopleOnRecord, recordedDuring } from '../support/ledger.js';
import type { Person } from '../support/person.js';
import { openRelyingParty, type RelyingParty } from '../support/relying-party.js';
import { memberOf, postStep, requestPath, sendStep } from '../support/steps.js';

// What people are asked for on their way to an app: what it may have, and nobody knows.

const AT_APP = 'Back in the app';
const DEVICE_CODE = 'urn:ietf:params:oauth:grant-type:device_code';

let keyhold: TestKeyhold;
/** Nobody is asked for their consent by it. */
let house: RelyingParty;
/** Cannot do without an age. */
let bar: RelyingParty;
let tv: RelyingParty;
let ada: Person;
/** Apps of single tests. */
const others: RelyingParty[] = [];
let account: string;
let count = 0;

beforeAll(async () => {
  keyhold = await startKeyhold();
  house = await openRelyingParty(keyhold, { client_name: 'House', first_party: true });
  bar = await openRelyingParty(keyhold, {
    client_name: 'Bar',
    scope: 'openid',
    purposes: ['age', 'delivery', 'comfort'],
    required_claims: ['age_over_18'],
    optional_claims: ['country', 'gender'],
  });
  tv = await openRelyingParty(keyhold, {
    grant_types: [DEVICE_CODE],
    response_types: [],
    redirect_uris: [],
    post_logout_redirect_uris: [],
    first_party: true,
  });
});

beforeEach(async () => {
  const email = `ada${++count}@example.test`;
  await memberOf(keyhold, house, email);
  account = await accountOf(keyhold.db, email);
  ada = personAt(keyhold);
  await ada.goto(await house.authorizationUrl());
  await signIn(ada, email);
});

afterAll(async () => {
  await Promise.all([house, bar, tv, ...others].map(app => app?.close()));
  await keyhold?.close();
});

async function open(metadata: Readonly<Record<string, unknown>>): Promise<RelyingParty> {
  const app = await openRelyingParty(keyhold, metadata);
  others.push(app);
  return app;
}

const claims = (...names: readonly string[]) =>
  JSON.stringify({ userinfo: Object.fromEntries(names.map(name => [name, null])) });

const toHouse = async (...names: readonly string[]) =>
  ada.goto(await house.authorizationUrl({ claims: claims(...names) }));

const ESSENTIAL = JSON.stringify({
  id_token: { age_over_18: { essential: true } },
  userinfo: { age_over_18: null },
});

const toBar = async (more: Readonly<Record<string, string>> = {}) =>
  ada.goto(await bar.authorizationUrl({ scope: 'openid', claims: ESSENTIAL, ...more }));

const known = async () =>
  Object.fromEntries(
    (await keyhold.db('profile_attributes').where({ account_id: account })).map(({ attribute, value }) => [
      attribute,
      value,
    ]),
  );

const asked = async () =>
  (await keyhold.db('questions').where({ account_id: account }).orderBy('at')).map(
    ({ attribute, purpose, client_id, outcome }) => [attribute, purpose, client_id, outcome],
  );

test('what is missing is asked for on the way, is kept like any change, and reaches the app that may have it', async () => {
  await toHouse('gender');
  const { heading, text, buttons } = ada.page;
  expect(heading).toBe('Gender');
  expect(text).toContain('This app asks for it, and we do not know it yet. You may skip it.');
  for (const line of ['Kept here as long as you have an account.', 'See your gender', 'asked this once'])
    expect(text).toContain(line);
  expect(buttons).toEqual(expect.arrayContaining(['Save and go on', 'Skip']));
  expect(ada.page.html).not.toContain('primary-action');
  ada.fill('Gender', 'female');
  const events = await recordedDuring(keyhold.db, () => ada.press('Save and go on'));
  expect(ada.page.heading).toBe(AT_APP);
  expect(await house.userInfo(await house.exchange())).toMatchObject({ gender: 'female' });
  expect(await asked()).toEqual([['gender', 'comfort', house.clientId, 'answered']]);
  expect(events).toContainEqual({
    type: 'question.answered',
    account_id: account,
    client_id: house.clientId,
    detail: { attribute: 'gender', purpose: 'comfort' },
  });
  const changed = events.find(({ type }) => type === 'profile.changed');
  expect(changed?.detail).toEqual({ attributes: ['gender'], source: 'person' });
  const row = await keyhold.db('profile_attributes').where({ account_id: account }).first();
  expect([row?.attribute, row?.value, row?.source]).toEqual(['gender', 'female', 'person']);
});

test('what was skipped is never asked again, by no app of that purpose, and the profile says so', async () => {
  await toHouse('gender');
  const before = await known();
  const events = await recordedDuring(keyhold.db, () => ada.press('Skip'));
  expect(ada.page.heading).toBe(AT_APP);
  expect(await known()).toEqual(before);
  expect(events).toContainEqual({
    type: 'question.skipped',
    account_id: account,
    client_id: house.clientId,
    detail: { attribute: 'gender', purpose: 'comfort' },
  });
  expect((await house.userInfo(await house.exchange()))['gender']).toBeUndefined();
  await toHouse('gender');
  expect(ada.page.heading).toBe(AT_APP);
  const other = await open({ first_party: true });
  await ada.goto(await other.authorizationUrl({ claims: claims('gender') }));
  expect(ada.page.heading).toBe(AT_APP);
  await ada.goto(new URL('/account/profile', keyhold.origin));
  expect(ada.page.text).toMatch(/House asked for this on .+, and you skipped it\. It would be for:/);
  const app = await open({ scope: 'openid account:profile:read' });
  const token = await accountToken(keyhold, ada, app, 'account:profile:read');
  const answer = await fetch(`${keyhold.origin}/api/me/profile`, {
    headers: { authorization: `Bearer ${token}` },
  });
  const { attributes } = (await answer.json()) as { attributes: { name: string; skipped?: object }[] };
  expect(attributes.find(({ name }) => name === 'gender')?.skipped).toMatchObject({
    client_id: house.clientId,
  });
});

test('an answer that was taken away later is not asked for again', async () => {
  await toHouse('nickname');
  ada.fill('Nickname', 'Countess');
  await ada.press('Save and go on');
  await keyhold.db('profile_attributes').where({ account_id: account }).delete();
  await toHouse('nickname');
  expect(ada.page.heading).toBe(AT_APP);
});

test('nobody is asked for more than three things in one visit; the rest comes the next time', async () => {
  const names = ['given_name', 'nickname', 'website', 'gender', 'zoneinfo'];
  await toHouse(...names);
  for (const nr of [1, 2, 3]) {
    expect(ada.page.text).toContain(`Question ${nr} of 3`);
    await ada.press('Skip');
  }
  expect(ada.page.heading).toBe(AT_APP);
  await toHouse(...names);
  expect(ada.page.text).toContain('Question 1 of 2');
  await ada.press('Skip');
  await ada.press('Skip');
  expect(ada.page.heading).toBe(AT_APP);
  expect((await asked()).map(([name]) => name).sort()).toEqual([...names].sort());
});

test('a silent request asks nobody, and a scope alone asks for nothing', async () => {
  await ada.goto(await house.authorizationUrl({ claims: claims('gender'), prompt: 'none' }));
  expect(ada.page.heading).toBe(AT_APP);
  await ada.goto(await house.authorizationUrl({ scope: 'openid profile' }));
  expect(ada.page.heading).toBe(AT_APP);
  expect(await asked()).toEqual([]);
});

test('what an app cannot do without comes after its consent, and can be left by going back: that is asked anew', async () => {
  await toBar();
  expect(ada.page.heading).toBe('Allow access?');
  expect(ada.page.text).toContain('Not known yet');
  await ada.press('Allow');
  expect(ada.page.heading).toBe('Date of birth');
  expect(ada.page.text).toContain('This app says that it needs it');
  expect(ada.page.text).toContain('Learn whether you are 18 or older, but not your date of birth');
  expect(ada.page.text).toContain('What you enter stays with us. The app learns only what is said here.');
  expect(ada.page.buttons).not.toContain('Skip');
  const { pathname } = ada.page.url;
  const refused = await sendStep(ada, '/question/skip', { question: 'birthdate' });
  expect([refused.status, refused.headers.get('location')]).toEqual([303, pathname]);
  expect(await asked()).toEqual([]);
  await ada.press('Not now, back to the app');
  expect(ada.page.heading).toBe('Refused: access_denied');
  expect([await asked(), await known()]).toEqual([[], {}]);
  await toBar();
  expect(ada.page.heading).toBe('Date of birth');
  ada.fill('Date of birth', '1990-06-15');
  await ada.press('Save and go on');
  expect(ada.page.heading).toBe(AT_APP);
  const info = await bar.userInfo(await bar.exchange());
  expect(info['age_over_18']).toBe(true);
  expect(info).not.toHaveProperty('birthdate');
  expect(await known()).toEqual({ birthdate: '1990-06-15' });
});

test('what is not allowed is not asked for, and of an address no more than the country that an app may know', async () => {
  await setProfile(keyhold.db, account, { birthdate: '1990-06-15' });
  await toBar({ claims: claims('country', 'gender') });
  ada.tick('Learn which country you live in, but not your address');
  await ada.press('Allow');
  expect([ada.page.heading, ada.page.labels]).toEqual(['Postal address', ['Country']]);
  await postStep(ada, '/question', { question: 'address', street_address: 'Seestraße 1' });
  expect(ada.page.status).toBe(422);
  expect(await known()).toEqual({ birthdate: '1990-06-15' });
  ada.fill('Country', 'DE');
  await ada.press('Save and go on');
  expect(ada.page.heading).toBe(AT_APP);
  expect(await bar.userInfo(await bar.exchange())).toMatchObject({ country: 'DE' });
  expect((await asked()).map(([name]) => name)).toEqual(['address']);
});

test('what an app declared as required is asked for where a scope stands for it, unless its person took just that away', async () => {
  const club = await open({
    scope: 'openid address',
    purposes: ['delivery'],
    required_claims: ['address'],
  });
  const toClub = async () => ada.goto(await club.authorizationUrl({ scope: 'openid address' }));
  await toClub();
  await ada.press('Allow');
  expect([ada.page.heading, ada.page.buttons.includes('Skip')]).toEqual(['Postal address', false]);
  await keyhold
    .db('consents')
    .where({ account_id: account, client_id: club.clientId })
    .update({ refused_claims: ['address'] });
  await toClub();
  expect(ada.page.heading).toBe(AT_APP);
});

test('whoever did not just prove who they are is not asked for what needs that; one whose parent decides, for nothing that they would have to allow', async () => {
  const aged = () =>
    keyhold
      .db('sessions')
      .where({ account_id: account })
      .update({ login_ts: keyhold.db.raw('login_ts - 600') });
  await toHouse('birthdate');
  expect(ada.page.heading).toBe('Date of birth');
  await aged();
  await toHouse('birthdate', 'gender');
  expect(ada.page.heading).toBe('Gender');
  await setProfile(keyhold.db, account, { birthdate: '2020-01-01', address: { country: 'DE' } });
  await toHouse('nickname');
  expect(ada.page.heading).toBe(AT_APP);
});

test('a proof that has grown old on the page takes nothing, says so, and costs nobody the way to the app', async () => {
  await toHouse('birthdate');
  await keyhold.db.raw(
    `UPDATE interactions SET prompt = jsonb_set(prompt, '{details,provedAt}', '1') WHERE id = ?`,
    [requestPath(ada).split('/')[2] ?? ''],
  );
  ada.fill('Date of birth', '1990-06-15');
  await ada.press('Save and go on');
  expect(ada.page.status).toBe(409);
  expect(await known()).toEqual({});
  await ada.press('Go on without it');
  expect(ada.page.heading).toBe(AT_APP);
  expect(await asked()).toEqual([]);
});

test('a value out of its rules is shown again as it was typed, and so is none at all', async () => {
  await toHouse('website');
  for (const typed of ['not a link', '']) {
    ada.fill('Website', typed);
    const before = await peopleOnRecord(keyhold.db);
    await postStep(ada, '/question', { question: 'website', value: typed });
    expect(ada.page.status).toBe(422);
    expect(ada.page.alerts).toHaveLength(1);
    expect(ada.page.html).toContain(`value="${typed}"`);
    expect(await peopleOnRecord(keyhold.db)).toBe(before);
  }
});

test('an answer to anything but what is asked changes nothing: neither another attribute, nor in another browser', async () => {
  await toHouse('gender', 'nickname');
  const before = await peopleOnRecord(keyhold.db);
  const path = requestPath(ada);
  for (const fields of [
    { question: 'gender', value: 'x' },
    { question: 'family_name', value: 'x' },
    { question: 'email', value: 'x@example.test' },
    { value: 'x' },
  ]) {
    for (const post of ['/question', '/question/skip']) {
      const { status, headers } = await sendStep(ada, post, fields);
      expect([post, fields, status, headers.get('location')]).toEqual([post, fields, 303, path]);
    }
  }
  const { status } = await sendStep(ada, '/question', { question: 'nickname', value: 'x', csrf: 'wrong' });
  expect(status).toBe(403);
  const eve = personAt(keyhold);
  await eve.goto(await house.authorizationUrl());
  const theirs = await sendStep(eve, `${path}/question`, { question: 'nickname', value: 'x' });
  expect(theirs.status).toBe(404);
  expect(await peopleOnRecord(keyhold.db)).toBe(before);
  const more = { gender: 'X', attribute: 'email', family_name: 'X', account: 'X', required: 'X' };
  await sendStep(ada, '/question', { question: 'nickname', value: 'Countess', ...more });
  expect(await known()).toEqual({ nickname: 'Countess' });
});

test('sent twice at once, or once more from a tab that stood open, an answer is one, and the way goes on', async () => {
  await toHouse('nickname', 'gender');
  const first = { question: 'nickname', value: 'Countess' };
  const events = await recordedDuring(keyhold.db, async () => {
    await Promise.all([1, 2].map(() => sendStep(ada, '/question', first)));
    await sendStep(ada, '/question', { ...first, value: 'Stale' });
  });
  const types = events.map(({ type }) => type);
  for (const type of ['question.answered', 'profile.changed'])
    expect(types.filter(each => each === type)).toHaveLength(1);
  expect(await known()).toEqual({ nickname: 'Countess' });
  await ada.goto(new URL(requestPath(ada), keyhold.origin));
  expect(ada.page.text).toContain('Question 2 of 2');
  const path = requestPath(ada);
  await ada.press('Skip');
  expect(ada.page.heading).toBe(AT_APP);
  await ada.goto(new URL(path, keyhold.origin));
  expect(ada.page.text).toContain('already');
  expect(await asked()).toHaveLength(2);
});

test('what was given or left out in another tab meanwhile is not asked again in this one', async () => {
  await toHouse('nickname', 'gender');
  const path = requestPath(ada);
  await toHouse('nickname', 'gender');
  ada.fill('Nickname', 'Countess');
  await ada.press('Save and go on');
  await ada.press('Skip');
  expect(ada.page.heading).toBe(AT_APP);
  const before = await asked();
  await ada.goto(new URL(path, keyhold.origin));
  expect(ada.page.heading).toBe(AT_APP);
  expect([await known(), await asked()]).toEqual([{ nickname: 'Countess' }, before]);
});

test('a pushed request and a device ask as well', async () => {
  const { searchParams } = await house.authorizationUrl({ claims: claims('gender') });
  await ada.goto(await buildAuthorizationUrlWithPAR(house.configuration, searchParams));
  expect(ada.page.heading).toBe('Gender');
  await ada.press('Skip');
  expect(ada.page.heading).toBe(AT_APP);
  const device = await initiateDeviceAuthorization(tv.configuration, {
    scope: 'openid',
    claims: claims('nickname'),
  });
  await ada.goto(device.verification_uri_complete ?? '');
  await ada.press('Continue');
  await ada.press('Yes, this is my device');
  expect(ada.page.heading).toBe('Nickname');
  ada.fill('Nickname', 'Countess');
  await ada.press('Save and go on');
  expect(ada.page.heading).toBe('Your device is connected');
  expect(await known()).toEqual({ nickname: 'Countess' });
});

test('whoever is asked nothing costs no round trip, and whoever lacks something one', async () => {
  const costs = async (...names: readonly string[]) => {
    const url = await house.authorizationUrl(names.length > 0 ? { claims: claims(...names) } : {});
    return (await keyhold.trips.during(() => ada.goto(url))).length;
  };
  await toHouse('gender');
  await ada.press('Skip');
  await setProfile(keyhold.db, account, { nickname: 'Countess' });
  const plain = await costs();
  expect([await costs('nickname'), await costs('gender')]).toEqual([plain, plain + 1]);
  expect(ada.page.heading).toBe(AT_APP);
});
