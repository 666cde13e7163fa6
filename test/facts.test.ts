import { readdirSync, readFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { personAt, signIn } from './support/journeys.js';
import { startKeyhold, type TestKeyhold } from './support/keyhold.js';
import { openRelyingParty, type RelyingParty } from './support/relying-party.js';
import { memberOf, postScript, postStep, signUpWithPasskey, toPassword } from './support/steps.js';

const sources = readdirSync('src', { recursive: true, encoding: 'utf8' })
  .filter(name => name.endsWith('.ts'))
  .map(name => ({ name, text: readFileSync(`src/${name}`, 'utf8') }));
const all = (pattern: RegExp, text: string) => [...text.matchAll(pattern)].map(match => match[1] ?? '');

const lists = sources.flatMap(({ text }) => all(/export const \w+_FACTS = \[([^\]]*)\]/g, text));
const listed = lists.flatMap(list => all(/'([^']+)'/g, list));
const documented = new Map(
  [...readFileSync('docs/events.md', 'utf8').matchAll(/^\| `([a-z_.]+)` \| ([^|]+) \|([^|]*)\|$/gm)].map(
    ([, type = '', when = '', members = '']) => [
      type,
      { when: when.trim(), members: all(/`(\w+)`/g, members) },
    ],
  ),
);

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

test('C51: every fact that is recorded anywhere is in the list of its room', () => {
  const recorded = sources.flatMap(({ name, text }) =>
    all(/\btype: (?:\w+(?:\.\w+)* === \S+ \? )?'([a-z_]+\.[a-z_]+)'/g, text).map(type => `${type} (${name})`),
  );
  expect(recorded.length).toBeGreaterThan(20);
  expect(recorded.filter(fact => !listed.includes(fact.split(' ')[0] ?? ''))).toEqual([]);
  expect(new Set(listed).size).toBe(listed.length);
  for (const type of listed) expect(type).toMatch(/^[a-z_]+\.[a-z_]+$/);
});

test('every fact of a list is recorded somewhere beside it', () => {
  const rest = sources.map(({ text }) => text.replace(/export const \w+_FACTS = \[[^\]]*\]/g, '')).join('\n');
  const firsts = sources.flatMap(({ text }) =>
    all(/export const (\w+_FACTS) = \[[^\]]*\]/g, text).filter(name => rest.includes(`${name}[0]`)),
  );
  const byName = new Set(
    sources.flatMap(({ text }) =>
      firsts.flatMap(name => all(new RegExp(`${name} = \\[\\s*'([^']+)'`, 'g'), text)),
    ),
  );
  expect(listed.filter(type => !rest.includes(`'${type}'`) && !byName.has(type))).toEqual([]);
});

test('the documented catalogue is the facts there are', () => {
  expect([...documented.keys()].sort()).toEqual([...listed].sort());
  for (const [type, { when }] of documented) expect(`${type}: ${when.length > 10}`).toBe(`${type}: true`);
});

test('what a day leaves behind has the members that are documented, and no address', async () => {
  const email = 'ada@example.test';
  await memberOf(keyhold, app, email);
  const ada = personAt(keyhold);
  await toPassword(ada, app, email);
  for (let wrong = 0; wrong < 11; wrong++) await postStep(ada, '/password', { password: 'a wrong one' });
  await keyhold.db('attempts').delete();
  await ada.goto(await app.authorizationUrl());
  await signIn(ada, email);
  await ada.press("Don't allow");
  await ada.goto(await app.authorizationUrl());
  await ada.press('Allow');
  await ada.goto(new URL('/', keyhold.origin));
  await ada.press('Sign out');
  await ada.goto(await app.authorizationUrl({ prompt: 'create' }));
  await postStep(ada, '/sign-up', { email: 'bea@example.test' });
  await postStep(ada, '/code/send');
  for (let wrong = 0; wrong < 5; wrong++) await postStep(ada, '/code', { code: '00000000' });
  const authenticator = await signUpWithPasskey(personAt(keyhold), app, keyhold.origin, 'cleo@example.test');
  await ada.goto(await app.authorizationUrl());
  const options = await postScript(ada, '/passkey/options');
  await postScript(ada, '/passkey', { credential: authenticator.get(options.body as never, { flags: 1 }) });

  const events = await keyhold.db('events').select('type', 'detail');
  for (const { type, detail } of events) {
    expect({ type, members: Object.keys(detail).sort() }).toEqual({
      type,
      members: [...(documented.get(type)?.members ?? [])].sort(),
    });
  }
  expect(JSON.stringify(await keyhold.db('events').select())).not.toContain('example.test');
  const seen = new Set(events.map(({ type }) => type));
  for (const type of [
    'account.opened',
    'sign_in.failed',
    'limit.reached',
    'consent.refused',
    'session.ended',
    'passkey.refused',
    'email_proof.ended',
  ]) {
    expect(`${type}: ${seen.has(type)}`).toBe(`${type}: true`);
  }
});
