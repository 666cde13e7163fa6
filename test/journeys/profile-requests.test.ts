import { afterAll, beforeAll, beforeEach, expect, test } from '@jest/globals';
import { until } from '../support/jobs.js';
import { startKeyhold, type TestKeyhold } from '../support/keyhold.js';
import { accountOf, recordedDuring } from '../support/ledger.js';
import type { Person } from '../support/person.js';
import { declareAttributes, profileCommand } from '../support/profile.js';
import { newMember } from '../support/protocol.js';
import { openRelyingParty, type RelyingParty } from '../support/relying-party.js';

let keyhold: TestKeyhold;
let app: RelyingParty;
let ada: Person;
const ADA = 'ada@example.test';

beforeAll(async () => {
  keyhold = await startKeyhold();
  app = await openRelyingParty(keyhold);
  const said = { type: 'text', purpose: 'naming', see: ['person', 'apps', 'operator'], change: ['person'] };
  await declareAttributes(keyhold, [
    { ...said, name: 'legal_name', label: { en: 'Legal name' }, limits: { approval: true } },
    { ...said, name: 'grade', label: { en: 'Grade' }, change: ['operator'] },
  ]);
  ada = await newMember(keyhold, app, ADA);
});

beforeEach(async () => {
  await keyhold.db('profile_changes').delete();
  await keyhold.db('corrections').delete();
});

afterAll(async () => {
  await app?.close();
  await keyhold?.close();
});

const at = (path: string) => new URL(path, keyhold.origin);
const profile = (...words: string[]) => profileCommand(keyhold, ...words);
const keptValue = async (attribute: string) =>
  (
    await keyhold
      .db('profile_attributes')
      .where({ account_id: await accountOf(keyhold.db, ADA), attribute })
      .first()
  )?.value;

async function askLegalName(name: string) {
  await ada.goto(at('/account/profile/change/legal_name'));
  ada.fill('Legal name', name);
  await ada.press('Save');
  const [change] = JSON.parse((await profile('changes', 'list')).out);
  return JSON.parse((await profile('changes', 'show', change.id)).out) as { id: string; value: string };
}

async function askCorrection(wish: string) {
  await ada.goto(at('/account/profile/correction/grade'));
  ada.fill('What is wrong, and what would be right?', wish);
  await ada.press('Send');
  const [correction] = JSON.parse((await profile('corrections', 'list')).out);
  return JSON.parse((await profile('corrections', 'show', correction.id)).out) as {
    id: string;
    wish: string;
  };
}

test('an operator sees what waits, allows it once, and the person is told', async () => {
  const { id, value } = await askLegalName('Augusta Ada King');
  expect(value).toBe('Augusta Ada King');
  const before = await ada.newestMail(ADA);
  const events = await recordedDuring(keyhold.db, async () => {
    expect(await profile('changes', 'approve', id)).toMatchObject({ code: 0, err: '' });
  });
  expect(events.map(({ type }) => type)).toEqual(
    expect.arrayContaining(['profile.changed', 'profile.change_approved']),
  );
  expect(await keptValue('legal_name')).toBe('Augusta Ada King');
  expect((await ada.latestMail(ADA, before)).text).toContain('Legal name');
  expect(await profile('changes', 'approve', id)).toEqual({
    code: 1,
    out: '',
    err: `Nothing waits under ${id}.\n`,
  });
  expect(JSON.parse((await profile('changes', 'list')).out)).toEqual([]);
});

test('a change is turned down with a reason, and the person reads it', async () => {
  const { id } = await askLegalName('Napoleon');
  expect(await profile('changes', 'refuse', id)).toMatchObject({
    code: 1,
    err: expect.stringContaining('--reason'),
  });
  expect((await profile('changes', 'refuse', id, '--reason', 'Not in your passport.')).code).toBe(0);
  expect(await keptValue('legal_name')).not.toBe('Napoleon');
  await ada.goto(at('/account/profile'));
  expect(ada.page.text).toContain('Your change was not accepted.');
  expect(ada.page.text).toContain('Not in your passport.');
});

test('a wish is read by an operator, who sets the right value; where it is from and the answer are seen', async () => {
  const { id, wish } = await askCorrection('It is an A.\u202e\u0007 Really.');
  expect(wish).toBe('It is an A.   Really.');
  const wrong = await profile('corrections', 'accept', id, '--value', 'x'.repeat(300));
  expect([wrong.code, wrong.err]).toEqual([1, '--value is none for grade: too_long.\n']);
  const events = await recordedDuring(keyhold.db, async () => {
    expect((await profile('corrections', 'accept', id, '--value', 'A', '--answer', 'Sorry!')).code).toBe(0);
  });
  expect(events.map(({ type }) => type)).toEqual(
    expect.arrayContaining(['correction.settled', 'profile.changed']),
  );
  expect(JSON.stringify(events)).not.toContain('Really');
  expect(await keptValue('grade')).toBe('A');
  await ada.goto(at('/account/profile'));
  for (const said of [
    'We corrected what you told us about.',
    'Sorry!',
    'The people who run this service entered it.',
  ])
    expect(ada.page.text).toContain(said);
  expect((await profile('corrections', 'refuse', id, '--answer', 'no')).code).toBe(1);
});

test('of two answers at once one counts', async () => {
  const { id } = await askCorrection('It is a B.');
  const answers = await Promise.all([
    profile('corrections', 'accept', id, '--value', 'B'),
    profile('corrections', 'refuse', id, '--answer', 'No.'),
    profile('corrections', 'accept', id, '--value', 'C'),
  ]);
  expect(answers.map(({ code }) => code).sort()).toEqual([0, 1, 1]);
});

test('the same is asked once at a time', async () => {
  await askCorrection('It is a B.');
  await ada.goto(at('/account/profile/correction/grade'));
  ada.fill('What is wrong, and what would be right?', 'And again.');
  await ada.press('Send');
  expect(ada.page.status).toBe(200);
  expect(await keyhold.db('corrections').where({ state: 'open' })).toHaveLength(1);
});

test.each([
  [['changes']],
  [['changes', 'list', 'x']],
  [['changes', 'approve']],
  [['changes', 'approve', 'x', 'y']],
  [['changes', 'approve', 'x', '--value', 'y']],
  [['corrections', 'accept', '--nothing']],
  [['corrections', 'constructor', 'x']],
])('%j is not understood', async words => {
  expect((await profile(...words)).code).toBe(2);
});

test('"this wasn’t me" undoes a change of the profile as long as it can be undone', async () => {
  const member = await newMember(keyhold, app, 'eve@example.test');
  const change = async (value: string) => {
    await member.goto(at('/account/profile/change/name'));
    member.fill('Full name', value);
    await member.press('Save');
  };
  await change('Mine');
  await change('Theirs');
  let text = '';
  await until(async () => {
    text = (await member.newestMail('eve@example.test'))?.text ?? '';
    return text.includes('/account/profile/undo/');
  });
  const link = /https?:\/\/\S+\/objection\/\S+/.exec(text)?.[0] ?? '';
  await member.goto(link);
  expect(member.page.text).toContain('The change of your profile is undone.');
  await member.press("This wasn't me");
  const account_id = await accountOf(keyhold.db, 'eve@example.test');
  const row = await keyhold.db('profile_attributes').where({ account_id, attribute: 'name' }).first();
  expect(row.value).toBe('Mine');
});

test('an operator sets no value that is declared to be its person’s alone', async () => {
  await ada.goto(at('/account/profile/correction/legal_name'));
  ada.fill('What is wrong, and what would be right?', 'Please write it for me.');
  await ada.press('Send');
  const [{ id }] = JSON.parse((await profile('corrections', 'list')).out);
  const { code, err } = await profile('corrections', 'accept', id, '--value', 'Mine');
  expect([code, err]).toEqual([1, 'legal_name is declared to be changed by its person alone.\n']);
  expect(JSON.parse((await profile('corrections', 'list')).out)).toHaveLength(1);
});
