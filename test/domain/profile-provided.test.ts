import { afterAll, beforeAll, beforeEach, expect, test } from '@jest/globals';
import { newAccountId, openAccount } from '../../src/domain/accounts/accounts.js';
import {
  approveChange,
  changeProfile,
  endPurpose,
  type Given,
  listWaiting,
  type ProfileSchema,
  type ProvidedOutcome,
  providerWins,
  readProfile,
  readSchema,
  refuseChange,
  standardSchema,
  takeProvided,
  undoChange,
  WINNERS,
  type Winner,
} from '../../src/domain/profiles/profiles.js';
import { openKeyring } from '../../src/platform/crypto/keyring.js';
import { openWork, type Work } from '../../src/platform/storage/work.js';
import { openTestDatabase, type TestDatabase } from '../support/database.js';
import { recordedDuring } from '../support/ledger.js';

const keyring = openKeyring('a secret that is only good for tests');
const DAY = 86_400_000;
const START = new Date('2026-03-01T12:00:00Z');

let database: TestDatabase;
let accountId: string;
let clock: Date;
let given: Given;

beforeAll(async () => {
  database = await openTestDatabase();
});

beforeEach(async () => {
  clock = START;
  given = {};
  accountId = newAccountId();
  const account = { id: accountId, email: `${accountId}@example.test`, language: 'en' };
  await openWork(database.db, { kind: 'person' }, work => openAccount(work, keyring, account));
});

afterAll(() => database?.close());

/** The shipped declaration with an attribute `word`. */
function withWord(limits: object = {}, more: object = {}): ProfileSchema {
  const file = JSON.parse(standardSchema().text);
  const account = file.purposes.find((purpose: { id: string }) => purpose.id === 'account');
  file.purposes.push(
    { ...account, id: 'brief', retention: '30 days' },
    { ...account, id: 'choice', basis: 'consent', required: false },
  );
  const said = { label: { en: 'Word' }, purpose: 'account', see: ['person', 'apps', 'operator'] };
  file.attributes.push({ name: 'word', type: 'text', max: 12, ...said, change: ['person'], limits, ...more });
  const read = readSchema(JSON.stringify(file));
  if ('problems' in read) throw new Error(JSON.stringify(read.problems));
  return read.schema;
}

function at<T>(act: (work: Work) => Promise<T>): Promise<T> {
  return openWork(database.db, { kind: 'person', id: accountId }, work => act({ ...work, at: clock }));
}

interface Sending {
  readonly schema?: ProfileSchema;
  readonly provider?: string;
  readonly agreed?: boolean;
}

/** Somebody signs in with a provider that says `word` is this. */
async function arrive(
  wins: Winner,
  value: unknown,
  { schema = withWord(), provider = 'acme', agreed = false }: Sending = {},
): Promise<ProvidedOutcome> {
  const values = [{ attribute: 'word', value, wins }];
  const outcome = await at(work =>
    takeProvided(work, { schema, keyring }, { accountId, provider, values, given, agreed }),
  );
  given = outcome.given;
  return outcome;
}

const edit = (value: string, schema = withWord()) =>
  at(work => changeProfile(work, { schema, keyring }, { accountId, values: { word: value }, fresh: true }));
const kept = async () => {
  const word = (await readProfile(database.db, accountId)).values.get('word');
  return word && [word.value, word.source];
};

test('what a provider sends stands with the provider as its source, and is on record without the value', async () => {
  const events = await recordedDuring(database.db, () => arrive('until_edited', '  Ada \n'));
  expect(await kept()).toEqual(['Ada', 'provider:acme']);
  expect(events).toEqual([
    expect.objectContaining({
      type: 'profile.changed',
      account_id: accountId,
      detail: { attributes: ['word'], source: 'provider:acme' },
    }),
  ]);
  expect(JSON.stringify(given)).not.toContain('Ada');
});

test('"first": what came first stays, whatever the provider sends later, and also once it was taken away here', async () => {
  await arrive('first', 'Ada');
  expect((await arrive('first', 'Countess')).left).toEqual([{ attribute: 'word', why: 'kept' }]);
  expect(await kept()).toEqual(['Ada', 'provider:acme']);
  await edit('');
  await arrive('first', 'Countess');
  expect(await kept()).toBeUndefined();
});

test('"first": what stood before the provider was there stays', async () => {
  await edit('Mine');
  await arrive('first', 'Ada');
  expect(await kept()).toEqual(['Mine', 'person']);
});

test('"always": the provider wins over what was edited here, and over what was taken away', async () => {
  await edit('Mine');
  await arrive('always', 'Ada');
  expect(await kept()).toEqual(['Ada', 'provider:acme']);
  await edit('Mine');
  await arrive('always', 'Ada');
  expect(await kept()).toEqual(['Ada', 'provider:acme']);
  await edit('');
  await arrive('always', 'Ada');
  expect(await kept()).toEqual(['Ada', 'provider:acme']);
});

test('"until_edited": the provider wins until its person edits the value, and never again', async () => {
  await arrive('until_edited', 'Ada');
  await arrive('until_edited', 'Countess');
  expect(await kept()).toEqual(['Countess', 'provider:acme']);
  await edit('Mine');
  expect((await arrive('until_edited', 'Ada')).changes).toEqual([]);
  expect(await kept()).toEqual(['Mine', 'person']);
});

test('"until_edited": what was taken away or undone here counts as edited', async () => {
  const schema = withWord({ undo_within: '7 days' });
  await arrive('until_edited', 'Ada', { schema });
  const { changes } = await arrive('until_edited', 'Countess', { schema });
  await at(work => undoChange(work, { keyring }, { accountId, id: changes[0]?.changeId ?? '' }));
  expect(await kept()).toEqual(['Ada', 'provider:acme']);
  await arrive('until_edited', 'Countess', { schema });
  expect(await kept()).toEqual(['Ada', 'provider:acme']);
  await edit('', schema);
  await arrive('until_edited', 'Another', { schema });
  expect(await kept()).toBeUndefined();
});

test('"until_edited": one provider does not edit what another sent', async () => {
  await arrive('until_edited', 'Ada', { provider: 'acme' });
  given = {};
  await arrive('until_edited', 'Countess', { provider: 'other' });
  expect(await kept()).toEqual(['Ada', 'provider:acme']);
});

test('the same once more is no change and no event, and is kept for its time from then on', async () => {
  const timed = withWord({}, { purpose: 'brief' });
  await arrive('until_edited', 'Ada', { schema: timed });
  clock = new Date(START.getTime() + DAY);
  const events = await recordedDuring(database.db, () => arrive('until_edited', 'Ada', { schema: timed }));
  expect(events).toEqual([]);
  expect((await readProfile(database.db, accountId)).values.get('word')?.at).toEqual(clock);
});

test('what does not fit the declaration is left out, and the rest is taken', async () => {
  const values = [
    { attribute: 'word', value: 'much longer than twelve', wins: 'always' },
    { attribute: 'nowhere', value: 'x', wins: 'always' },
    { attribute: 'email', value: 'x@example.test', wins: 'always' },
    { attribute: 'website', value: 'javascript:alert(1)', wins: 'always' },
    { attribute: 'picture', value: 'https://example.test/x.png', wins: 'always' },
    { attribute: 'family_name', value: { $ne: '' }, wins: 'always' },
    { attribute: 'nickname', value: '', wins: 'always' },
    { attribute: 'given_name', value: 'Ada', wins: 'always' },
  ] as const;
  const rules = { schema: withWord(), keyring };
  const outcome = await at(work =>
    takeProvided(work, rules, { accountId, provider: 'acme', values, given, agreed: true }),
  );
  expect(outcome.changes.map(({ attribute }) => attribute)).toEqual(['given_name']);
  expect(outcome.left.map(({ attribute, why }) => `${attribute} ${why}`)).toEqual([
    'word too_long',
    'nowhere unknown',
    'email unknown',
    'website no_url',
    'picture by_upload',
    'family_name not_like_that',
    'nickname missing',
  ]);
  expect(Object.keys(outcome.given)).toEqual(['given_name']);
});

test('a provider is no way round the limits of an attribute: what is blocked is on record, and comes when it may', async () => {
  const schema = withWord({ changes: { max: 1, within: '30 days' } });
  await arrive('always', 'one', { schema });
  await arrive('always', 'two', { schema });
  const events = await recordedDuring(database.db, async () => {
    expect(await arrive('always', 'three', { schema })).toMatchObject({
      changes: [],
      left: [{ attribute: 'word', why: 'too_often' }],
    });
  });
  expect(events.map(({ type }) => type)).toEqual(['profile.change_blocked']);
  expect(await kept()).toEqual(['two', 'provider:acme']);
  clock = new Date(START.getTime() + 31 * DAY);
  await arrive('until_edited', 'three', { schema });
  expect(await kept()).toEqual(['three', 'provider:acme']);
});

test('what an operator has to allow waits for that, is asked for once, and comes from the provider when it is allowed', async () => {
  const schema = withWord({ approval: true });
  expect((await arrive('always', 'Ada', { schema })).changes).toMatchObject([{ became: 'waiting' }]);
  expect((await arrive('always', 'Ada', { schema })).left).toEqual([{ attribute: 'word', why: 'kept' }]);
  const waiting = async () =>
    (await listWaiting(database.db, undefined, 1_000)).find(row => row.account_id === accountId);
  const first = await waiting();
  await at(async work => first && refuseChange(work, first, 'No.'));
  await arrive('always', 'Ada', { schema });
  expect(await waiting()).toBeUndefined();
  await arrive('always', 'Countess', { schema });
  const second = await waiting();
  await at(async work => second && approveChange(work, { schema, keyring }, second));
  expect(await kept()).toEqual(['Countess', 'provider:acme']);
});

test('what rests on consent is taken only once its person agreed, and does not come back when they took it back', async () => {
  const schema = withWord({}, { purpose: 'choice' });
  expect((await arrive('always', 'Ada', { schema })).left).toEqual([
    { attribute: 'word', why: 'not_agreed' },
  ]);
  expect(await kept()).toBeUndefined();
  await arrive('always', 'Ada', { schema, agreed: true });
  expect(await kept()).toEqual(['Ada', 'provider:acme']);
  await at(work => endPurpose(work, schema, { accountId, purpose: 'choice' }));
  await arrive('always', 'Countess', { schema });
  expect(await kept()).toBeUndefined();
});

test('nothing is taken into an account that may not be changed', async () => {
  await database.db('accounts').where({ id: accountId }).update({ state: 'frozen' });
  await expect(arrive('always', 'Ada')).rejects.toMatchObject({ code: 'account_not_active' });
  expect(await kept()).toBeUndefined();
});

test('the rule alone: each winner in each standing', () => {
  const source = 'provider:acme' as const;
  const table = [undefined, source, 'person', 'provider:other'].flatMap(from =>
    [false, true].map(sentBefore => {
      const current = from === undefined ? undefined : { source: from as typeof source };
      const standing = { current, source, sentBefore, sentThis: false, waits: false };
      const won = WINNERS.map(wins => (providerWins(wins, standing) ? wins : '-'));
      return [from ?? 'nothing', sentBefore ? 'again' : 'new', ...won].join(' ');
    }),
  );
  expect(table).toEqual([
    'nothing new first always until_edited',
    'nothing again - always -',
    'provider:acme new - always until_edited',
    'provider:acme again - always until_edited',
    'person new - always -',
    'person again - always -',
    'provider:other new - always -',
    'provider:other again - always -',
  ]);
});
