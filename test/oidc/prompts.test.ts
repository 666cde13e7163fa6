import { afterAll, beforeAll, beforeEach, expect, test } from '@jest/globals';
import { personAt, signIn } from '../support/journeys.js';
import { startKeyhold, type TestKeyhold } from '../support/keyhold.js';
import type { Person } from '../support/person.js';
import { memberAgain, newMember, rowCounts } from '../support/protocol.js';
import { openRelyingParty, type RelyingParty } from '../support/relying-party.js';

const EMAIL = 'ada@example.test';
const ESSENTIAL_PHR = JSON.stringify({ id_token: { acr: { essential: true, value: 'phr' } } });
const ESSENTIAL_AAL2 = JSON.stringify({ id_token: { acr: { essential: true, values: ['aal2'] } } });

let keyhold: TestKeyhold;
let house: RelyingParty;
let shop: RelyingParty;
/** Signed in with a password, long ago by `setBack`. */
let ada: Person;

beforeAll(async () => {
  keyhold = await startKeyhold();
  house = await openRelyingParty(keyhold, { first_party: true });
  shop = await openRelyingParty(keyhold);
  await newMember(keyhold, house, EMAIL);
});

afterAll(async () => {
  await Promise.all([house?.close(), shop?.close()]);
  await keyhold?.close();
});

beforeEach(async () => {
  ada = await memberAgain(keyhold, house, EMAIL);
});

const now = () => Math.floor(Date.now() / 1000);
const answer = (person: Person) => Object.fromEntries(person.page.url.searchParams);
const ask = async (app: RelyingParty, parameters: Record<string, string>) =>
  ada.goto(await app.authorizationUrl({ state: 'a state', ...parameters }));
const setBack = (seconds: number) =>
  keyhold.db('sessions').update({ login_ts: keyhold.db.raw('login_ts - ?', [seconds]) });

/** The claims of the ID token that the last answer to `house` is worth. */
async function claims(): Promise<Record<string, unknown>> {
  expect(ada.page.heading).toBe('Back in the app');
  return { ...(await house.exchange()).claims() };
}

test('discovery names the prompts and authentication strengths there are', async () => {
  expect(house.configuration.serverMetadata()).toMatchObject({
    prompt_values_supported: ['none', 'login', 'select_account', 'consent', 'create'],
    acr_values_supported: ['aal1', 'aal2', 'phr'],
  });
});

test('prompt=none answers at once: with a code, or with what is missing', async () => {
  await ask(house, { prompt: 'none' });
  expect(await claims()).toMatchObject({ acr: 'aal1', amr: ['pwd'] });

  await ask(shop, { prompt: 'none' });
  expect(answer(ada)).toMatchObject({ error: 'consent_required', state: 'a state', iss: keyhold.issuer });

  const before = await rowCounts(keyhold.db);
  const stranger = personAt(keyhold);
  await stranger.goto(await house.authorizationUrl({ prompt: 'none', state: 'another' }));
  expect(answer(stranger)).toMatchObject({ error: 'login_required', state: 'another', iss: keyhold.issuer });
  expect(await rowCounts(keyhold.db)).toEqual(before);
});

test('prompt=none together with another prompt, and an unknown prompt, are refused', async () => {
  for (const prompt of ['none login', 'select_everything']) {
    await ask(house, { prompt });
    expect(answer(ada)).toMatchObject({ error: 'invalid_request', iss: keyhold.issuer });
  }
});

test('C23: prompt=login asks again, and the new sign-in is what the app is told of', async () => {
  await setBack(500);
  await ask(house, { prompt: 'login' });
  expect(ada.page.heading).toBe('Sign in');
  const since = now();
  await signIn(ada, EMAIL);
  expect(Number((await claims()).auth_time)).toBeGreaterThanOrEqual(since);
});

test('C14: a sign-in gives the browser a new cookie, and the old one is worth nothing', async () => {
  const sessionOf = async (person: Person) => (await person.cookies(keyhold.origin)).get('keyhold_people');
  const old = await ada.jar.serialize();
  const before = await sessionOf(ada);
  await ask(house, { prompt: 'login' });
  await signIn(ada, EMAIL);
  expect(await sessionOf(ada)).not.toBe(before);

  const thief = personAt(keyhold);
  for (const { key, value } of old.cookies) await thief.jar.setCookie(`${key}=${value}`, keyhold.origin);
  await thief.goto(await house.authorizationUrl({ prompt: 'none' }));
  expect(answer(thief)).toMatchObject({ error: 'login_required' });
});

test('prompt=consent asks again for what was allowed already', async () => {
  await ask(shop, {});
  await ada.press('Allow');
  await ask(shop, { prompt: 'none' });
  expect(ada.page.heading).toBe('Back in the app');
  await ask(shop, { prompt: 'consent' });
  expect(ada.page.buttons).toEqual(['Allow', "Don't allow"]);
});

test('prompt=create opens the sign-up page, also for somebody who is signed in', async () => {
  await ask(house, { prompt: 'create' });
  expect(ada.page.heading).toBe('Create your account');
});

test('C23: max_age is kept: a sign-in that is too old is asked for again, a fresh one is not', async () => {
  await setBack(500);
  await ask(house, { max_age: '1000' });
  expect(now() - Number((await claims()).auth_time)).toBeGreaterThanOrEqual(500);

  await ask(house, { max_age: '400', prompt: 'none' });
  expect(answer(ada)).toMatchObject({ error: 'login_required' });

  await ask(house, { max_age: '400' });
  expect(ada.page.heading).toBe('Sign in');
  const since = now();
  await signIn(ada, EMAIL);
  expect(Number((await claims()).auth_time)).toBeGreaterThanOrEqual(since);

  await ask(house, { max_age: '0' });
  expect(ada.page.heading).toBe('Sign in');
});

test('a wish for a stronger sign-in is asked for once, and what was reached is told', async () => {
  await ask(house, { acr_values: 'phr' });
  expect(ada.page.heading).toBe('Sign in');
  await signIn(ada, EMAIL);
  expect(ada.page.heading).toBe('Set up a second step');
  await ada.press('Not now');
  expect(await claims()).toMatchObject({ acr: 'aal1' });

  await ask(house, { acr_values: 'phr' });
  await signIn(ada, EMAIL);
  expect(await claims()).toMatchObject({ acr: 'aal1' });

  await ask(house, { acr_values: 'aal1' });
  expect(await claims()).toMatchObject({ acr: 'aal1' });
});

test('a wish that is not met is no error where nobody may be asked (OpenID Connect Core §5.5.1.1)', async () => {
  await ask(house, { acr_values: 'phr', prompt: 'none' });
  expect(await claims()).toMatchObject({ acr: 'aal1' });
});

test('an essential strength that nobody can reach here is refused at once', async () => {
  await ask(house, { claims: JSON.stringify({ id_token: { acr: { essential: true, value: 'gold' } } }) });
  expect(answer(ada)).toMatchObject({ error: 'unmet_authentication_requirements' });
});

test('C13, C16: an essential strength that a password cannot reach never ends in a code', async () => {
  await ask(house, { claims: ESSENTIAL_PHR, prompt: 'none' });
  expect(answer(ada)).toMatchObject({ error: 'login_required', state: 'a state' });

  await ask(house, { claims: ESSENTIAL_PHR });
  expect(ada.page.heading).toBe('Sign in');
  await signIn(ada, EMAIL);
  expect(ada.page.heading).toBe('Set up a second step');
  expect(ada.page.buttons).not.toContain('Not now');
  await ask(house, { claims: ESSENTIAL_PHR });
  expect(ada.page.heading).toBe('Sign in');
});

test('C16: a stronger sign-in than the essential one is good enough, and told as what it was', async () => {
  await keyhold.db('sessions').update({ acr: 'phr' });
  await ask(house, { claims: ESSENTIAL_AAL2, prompt: 'none' });
  expect(await claims()).toMatchObject({ acr: 'phr' });
});
