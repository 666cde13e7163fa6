import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { hearStatements } from '../battery/plans.js';
import { personAt, signUp } from '../support/journeys.js';
import { startKeyhold, type TestKeyhold } from '../support/keyhold.js';
import { openRelyingParty, type RelyingParty } from '../support/relying-party.js';
import { sendStep } from '../support/steps.js';
import { GOOD_PASSWORD } from '../support/walk.js';

let keyhold: TestKeyhold;
let app: RelyingParty;

beforeAll(async () => {
  keyhold = await startKeyhold({ RATE_LIMITS: 'on' });
  app = await openRelyingParty(keyhold);
});

afterAll(async () => {
  await app?.close();
  await keyhold?.close();
});

const WRITES = /\b(INSERT INTO|UPDATE|DELETE FROM) (\w+)/g;

/** What was written while something was done, by whether the answer waited until the disk had it. */
async function written(act: () => Promise<unknown>) {
  const { named } = await hearStatements(act);
  const tables = { waited: new Set<string>(), didNot: new Set<string>() };
  for (const text of named.values()) {
    const into = text.includes('synchronous_commit') ? tables.didNot : tables.waited;
    for (const [, , table = ''] of text.matchAll(WRITES)) if (table !== 'SET') into.add(table);
  }
  return tables;
}

test('a session, a token and a consent wait for the disk; tries and what was proved before them do not', async () => {
  const person = personAt(keyhold);
  await signUp(person, app, 'disk@example.test');
  const allowed = await written(() => person.press('Allow'));
  expect([...allowed.waited]).toEqual(expect.arrayContaining(['sessions', 'grants', 'authorization_codes']));
  expect(allowed.didNot.size).toBe(0);
  const redeemed = await written(() => app.exchange());
  expect([...redeemed.waited]).toEqual(expect.arrayContaining(['access_tokens', 'authorization_codes']));
  expect(redeemed.didNot.size).toBe(0);

  const again = personAt(keyhold);
  const begun = await written(async () => again.goto(await app.authorizationUrl()));
  expect([...begun.didNot]).toEqual(['interactions']);
  expect(begun.waited.size).toBe(0);
  again.fill('Email', 'disk@example.test');
  await again.press('Continue');
  again.fill('Password', 'not the one that it is');
  const wrong = await written(() => again.press('Sign in'));
  expect([...wrong.didNot]).toEqual(['attempts']);
  expect([...wrong.waited]).toContain('events');
  again.fill('Password', GOOD_PASSWORD);
  const right = await written(() => again.press('Sign in'));
  expect([...right.didNot]).toEqual(['attempts']);
  expect([...right.waited]).toEqual(
    expect.arrayContaining(['sessions', 'authorization_codes', 'interactions', 'events', 'known_browsers']),
  );

  /* Where somebody is signed in already, the session comes with the next request. */
  const beside = personAt(keyhold);
  await signUp(beside, app, 'beside@example.test');
  await beside.goto(await app.authorizationUrl({ prompt: 'login' }));
  beside.fill('Email', 'disk@example.test');
  await beside.press('Continue');
  const passed = await written(() => sendStep(beside, '/password', { password: GOOD_PASSWORD }));
  expect([...passed.didNot].sort()).toEqual(['attempts', 'events', 'interactions', 'known_browsers']);
  expect(passed.waited.size).toBe(0);
});
