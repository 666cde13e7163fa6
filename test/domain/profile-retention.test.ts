import { afterAll, beforeAll, beforeEach, expect, test } from '@jest/globals';
import { newAccountId, openAccount } from '../../src/domain/accounts/accounts.js';
import {
  changeProfile,
  type Ending,
  listAttributes,
  type ProfileSchema,
  readSchema,
  setAttributes,
  standardSchema,
  sweepProfiles,
  valuesEnding,
} from '../../src/domain/profiles/profiles.js';
import { openKeyring } from '../../src/platform/crypto/keyring.js';
import { openWork, type Work } from '../../src/platform/storage/work.js';
import { openTestDatabase, type TestDatabase } from '../support/database.js';
import { recordedDuring } from '../support/ledger.js';

// A value goes when its last purpose has ended, and its person is told two weeks before.

const keyring = openKeyring('a secret that is only good for tests');
const DAY = 86_400_000;
const START = new Date('2026-03-01T12:00:00Z');
let database: TestDatabase;
let accountId: string;
let clock: Date;
let told: Ending[];

beforeAll(async () => {
  database = await openTestDatabase();
});

beforeEach(async () => {
  await database.db('profile_attributes').delete();
  clock = START;
  told = [];
  accountId = await somebody();
});

afterAll(() => database?.close());

async function somebody(): Promise<string> {
  const id = newAccountId();
  const account = { id, email: `${id}@example.test`, language: 'en' };
  await openWork(database.db, { kind: 'person' }, work => openAccount(work, keyring, account));
  return id;
}

/** The shipped declaration with three attributes that are kept for so long. */
function kept(retention: string): ProfileSchema {
  const file = JSON.parse(standardSchema().text);
  const words = { name: { en: 'B' }, why: { en: 'B' } };
  file.purposes.push({ id: 'brief', basis: 'consent', ...words, retention });
  for (const name of ['one', 'two', 'hidden']) {
    const see = name === 'hidden' ? ['operator'] : ['person', 'operator'];
    const change = name === 'hidden' ? ['operator'] : ['person'];
    file.attributes.push({ name, type: 'text', purpose: 'brief', label: { en: name }, see, change });
  }
  const read = readSchema(JSON.stringify(file));
  if ('problems' in read) throw new Error(JSON.stringify(read.problems));
  return read.schema;
}

const days = (count: number) => new Date(START.getTime() + count * DAY);
const give = (schema: ProfileSchema, values: Record<string, string>, of = accountId) =>
  openWork(database.db, { kind: 'person', id: of }, work =>
    changeProfile({ ...work, at: clock }, { schema, keyring }, { accountId: of, values, fresh: true }),
  );
const sweep = (schema: ProfileSchema, tellEnding?: (work: Work, ending: Ending) => Promise<void>) =>
  sweepProfiles({
    db: database.db,
    schema: async () => schema,
    now: () => clock,
    tellEnding: tellEnding ?? (async (_work, ending) => void told.push(ending)),
  }).run({}, { id: '1', attempt: 1, last: false, signal: new AbortController().signal });
const names = async (of = accountId) => Object.keys(await listAttributes(database.db, of)).sort();

test('its person is told once, two weeks before, of all that goes, and it goes on its day', async () => {
  const schema = kept('60 days');
  await give(schema, { one: 'a', two: 'b' });
  clock = days(45);
  await sweep(schema);
  expect(told).toEqual([]);
  clock = days(46.1);
  await sweep(schema);
  await sweep(schema);
  expect(told).toEqual([{ accountId, attributes: ['one', 'two'] }]);
  clock = days(59.9);
  await sweep(schema);
  expect(await names()).toEqual(['one', 'two']);
  clock = days(60.2);
  const events = await recordedDuring(database.db, () => sweep(schema));
  expect(await names()).toEqual([]);
  expect(events.map(({ type, detail }) => [type, detail])).toEqual([
    ['profile.expired', { attribute: 'one', reason: 'retention' }],
    ['profile.expired', { attribute: 'two', reason: 'retention' }],
  ]);
  expect(told).toHaveLength(1);
});

test('whoever saves it once more keeps it for its time anew, and is told again then', async () => {
  const schema = kept('60 days');
  await give(schema, { one: 'a', two: 'b' });
  clock = days(47);
  await sweep(schema);
  expect(await give(schema, { one: 'a' })).toMatchObject({ changes: [{ became: 'unchanged' }] });
  clock = days(62);
  await sweep(schema);
  expect(await names()).toEqual(['one']);
  clock = days(94);
  await sweep(schema);
  expect(told.at(-1)).toEqual({ accountId, attributes: ['one'] });
  clock = days(109);
  await sweep(schema);
  expect(await names()).toEqual([]);
});

test('what was told of is not told of again with what ends later', async () => {
  const schema = kept('60 days');
  await give(schema, { one: 'a' });
  clock = days(5);
  await give(schema, { two: 'b' });
  for (const day of [47, 52]) {
    clock = days(day);
    await sweep(schema);
  }
  expect(told.map(({ attributes }) => attributes)).toEqual([['one'], ['two']]);
});

test('nothing that its person gave goes untold, also where the time is made shorter', async () => {
  const [long, short] = [kept('400 days'), kept('60 days')];
  await give(long, { one: 'a' });
  clock = days(200);
  await sweep(long);
  expect(await valuesEnding(database.db, long, short, { at: clock, most: 10 })).toEqual([
    { attribute: 'one', values: 1 },
  ]);
  expect(await valuesEnding(database.db, short, long, { at: clock, most: 10 })).toEqual([]);
  await sweep(short);
  expect([await names(), told]).toEqual([['one'], [{ accountId, attributes: ['one'] }]]);
  clock = days(215);
  await sweep(short);
  expect(await names()).toEqual([]);
});

test('what is kept for less than four weeks, or never shown, goes without a word', async () => {
  const short = kept('20 days');
  await give(short, { one: 'a' });
  await openWork(database.db, { kind: 'operator' }, work =>
    setAttributes({ ...work, at: clock }, short, accountId, { hidden: 'x' }, 'operator'),
  );
  clock = days(21);
  await sweep(short);
  expect([await names(), told]).toEqual([[], []]);
});

test('a job that dies between note and mail leaves neither, and the next one tells', async () => {
  const schema = kept('60 days');
  const others = await Promise.all(Array.from({ length: 4 }, somebody));
  for (const id of [accountId, ...others]) await give(schema, { one: 'a' }, id);
  clock = days(50);
  let mails = 0;
  const dying = async () => {
    mails += 1;
    if (mails === 3) throw new Error('the process is killed');
  };
  await expect(sweep(schema, dying)).rejects.toThrow('killed');
  expect(await database.db('profile_attributes').whereNotNull('ends_told_at')).toEqual([]);
  await Promise.all([sweep(schema), sweep(schema)]);
  expect(told.map(({ accountId: id }) => id).sort()).toEqual([accountId, ...others].sort());
});

test('a time that nothing keeps to is not declared', () => {
  const refused = (id: string, retention: string) => {
    const file = JSON.parse(standardSchema().text);
    file.purposes.find((purpose: { id: string }) => purpose.id === id).retention = retention;
    const read = readSchema(JSON.stringify(file));
    return 'problems' in read ? read.problems.map(({ path, message }) => `${path} ${message}`) : [];
  };
  const at = (id: string) => standardSchema().schema.purposes.findIndex(purpose => purpose.id === id);
  expect(refused('security', '90 days')).toEqual([
    `purposes[${at('security')}].retention must be "account", since what Keyhold itself holds for it is kept as long as that or for a time of its own`,
  ]);
  expect(refused('reach', '90 days')[0]).toContain('since "phone_number');
  expect(refused('proof', '2000 days')).toEqual([]);
  expect(refused('comfort', '90 days')).toEqual([]);
});
