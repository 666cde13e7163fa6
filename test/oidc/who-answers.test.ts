import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { personAt, signIn } from '../support/journeys.js';
import { startKeyhold, type TestKeyhold } from '../support/keyhold.js';
import type { Person } from '../support/person.js';
import { memberAgain, newMember } from '../support/protocol.js';
import { openRelyingParty, type RelyingParty } from '../support/relying-party.js';

const ADA = 'ada@example.test';
const BOB = 'bob@example.test';

let keyhold: TestKeyhold;
let house: RelyingParty;
let shop: RelyingParty;

beforeAll(async () => {
  keyhold = await startKeyhold();
  house = await openRelyingParty(keyhold, { first_party: true });
  shop = await openRelyingParty(keyhold);
  await newMember(keyhold, house, ADA);
  await newMember(keyhold, house, BOB);
});

afterAll(async () => {
  await Promise.all([house?.close(), shop?.close()]);
  await keyhold?.close();
});

const answer = (person: Person) => Object.fromEntries(person.page.url.searchParams);

/** An ID token of somebody, as an app keeps it. */
async function hintOf(email: string, app = house): Promise<string> {
  await memberAgain(keyhold, app, email);
  return (await app.exchange()).id_token ?? '';
}

async function asking(app: RelyingParty, parameters: Record<string, string>): Promise<Person> {
  const person = personAt(keyhold);
  await person.goto(await app.authorizationUrl(parameters));
  return person;
}

test('a login hint is filled in, and shown as text', async () => {
  const person = await asking(house, { login_hint: 'ada@example.test"><b>' });
  expect(person.page.html).toContain('value="ada@example.test&#34;&gt;&lt;b&gt;"');
  expect(person.page.html).not.toContain('<b>');
});

test('who was asked for must answer: for anybody else there is no code, however often they sign in', async () => {
  const hint = await hintOf(ADA);
  const person = await asking(house, { id_token_hint: hint });
  for (let round = 0; round < 2; round++) {
    expect(person.page.heading).toBe('Sign in');
    await signIn(person, BOB);
    while (person.page.buttons.includes('Continue') && person.page.heading === '')
      await person.press('Continue');
  }
  expect(person.page.heading).toBe('Sign in');
  expect(answer(person)).toEqual({});
});

test('who was asked for gets a code', async () => {
  const person = await asking(house, { id_token_hint: await hintOf(ADA) });
  await signIn(person, ADA);
  expect(answer(person)).toMatchObject({ code: expect.stringMatching(/^kh_ac_/) });
});

test('a hint about somebody else than who is signed in asks again, or refuses where nobody may be asked', async () => {
  const hint = await hintOf(ADA);
  const bob = await memberAgain(keyhold, house, BOB);
  await bob.goto(await house.authorizationUrl({ id_token_hint: hint, prompt: 'none' }));
  expect(answer(bob)).toMatchObject({ error: 'login_required', iss: keyhold.issuer });
  await bob.goto(await house.authorizationUrl({ id_token_hint: hint }));
  expect(bob.page.heading).toBe('Sign in');
});

test('C42: a hint that is forged, of another app, or no token at all is refused', async () => {
  const hint = await hintOf(ADA);
  const [header, , signature] = hint.split('.');
  const forged = [header, Buffer.from('{"sub":"x"}').toString('base64url'), signature].join('.');
  const unsigned = `${Buffer.from('{"alg":"none"}').toString('base64url')}.${hint.split('.')[1]}.`;
  for (const [app, value] of [
    [house, forged],
    [house, unsigned],
    [house, 'no token'],
    [shop, hint],
  ] as const) {
    const person = await asking(app, { id_token_hint: value });
    expect(answer(person)).toMatchObject({ error: 'invalid_request', iss: keyhold.issuer });
  }
});

test('a subject that the claims parameter asks for is the only one who may answer', async () => {
  const [, body] = (await hintOf(ADA)).split('.');
  const { sub } = JSON.parse(Buffer.from(body ?? '', 'base64url').toString());
  const bob = await memberAgain(keyhold, house, BOB);
  const claims = JSON.stringify({ id_token: { sub: { value: sub } } });
  await bob.goto(await house.authorizationUrl({ claims, prompt: 'none' }));
  expect(answer(bob)).toMatchObject({ error: 'login_required' });
});

test('pairwise apps know a person by a name of their own sector, always the same one', async () => {
  const pairwise = { first_party: true, subject_type: 'pairwise' };
  const [one, two] = await Promise.all([
    openRelyingParty(keyhold, pairwise),
    openRelyingParty(keyhold, pairwise),
  ]);
  try {
    const subjectAt = async (app: RelyingParty) => {
      await memberAgain(keyhold, app, ADA);
      const tokens = await app.exchange();
      const sub = tokens.claims()?.sub;
      expect((await app.userInfo(tokens)).sub).toBe(sub);
      expect((await app.introspect(tokens.access_token)).sub).toBe(sub);
      return sub;
    };
    const subjects = [
      await subjectAt(one),
      await subjectAt(one),
      await subjectAt(two),
      await subjectAt(house),
    ];
    expect(subjects[1]).toBe(subjects[0]);
    expect(new Set(subjects).size).toBe(3);
    expect(await subjectAt(house)).toBe(subjects[3]);

    const hint = await hintOf(ADA, one);
    const person = await asking(one, { id_token_hint: hint });
    await signIn(person, ADA);
    expect(answer(person)).toMatchObject({ code: expect.any(String) });
  } finally {
    await Promise.all([one.close(), two.close()]);
  }
});

test('a claim that was asked for comes where it was asked for, one that was refused nowhere', async () => {
  const claims = JSON.stringify({
    id_token: { email: null },
    userinfo: { name: { essential: true }, birthdate: null },
  });
  const ada = await memberAgain(keyhold, house, ADA);
  await ada.goto(await shop.authorizationUrl({ scope: 'openid', claims }));
  await ada.press('Allow');
  expect(ada.page.heading).toBe('Full name');
  await ada.press('Skip');
  const tokens = await shop.exchange();
  expect(tokens.claims()).not.toHaveProperty('email');
  expect(await shop.userInfo(tokens)).not.toHaveProperty('email');

  await ada.goto(await shop.authorizationUrl({ scope: 'openid', claims, prompt: 'consent' }));
  ada.tick('See your email address');
  await ada.press('Allow');
  const allowed = await shop.exchange();
  expect(allowed.claims()).toMatchObject({ email: ADA });
  expect(await shop.userInfo(allowed)).not.toHaveProperty('email');
});

test.each(['{', '[]', '"x"', '{}', '{"userinfo":[]}', '{"id_token":"x"}'])(
  'the claims parameter %s is refused',
  async claims => {
    const person = await asking(house, { claims });
    expect(answer(person)).toMatchObject({ error: 'invalid_request', iss: keyhold.issuer });
  },
);

test('the pages of a request speak the language that it asks for', async () => {
  const language = (person: Person) => /<html lang="([^"]+)"/.exec(person.page.html)?.[1];
  expect(language(await asking(house, { ui_locales: 'xx de en' }))).toBe('de');
  expect(language(await asking(house, { ui_locales: 'xx' }))).toBe('en');
});
