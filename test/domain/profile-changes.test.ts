import { afterAll, beforeAll, beforeEach, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { freezeAccount, newAccountId, openAccount } from '../../src/domain/accounts/accounts.js';
import {
  approveChange,
  bringAboutChanges,
  type ChangeOutcome,
  changeProfile,
  findWaiting,
  judgeChange,
  listAttributes,
  listWaiting,
  type ProfileSchema,
  readProfile,
  readSchema,
  refuseChange,
  setAttributes,
  standardSchema,
  sweepProfiles,
  undoChange,
  withdrawChange,
} from '../../src/domain/profiles/profiles.js';
import { openKeyring } from '../../src/platform/crypto/keyring.js';
import { Refusal } from '../../src/platform/errors.js';
import type { Work } from '../../src/platform/storage/work.js';
import { openWork } from '../../src/platform/storage/work.js';
import { openTestDatabase, type TestDatabase } from '../support/database.js';
import { recordedDuring } from '../support/ledger.js';

const keyring = openKeyring('a secret that is only good for tests');
const DAY = 86_400_000;
const START = new Date('2026-03-01T12:00:00Z');

let database: TestDatabase;
let accountId: string;
let clock: Date;

beforeAll(async () => {
  database = await openTestDatabase();
});

beforeEach(async () => {
  clock = START;
  accountId = await somebody();
});

afterAll(() => database?.close());

async function somebody(): Promise<string> {
  const id = newAccountId();
  const account = { id, email: `${id}@example.test`, language: 'en' };
  await openWork(database.db, { kind: 'person' }, work => openAccount(work, keyring, account));
  return id;
}

const days = (count: number) => new Date(START.getTime() + count * DAY);

/** The shipped declaration with an attribute `word` that is limited so. */
function limited(limits: object, more: object = {}): ProfileSchema {
  const file = JSON.parse(standardSchema().text);
  const said = {
    label: { en: 'Word' },
    purpose: 'naming',
    see: ['person', 'apps', 'operator'],
    change: ['person'],
  };
  file.attributes.push({ name: 'word', type: 'text', ...said, limits, ...more });
  const read = readSchema(JSON.stringify(file));
  if ('problems' in read) throw new Error(JSON.stringify(read.problems));
  return read.schema;
}

function at<T>(act: (work: Work) => Promise<T>): Promise<T> {
  return openWork(database.db, { kind: 'person', id: accountId }, work => act({ ...work, at: clock }));
}

const change = (
  schema: ProfileSchema,
  values: Record<string, unknown>,
  fresh = false,
): Promise<ChangeOutcome> =>
  at(work => changeProfile(work, { schema, keyring }, { accountId, values, fresh }));
const word = async () => (await listAttributes(database.db, accountId))['word'];
const rows = () => database.db('profile_changes').where({ account_id: accountId }).orderBy('asked_at');
const run = async (job: { run(payload: unknown, attempt: never): Promise<void> }) =>
  job.run({}, { signal: new AbortController().signal } as never);
const jobs = (schema: ProfileSchema) => ({
  db: database.db,
  keyring,
  schema: async () => schema,
  now: () => clock,
});

const taken = (outcome: ChangeOutcome) => (outcome.outcome === 'taken' ? outcome.changes[0] : outcome);

test('without limits a change leaves its value, its source and its time, and no history of values', async () => {
  const schema = limited({});
  const events = await recordedDuring(database.db, () => change(schema, { word: ' one\u0000\u202e  two ' }));
  expect(await word()).toBe('one two');
  expect(events).toEqual([
    expect.objectContaining({ type: 'profile.changed', detail: { attributes: ['word'], source: 'person' } }),
  ]);
  expect(await rows()).toEqual([]);
  const { values } = await readProfile(database.db, accountId);
  expect(values.get('word')).toEqual({ value: 'one two', source: 'person', at: START });
});

test('what apps are told as the time of the last change moves with it', async () => {
  await change(limited({}), { word: 'one' });
  const account = await database.db('accounts').where({ id: accountId }).first('updated_at');
  expect(account.updated_at).toEqual(START);
});

test('the same value again is no change, counts for nothing and leaves no event', async () => {
  const schema = limited({ changes: { max: 1, within: '30 days' } });
  await change(schema, { word: 'one' });
  await change(schema, { word: 'two' });
  const events = await recordedDuring(database.db, async () => {
    expect(taken(await change(schema, { word: 'two' }))).toEqual({ attribute: 'word', became: 'unchanged' });
  });
  expect(events).toEqual([]);
});

test('giving a value for the first time is free; then N changes fit into the window, and the next says from when', async () => {
  const schema = limited({ changes: { max: 2, within: '30 days' } });
  await change(schema, { word: 'first' });
  clock = days(1);
  await change(schema, { word: 'second' });
  clock = days(2);
  await change(schema, { word: 'third' });
  clock = days(3);
  const events = await recordedDuring(database.db, async () => {
    expect(await change(schema, { word: 'fourth' })).toEqual({
      outcome: 'blocked',
      blocked: [{ attribute: 'word', why: 'too_often', from: days(31) }],
    });
  });
  expect(events).toEqual([
    expect.objectContaining({
      type: 'profile.change_blocked',
      detail: { attribute: 'word', why: 'too_often' },
    }),
  ]);
  expect(await word()).toBe('third');
  clock = days(31);
  expect(taken(await change(schema, { word: 'fourth' }))).toMatchObject({ became: 'changed' });
});

test('taking a value away and giving another is a change like any other', async () => {
  const schema = limited({ changes: { max: 1, within: '30 days' } });
  await change(schema, { word: 'one' });
  await change(schema, { word: '' });
  expect(await change(schema, { word: 'two' })).toMatchObject({ outcome: 'blocked' });
  expect(await word()).toBeUndefined();
});

test('a cool-down keeps changes apart, and the later of two reasons is told', async () => {
  const schema = limited({ cool_down: '10 days', changes: { max: 1, within: '5 days' } });
  await change(schema, { word: 'one' });
  await change(schema, { word: 'two' });
  clock = days(4);
  expect(await change(schema, { word: 'three' })).toMatchObject({
    blocked: [{ why: 'too_soon', from: days(10) }],
  });
  clock = days(10);
  expect(taken(await change(schema, { word: 'three' }))).toMatchObject({ became: 'changed' });
});

test('an attribute that matters takes somebody who has just proved who they are', async () => {
  const schema = limited({ step_up: true });
  expect(await change(schema, { word: 'one' })).toMatchObject({
    blocked: [{ attribute: 'word', why: 'step_up' }],
  });
  expect(await word()).toBeUndefined();
  expect(taken(await change(schema, { word: 'one' }, true))).toMatchObject({ became: 'changed' });
});

test('all that was asked is changed, or nothing is', async () => {
  const schema = limited({ changes: { max: 1, within: '30 days' } });
  await change(schema, { word: 'one' });
  await change(schema, { word: 'two' });
  expect(await change(schema, { nickname: 'N', word: 'three' })).toMatchObject({ outcome: 'blocked' });
  expect(await change(schema, { nickname: 'N', website: 'javascript:alert(1)' })).toEqual({
    outcome: 'invalid',
    problems: [{ attribute: 'website', problem: 'no_url' }],
  });
  expect(await listAttributes(database.db, accountId)).toEqual({ word: 'two' });
});

test('C49: nothing but what the person may change is ever changed (mass assignment)', async () => {
  const schema = limited({}, { change: ['operator'] });
  const hostile = JSON.parse(
    '{"__proto__": "x", "constructor": "x", "prototype": "x", "account_id": "x", "source": "operator", "recorded_at": "x", "email": "x@example.test", "email_verified": true, "phone_number": "+1", "locale": "de", "updated_at": 1, "sub": "x", "state": "active", "picture": "/pictures/x", "word": "x"}',
  );
  const outcome = await change(schema, hostile, true);
  expect(outcome).toMatchObject({ outcome: 'invalid' });
  for (const [name, value] of Object.entries(hostile)) {
    expect(await change(schema, Object.fromEntries([[name, value]]), true)).toMatchObject({
      outcome: 'invalid',
    });
  }
  expect(await listAttributes(database.db, accountId)).toEqual({});
});

test('whose account is frozen changes nothing', async () => {
  await openWork(database.db, { kind: 'person' }, work => freezeAccount(work, accountId));
  await expect(change(limited({}), { word: 'one' })).rejects.toThrow(Refusal);
  expect(await word()).toBeUndefined();
});

test('two changes at once: one wins, whatever the database is asked meanwhile', async () => {
  const schema = limited({ changes: { max: 1, within: '30 days' } });
  await change(schema, { word: 'one' });
  const outcomes = await Promise.all(
    Array.from({ length: 6 }, (_, number) => change(schema, { word: `at once ${number}` })),
  );
  expect(outcomes.filter(({ outcome }) => outcome === 'taken')).toHaveLength(1);
  expect(outcomes.filter(({ outcome }) => outcome === 'blocked')).toHaveLength(5);
  expect(await rows()).toHaveLength(1);
});

test('a change that waits for an operator is sealed, changes nothing yet, and blocks another', async () => {
  const schema = limited({ approval: true, undo_within: '7 days' });
  const events = await recordedDuring(database.db, async () => {
    expect(taken(await change(schema, { word: 'secret word' }))).toMatchObject({ became: 'waiting' });
  });
  expect(events.map(({ type }) => type)).toEqual(['profile.change_asked']);
  expect(JSON.stringify(events)).not.toContain('secret');
  expect(await word()).toBeUndefined();
  const [row] = await rows();
  expect(row.value.toString('latin1')).not.toContain('secret');
  expect(await change(schema, { word: 'another' })).toMatchObject({ blocked: [{ why: 'waiting' }] });
  const waiting = await listWaiting(database.db, undefined, 10);
  expect(waiting.map(({ id }) => id)).toContain(row.id);
  await at(async work => {
    expect(await approveChange(work, { schema, keyring }, row)).toMatchObject({ became: 'changed' });
  });
  expect(await word()).toBe('secret word');
  expect((await rows())[0]).toMatchObject({ state: 'done', value: null });
  await at(async work => {
    expect(await approveChange(work, { schema, keyring }, row)).toBeUndefined();
    expect(await refuseChange(work, row, 'no')).toBeUndefined();
  });
  expect(await findWaiting(database.db, row.id)).toBeUndefined();
});

test('a change that was refused is told with its reason, forgotten otherwise, and counts for nothing', async () => {
  const schema = limited({ approval: true, changes: { max: 1, within: '30 days' } });
  await change(schema, { word: 'one' });
  const [row] = await rows();
  const events = await recordedDuring(database.db, () => at(work => refuseChange(work, row, 'Not a word.')));
  expect(events.map(({ type }) => type)).toEqual(['profile.change_refused']);
  expect((await rows())[0]).toMatchObject({ state: 'refused', value: null, reason: 'Not a word.' });
  expect(taken(await change(schema, { word: 'two' }))).toMatchObject({ became: 'waiting' });
});

test('approving, refusing and withdrawing at once: one of them is so', async () => {
  const schema = limited({ approval: true });
  await change(schema, { word: 'one' });
  const [row] = await rows();
  const decided = await Promise.all([
    at(work => approveChange(work, { schema, keyring }, row)),
    at(work => refuseChange(work, row, 'no')),
    at(work => withdrawChange(work, { accountId, id: row.id })),
    at(work => approveChange(work, { schema, keyring }, row)),
  ]);
  expect(decided.filter(Boolean)).toHaveLength(1);
  const [{ state }] = await rows();
  expect((await word()) === 'one').toBe(state === 'done');
});

test('a change takes effect on its day, once, and not before', async () => {
  const schema = limited({ effective_after: '7 days' });
  await change(schema, { word: 'one' });
  expect(taken(await change(schema, { word: 'two' }))).toMatchObject({ became: 'scheduled', until: days(7) });
  clock = days(6.9);
  await run(bringAboutChanges(jobs(schema)));
  expect(await word()).toBe('one');
  clock = days(7);
  const events = await recordedDuring(database.db, async () => {
    await Promise.all([run(bringAboutChanges(jobs(schema))), run(bringAboutChanges(jobs(schema)))]);
  });
  expect(events.map(({ type }) => type)).toEqual(['profile.changed']);
  expect(await word()).toBe('two');
});

test('what is taken back never takes effect', async () => {
  const schema = limited({ effective_after: '7 days' });
  await change(schema, { word: 'one' });
  await change(schema, { word: 'two' });
  const [row] = await rows();
  await at(work => withdrawChange(work, { accountId, id: row.id }));
  clock = days(8);
  await run(bringAboutChanges(jobs(schema)));
  expect(await word()).toBe('one');
  expect((await rows())[0]).toMatchObject({ state: 'withdrawn', value: null });
});

test('undoing brings the value back with where it came from and since when, and takes later changes along', async () => {
  const schema = limited({ undo_within: '7 days' });
  await openWork(database.db, { kind: 'operator' }, work =>
    setAttributes({ ...work, at: days(-100) }, schema, accountId, { word: 'mine' }, 'import'),
  );
  await change(schema, { word: 'theirs' });
  clock = days(1);
  await change(schema, { word: 'theirs again' });
  const [first, second] = await rows();
  expect(first.value_before.toString('latin1')).not.toContain('mine');
  clock = days(2);
  const events = await recordedDuring(database.db, () =>
    at(work => undoChange(work, { keyring }, { accountId, id: first.id })),
  );
  expect(events.map(({ type }) => type)).toEqual(['profile.change_undone']);
  const { values } = await readProfile(database.db, accountId);
  expect(values.get('word')).toEqual({ value: 'mine', source: 'import', at: days(-100) });
  expect(await at(work => undoChange(work, { keyring }, { accountId, id: first.id }))).toBeUndefined();
  expect(await at(work => undoChange(work, { keyring }, { accountId, id: second.id }))).toBeUndefined();
  expect((await rows()).map(({ state, value_before }) => [state, value_before])).toEqual([
    ['undone', null],
    ['undone', null],
  ]);
});

test('after its window nothing can be undone, and what was there before is forgotten', async () => {
  const schema = limited({ undo_within: '7 days' });
  await change(schema, { word: 'one' });
  await change(schema, { word: 'two' });
  const [row] = await rows();
  clock = days(7);
  expect(await at(work => undoChange(work, { keyring }, { accountId, id: row.id }))).toBeUndefined();
  await run(sweepProfiles(jobs(schema)));
  expect((await rows())[0]).toMatchObject({ state: 'done', value_before: null });
  expect(await word()).toBe('two');
});

test('C40: a change is undone, withdrawn or read by whose it is alone (IDOR)', async () => {
  const schema = limited({ undo_within: '7 days' });
  await change(schema, { word: 'one' });
  await change(schema, { word: 'two' });
  const [row] = await rows();
  const owner = accountId;
  accountId = await somebody();
  const own = { accountId, id: row.id };
  const events = await recordedDuring(database.db, async () => {
    expect(await at(work => undoChange(work, { keyring }, own))).toBeUndefined();
    expect(await at(work => withdrawChange(work, own))).toBeUndefined();
  });
  expect(events).toEqual([]);
  accountId = owner;
  expect(await word()).toBe('two');
});

test('a sealed value that is put into another row is not opened', async () => {
  const schema = limited({ approval: true });
  await change(schema, { word: 'one' });
  const [{ value }] = await rows();
  accountId = await somebody();
  await change(schema, { word: 'other' });
  await database.db('profile_changes').where({ account_id: accountId }).update({ value });
  const [row] = await rows();
  expect(await at(work => approveChange(work, { schema, keyring }, row))).toBeUndefined();
  expect((await rows())[0]).toMatchObject({ state: 'withdrawn', value: null });
  expect(await word()).toBeUndefined();
});

test('a value goes when its purpose keeps it no longer, and so does what is not declared any more', async () => {
  const file = JSON.parse(standardSchema().text);
  file.purposes.push({
    id: 'brief',
    basis: 'consent',
    name: { en: 'B' },
    why: { en: 'B' },
    retention: '30 days',
  });
  const said = { label: { en: 'Word' }, see: ['person'], change: ['person'] };
  file.attributes.push({ name: 'word', type: 'text', purpose: 'brief', ...said });
  const read = readSchema(JSON.stringify(file));
  if ('problems' in read) throw new Error('no file');
  const { schema } = read;
  await change(schema, { word: 'one', nickname: 'N' });
  await database.db('profile_attributes').insert({
    account_id: accountId,
    attribute: 'was_declared_once',
    value: '1',
    source: 'person',
    recorded_at: START,
  });
  clock = days(29);
  await run(sweepProfiles(jobs(schema)));
  expect(await listAttributes(database.db, accountId)).toEqual({ word: 'one', nickname: 'N' });
  clock = days(31);
  const events = await recordedDuring(database.db, () => run(sweepProfiles(jobs(schema))));
  expect(await listAttributes(database.db, accountId)).toEqual({ nickname: 'N' });
  expect(events.filter(({ account_id }) => account_id === accountId)).toEqual([
    expect.objectContaining({ type: 'profile.expired', detail: { attribute: 'word', reason: 'retention' } }),
  ]);
});

test('counted changes go once no limit counts them', async () => {
  const schema = limited({ changes: { max: 3, within: '400 days' } });
  await change(schema, { word: 'one' });
  await change(schema, { word: 'two' });
  clock = days(399);
  await run(sweepProfiles(jobs(schema)));
  expect(await rows()).toHaveLength(1);
  clock = days(401);
  await run(sweepProfiles(jobs(schema)));
  expect(await rows()).toEqual([]);
});

test('whatever is tried and whenever: no window ever holds more changes than allowed, and "from" is true', async () => {
  const spans = fc.record({
    max: fc.integer({ min: 1, max: 4 }),
    within: fc.integer({ min: 1, max: 40 }),
    apart: fc.integer({ min: 0, max: 15 }),
    steps: fc.array(fc.integer({ min: 0, max: 12 }), { minLength: 1, maxLength: 40 }),
  });
  fc.assert(
    fc.property(spans, ({ max, within, apart, steps }) => {
      const limits = {
        changes: { max, within: `${within} days` },
        ...(apart > 0 && { cool_down: `${apart} days` }),
      };
      const made: Date[] = [];
      let now = START.getTime();
      for (const step of steps) {
        now += step * DAY;
        const before = (at: Date) => ({
          asked: made.filter(date => date.getTime() > at.getTime() - Math.max(within, apart) * DAY),
          open: false,
          hasValue: true,
        });
        const when = new Date(now);
        const blocked = judgeChange(limits, before(when), { at: when, fresh: false });
        if (!blocked) made.unshift(when);
        else {
          const { from = when } = blocked;
          const early = new Date(from.getTime() - 1);
          expect(from > when).toBe(true);
          expect(judgeChange(limits, before(from), { at: from, fresh: false })).toBeUndefined();
          expect(judgeChange(limits, before(early), { at: early, fresh: false })).toBeDefined();
        }
      }
      for (const [index, date] of made.entries()) {
        const inWindow = made.slice(index).filter(each => each.getTime() > date.getTime() - within * DAY);
        expect(inWindow.length).toBeLessThanOrEqual(max);
        const next = made[index + 1];
        if (next) expect(date.getTime() - next.getTime()).toBeGreaterThanOrEqual(apart * DAY);
      }
    }),
  );
});

test('in the database as well: whatever is changed, undone and taken back, no window holds more than allowed', async () => {
  const acts = fc.array(
    fc.record({
      act: fc.constantFrom('change', 'clear', 'undo', 'withdraw', 'day'),
      days: fc.integer({ min: 0, max: 5 }),
    }),
    { minLength: 5, maxLength: 25 },
  );
  await fc.assert(
    fc.asyncProperty(acts, fc.integer({ min: 1, max: 3 }), fc.boolean(), async (steps, max, later) => {
      const limits = { changes: { max, within: '10 days' }, undo_within: '4 days' };
      const schema = limited(later ? { ...limits, effective_after: '2 days' } : limits);
      accountId = await somebody();
      clock = START;
      for (const [number, { act, days: passed }] of steps.entries()) {
        clock = new Date(clock.getTime() + passed * DAY + 1_000);
        const [last] = (await rows()).reverse();
        const own = { accountId, id: last?.id ?? newAccountId() };
        if (act === 'change') await change(schema, { word: `word ${number}` });
        if (act === 'clear') await change(schema, { word: null });
        if (act === 'undo') await at(work => undoChange(work, { keyring }, own));
        if (act === 'withdraw') await at(work => withdrawChange(work, own));
        if (act === 'day') await run(bringAboutChanges(jobs(schema)));
      }
      const counted = (await rows()).filter(({ state }) => !['withdrawn', 'refused'].includes(state));
      for (const { asked_at } of counted) {
        const until = asked_at.getTime();
        const inWindow = counted.filter(
          row => row.asked_at <= asked_at && row.asked_at.getTime() > until - 10 * DAY,
        );
        expect(inWindow.length).toBeLessThanOrEqual(max);
      }
      expect(counted.filter(({ state }) => state === 'scheduled').length).toBeLessThanOrEqual(1);
      for (const row of await rows()) {
        if (row.state !== 'scheduled' && row.state !== 'waiting') expect(row.value).toBeNull();
        if (row.state !== 'done') expect(row.value_before).toBeNull();
      }
    }),
    { numRuns: 15 },
  );
});
