import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { v7 as uuidv7 } from 'uuid';
import { noteLeftBehind } from '../../src/journeys/left-behind.js';
import { slotAt } from '../../src/oidc/artefacts.js';
import { emptySlot } from '../../src/oidc/left-behind.js';
import { runReport } from '../../src/report-commands.js';
import { personAt, signUp } from '../support/journeys.js';
import { startKeyhold, type TestKeyhold } from '../support/keyhold.js';
import { openRelyingParty, type RelyingParty } from '../support/relying-party.js';
import { memberOf, postStep, toPassword } from '../support/steps.js';

// What there may be too much of, counted: and nobody is found by it.

let keyhold: TestKeyhold;
let app: RelyingParty;
let cinema: string;

beforeAll(async () => {
  keyhold = await startKeyhold();
  app = await openRelyingParty(keyhold);
  const { client_id } = await keyhold.registerClient({
    client_name: 'Cinema',
    redirect_uris: ['https://cinema.example.test/callback'],
    scope: 'openid email',
    purposes: ['account', 'naming', 'age'],
    required_claims: ['email'],
    optional_claims: ['nickname', 'age_over_16'],
  });
  cinema = String(client_id);
});

afterAll(async () => {
  await app?.close();
  await keyhold?.close();
});

const left = () => keyhold.db('steps_left').select('step', 'people').orderBy('step');
/* In the test the hour that is emptied is the one that is now, or has just begun. */
const empty = async () => {
  for (const hour of [Date.now(), Date.now() - 3_600_000])
    await emptySlot(keyhold.db, slotAt(hour), new Date(hour), noteLeftBehind);
};

test('where people gave up is counted when their request is removed, once, and nothing of them is kept', async () => {
  await memberOf(keyhold, app, 'ada@example.test');
  await empty();
  await keyhold.db('steps_left').delete();

  for (let nr = 0; nr < 2; nr++) await toPassword(personAt(keyhold), app, 'ada@example.test');
  const bea = personAt(keyhold);
  await bea.goto(await app.authorizationUrl({ prompt: 'create' }));
  await postStep(bea, '/sign-up', { email: 'bea@example.test' });
  await personAt(keyhold).goto(await app.authorizationUrl());
  const cleo = personAt(keyhold);
  await signUp(cleo, app, 'cleo@example.test');
  await cleo.press('Allow');
  await app.exchange();

  await Promise.all([empty(), empty()]);
  await empty();
  expect(await left()).toEqual([
    { step: 'identifier', people: 1 },
    { step: 'password', people: 2 },
    { step: 'sign-up-code', people: 1 },
  ]);
  expect(await keyhold.db('interactions')).toEqual([]);
  expect(JSON.stringify(await keyhold.db('steps_left'))).not.toContain('@');
});

async function report(words: readonly string[]): Promise<{ code: number; said: string; failed: string }> {
  const [said, failed]: [string[], string[]] = [[], []];
  const code = await runReport(words, {
    db: keyhold.db,
    print: text => void said.push(text),
    fail: text => void failed.push(text),
  });
  return { code, said: said.join(''), failed: failed.join('') };
}

/** Thirty-three people with values, and what the app was told of some of them. */
async function fill(): Promise<void> {
  const ids = Array.from({ length: 33 }, () => uuidv7());
  const at = new Date();
  await keyhold
    .db('accounts')
    .insert(ids.map(id => ({ id, state: 'active', language: 'en', opened_at: at, updated_at: at })));
  const values = (attribute: string, count: number) =>
    ids.slice(0, count).map(account_id => ({
      ...{ account_id, attribute, value: '"x"', source: 'person' },
      recorded_at: at,
    }));
  for (const table of ['profile_attributes', 'disclosed']) await keyhold.db(table).delete();
  for (const [attribute, count] of [
    ['nickname', 23],
    ['gender', 3],
    ['birthdate', 14],
  ] as const)
    await keyhold.db('profile_attributes').insert(values(attribute, count));
  await keyhold.db('disclosed').insert(
    ids.slice(0, 12).map(account_id => ({
      ...{ account_id, client_id: cinema, way: 'userinfo' },
      claims: JSON.stringify({ nickname: '00', email: '00' }),
      ids: '{}',
      changed: '{}',
    })),
  );
  await keyhold.db('questions').insert(
    ids.slice(0, 9).map((account_id, nr) => ({
      ...{ account_id, attribute: 'birthdate', purpose: 'age', client_id: cinema, at },
      outcome: nr < 6 ? 'skipped' : 'answered',
    })),
  );
}

test('the report counts in fives, never fewer than five, and says what may be too much', async () => {
  await fill();
  const { code, said } = await report(['minimisation', '--json']);
  const found = JSON.parse(said);
  const of = (name: string) =>
    found.attributes.find(({ attribute }: { attribute: string }) => attribute === name);
  expect(code).toBe(0);
  expect(found.people).toBe(35);
  expect(of('nickname')).toMatchObject({ held: 20, apps: 1, told: 10, says: [] });
  expect(of('gender')).toMatchObject({ held: '<5', apps: 0, told: 0, says: ['never_told', 'left_empty'] });
  expect(of('birthdate')).toMatchObject({
    held: 10,
    asked: { answered: '<5', skipped: 5 },
    says: ['used_here_alone', 'often_left_out'],
  });
  expect(of('website')).toMatchObject({ held: 0, says: ['left_empty'] });
  expect(found.purposes_nobody_needs).toEqual(['presence', 'delivery']);
  expect(found.apps).toEqual([{ client_id: cinema, name: 'Cinema', never_told: ['age_over_16'] }]);
  expect(found.given_up).toEqual([
    { step: 'password', people: '<5' },
    { step: 'identifier', people: '<5' },
    { step: 'sign-up-code', people: '<5' },
  ]);
  const numbers = said.match(/: \d+/g)?.map(text => Number(text.slice(2))) ?? [];
  expect(numbers.filter(number => number % 5 !== 0 && number !== 1)).toEqual([]);
});

test('in words it says the same, names nobody, and changes nothing', async () => {
  const before = await keyhold.db('events').count({ n: '*' });
  const { said } = await report(['minimisation']);
  expect(said).toMatch(/^ {2}gender +<5 +0 +0 +no app was ever told it; most leave it empty$/m);
  expect(said).toMatch(/^ {2}nickname +20 +1 +10$/m);
  expect(said).toContain('Purposes that nobody needs\n  presence\n  delivery\n');
  expect(said).toMatch(/Of 35 people, counted in fives/);
  expect(said).not.toContain('example.test');
  expect(await keyhold.db('events').count({ n: '*' })).toEqual(before);
});

test('words that make no sense are not understood', async () => {
  for (const words of [
    [],
    ['people'],
    ['minimisation', 'now'],
    ['minimisation', '--days', '0'],
    ['minimisation', '--days', 'x'],
  ])
    expect((await report(words)).code).toBe(2);
});
