import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { runPeople } from '../../src/people-commands.js';
import { startKeyhold, type TestKeyhold } from '../support/keyhold.js';
import { accountOf, recordedDuring } from '../support/ledger.js';
import type { Person } from '../support/person.js';
import { declareAttributes, profileCommand } from '../support/profile.js';
import { newMember } from '../support/protocol.js';
import { openRelyingParty, type RelyingParty } from '../support/relying-party.js';

// Whoever runs the service sees masked what they need not see, says why, and is seen looking.

let keyhold: TestKeyhold;
let app: RelyingParty;
let ada: Person;
let adaId: string;
const ADA = 'ada@example.test';

beforeAll(async () => {
  keyhold = await startKeyhold();
  app = await openRelyingParty(keyhold);
  const told = { type: 'text', purpose: 'naming', label: { en: 'Legal name', de: 'Name im Pass' } };
  await declareAttributes(keyhold, [
    {
      ...told,
      name: 'legal_name',
      see: ['person', 'operator'],
      change: ['person'],
      limits: { approval: true },
    },
    { ...told, name: 'diary', label: { en: 'Diary' }, see: ['person'], change: ['person'] },
  ]);
  ada = await newMember(keyhold, app, ADA);
  adaId = await accountOf(keyhold.db, ADA);
  for (const [attribute, label, value] of [
    ['name', 'Full name', 'Augusta Ada King'],
    ['diary', 'Diary', 'Dear diary'],
  ] as const) {
    await ada.goto(new URL(`/account/profile/change/${attribute}`, keyhold.origin));
    ada.fill(label, value);
    await ada.press('Save');
  }
});

afterAll(async () => {
  await app?.close();
  await keyhold?.close();
});

async function people(...words: string[]) {
  const said = { out: '', err: '' };
  const code = await runPeople(words, {
    db: keyhold.db,
    print: text => {
      said.out += text;
    },
    fail: text => {
      said.err += text;
    },
  });
  return { code, ...said };
}

const history = async (query = '') => {
  await ada.goto(new URL(`/account/history${query}`, keyhold.origin));
  return ada.page.text;
};

test('a look shows everything masked, and the person sees that it happened and why', async () => {
  let shown = '';
  const events = await recordedDuring(keyhold.db, async () => {
    const { code, out } = await people(
      'show',
      ADA,
      '--purpose',
      'support',
      '--team',
      'berlin-2',
      '--reference',
      'CASE-4711',
    );
    expect(code).toBe(0);
    shown = out;
  });
  expect(events).toMatchObject([
    {
      type: 'account.inspected',
      account_id: adaId,
      detail: { purpose: 'support', seen: [], team: 'berlin-2', reference: 'CASE-4711' },
    },
  ]);
  const recorded = await keyhold.db('events').where({ type: 'account.inspected' }).first();
  expect(recorded?.actor_kind).toBe('operator');
  expect(JSON.parse(shown)).toMatchObject({ account: adaId, state: 'active' });
  expect(shown).toContain('a…@example.test');
  for (const clear of [ADA, 'Augusta', 'King', 'diary', 'Dear']) expect(shown).not.toContain(clear);
  const told = await history();
  for (const words of [
    'Staff looked at what is known about you, to help you',
    'What they saw was masked.',
    'berlin-2',
    'CASE-4711',
  ])
    expect(told).toContain(words);
});

test('what is named is shown as it is, by itself, and the person sees what that was', async () => {
  const { out } = await people('show', adaId, '--purpose', 'fraud', '--reveal', 'email');
  expect(JSON.parse(out).known.find((each: { name: string }) => each.name === 'email')).toEqual({
    name: 'email',
    value: [ADA],
  });
  expect(out).not.toContain('Augusta');
  expect(await history('?kind=staff')).toContain('They saw: Email address');
  expect(await history('?kind=staff&ui_locales=de')).toContain('Gesehen wurde: E-Mail-Adresse');
  await ada.goto(new URL('/account/history?ui_locales=en', keyhold.origin));
});

test.each([
  ['no purpose', ['show', ADA], 1, '--purpose'],
  ['a purpose that is none', ['show', ADA, '--purpose', 'curiosity'], 1, '--purpose'],
  ['what its person alone may see', ['show', ADA, '--purpose', 'legal', '--reveal', 'diary'], 1, 'no diary'],
  ['words where a code belongs', ['show', ADA, '--purpose', 'legal', '--reference', 'Ada is ill'], 1, 'code'],
  ['somebody who is nobody', ['show', 'eve@example.test', '--purpose', 'legal'], 1, 'Nobody has'],
  [
    "an id that is nobody's",
    ['show', '01900000-0000-7000-8000-000000000000', '--purpose', 'legal'],
    1,
    'Nobody has',
  ],
  ['no verb', ['shew', ADA], 2, 'keyhold people show'],
])('with %s nothing is shown and nothing recorded', async (_what, words, code, said) => {
  const events = await recordedDuring(keyhold.db, async () => {
    const answer = await people(...words);
    expect([answer.code, answer.out]).toEqual([code, '']);
    expect(answer.err).toContain(said);
  });
  expect(events).toEqual([]);
});

test('what waits for an operator is listed without what it says; to see that is a look', async () => {
  await ada.goto(new URL('/account/profile/change/legal_name', keyhold.origin));
  ada.fill('Legal name', 'Countess of Lovelace');
  await ada.press('Save');
  const list = await profileCommand(keyhold, 'changes', 'list');
  expect(list.out).not.toContain('Lovelace');
  const [{ id }] = JSON.parse(list.out);
  const events = await recordedDuring(keyhold.db, async () => {
    expect((await profileCommand(keyhold, 'changes', 'show', id)).out).toContain('Countess of Lovelace');
  });
  expect(events).toMatchObject([
    { type: 'account.inspected', account_id: adaId, detail: { purpose: 'correction', seen: ['legal_name'] } },
  ]);
  expect(await history('?kind=staff')).toContain('They saw: Legal name');
});

test('the copies to keep say what was seen', async () => {
  const { html } = await ada.goto(new URL('/account/history.json?kind=staff', keyhold.origin));
  expect(html).toMatch(/"type":"account.inspected","kind":"staff","by":"operator","seen":\["email"\]/);
});
