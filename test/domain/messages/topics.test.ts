import { afterAll, beforeAll, beforeEach, expect, test } from '@jest/globals';
import { newAccountId, openAccount } from '../../../src/domain/accounts/accounts.js';
import {
  applyTopics,
  giveOptIn,
  listOptIns,
  listTopics,
  planTopics,
  type Topic,
  withdrawOptIn,
} from '../../../src/domain/messages/messages.js';
import { openSchema, standardSchema } from '../../../src/domain/profiles/profiles.js';
import { listPurposes, setPurposes } from '../../../src/domain/purposes/purposes.js';
import { openKeyring } from '../../../src/platform/crypto/keyring.js';
import { openWork } from '../../../src/platform/storage/work.js';
import { openTestDatabase, type TestDatabase } from '../../support/database.js';
import { recordedDuring } from '../../support/ledger.js';
import { NEWS } from '../../support/topics.js';

let database: TestDatabase;
let accountId: string;
const [first] = NEWS.topics;
const words = first?.words.en;

beforeAll(async () => {
  database = await openTestDatabase();
  await openSchema(database.db);
});

beforeEach(async () => {
  await database.db.raw('TRUNCATE opt_ins, topic_wordings, topics, messages CASCADE').catch(async () => {
    for (const table of ['opt_ins', 'topic_wordings', 'topics']) await database.db(table).delete();
  });
  await apply(NEWS);
  accountId = newAccountId();
  const keyring = openKeyring('a secret of a test that is long enough');
  await openWork(database.db, { kind: 'person', id: accountId }, work =>
    openAccount(work, keyring, { id: accountId, email: `${accountId}@example.test`, language: 'en' }),
  );
});

afterAll(() => database.close());

const apply = (input: unknown) =>
  openWork(database.db, { kind: 'operator' }, work => applyTopics(work, input));

async function topicOf(name: string): Promise<Topic> {
  const found = (await listTopics(database.db)).find(({ topic }) => topic === name);
  if (!found) throw new Error(`there is no topic ${name}`);
  return found;
}

const give = async (language = 'en', channel: 'email' | 'sms' = 'email') => {
  const topic = await topicOf('news');
  return openWork(database.db, { kind: 'person', id: accountId }, work =>
    giveOptIn(work, accountId, topic, { channel, language, place: 'preferences' }),
  );
};

test('applying declares the topics in their order, and says once more that there is nothing to do', async () => {
  expect((await listTopics(database.db)).map(({ topic }) => topic)).toEqual(['news', 'offers']);
  expect(await planTopics(database.db, NEWS)).toEqual({ add: [], change: [], retire: [] });
  expect(await recordedDuring(database.db, () => apply(NEWS))).toEqual([]);
});

test('planning changes nothing', async () => {
  const next = { topics: [{ ...first, topic: 'events' }] };
  const plan = { add: ['events'], change: [], retire: ['news', 'offers'] };
  expect(await recordedDuring(database.db, () => planTopics(database.db, next))).toEqual([]);
  expect(await planTopics(database.db, next)).toEqual(plan);
  expect((await listTopics(database.db)).map(({ topic }) => topic)).toEqual(['news', 'offers']);
  const events = await recordedDuring(database.db, () => apply(next));
  expect(events.map(({ type, detail }) => [type, detail['topic']])).toEqual([
    ['topic.declared', 'events'],
    ['topic.retired', 'news'],
    ['topic.retired', 'offers'],
  ]);
});

test.each([
  ['without English', { ...first, words: { de: words } }],
  ['with a name that is none', { ...first, topic: 'News!' }],
  ['with a channel that is none', { ...first, channels: ['pigeon'] }],
  ['without a channel', { ...first, channels: [] }],
  ['with a line break in its words', { ...first, words: { en: { ...words, name: 'News\nBcc: x' } } }],
  ['that counts from a version to come', { ...first, counts_from: 2 }],
  ['with a member that nobody knows', { ...first, preticked: true }],
])('a topic %s is refused, and nothing has changed', async (_what, topic) => {
  const before = await listTopics(database.db);
  await expect(apply({ topics: [topic] })).rejects.toMatchObject({ code: 'invalid_topics' });
  expect(await listTopics(database.db)).toEqual(before);
});

test('a purpose that the profile does not declare is refused', async () => {
  const topic = { ...first, topic: 'events', purpose: 'marketing' };
  await expect(apply({ topics: [topic] })).rejects.toMatchObject({ code: 'purpose_unknown' });
  await openWork(database.db, { kind: 'operator' }, work =>
    setPurposes(work, [
      ...standardSchema().schema.purposes,
      {
        id: 'marketing',
        basis: 'consent',
        name: { en: 'News' },
        why: { en: 'To tell you.' },
        retention: 'account',
      },
    ]),
  );
  await apply({ topics: [topic] });
  expect(await listTopics(database.db)).toMatchObject([{ topic: 'events', purpose: 'marketing' }]);
});

test('a topic has a purpose, and a purpose that people are written to for cannot go', async () => {
  await expect(apply({ topics: [{ ...first, purpose: undefined }] })).rejects.toMatchObject({
    code: 'invalid_topics',
  });
  const { schema } = standardSchema();
  const without = schema.purposes.filter(({ id }) => id !== 'messages');
  const remove = () =>
    openWork(database.db, { kind: 'operator' }, work => setPurposes(work, without, schema.attributes));
  const events = await recordedDuring(database.db, () =>
    expect(remove()).rejects.toMatchObject({ code: 'purpose_in_use' }),
  );
  expect(events).toEqual([]);
  expect((await listPurposes(database.db)).map(({ id }) => id)).toContain('messages');
  const row = {
    topic: 'dark',
    position: 9,
    version: 1,
    counts_from: 1,
    channels: ['email'],
    declared_at: new Date(),
  };
  await expect(database.db('topics').insert(row)).rejects.toMatchObject({
    constraint: 'topics__has_purpose',
  });
  await expect(database.db('topics').insert({ ...row, purpose: 'nothing' })).rejects.toMatchObject({
    constraint: 'topics__purpose',
  });
});

test('words that somebody may have agreed to cannot be changed under their version', async () => {
  const reworded = { ...first, words: { en: { ...words, opt_in: 'Yes to everything' } } };
  await expect(apply({ topics: [reworded] })).rejects.toMatchObject({ code: 'topic_reworded' });
  await apply({ topics: [{ ...reworded, version: 2 }] });
  await expect(apply({ topics: [first] })).rejects.toMatchObject({ code: 'topic_reworded' });
});

test('a language may be added under the same version', async () => {
  const more = {
    ...first,
    words: { ...first?.words, fr: { name: 'Nouvelles', description: 'x', opt_in: 'Oui' } },
  };
  expect(await planTopics(database.db, { topics: [more] })).toMatchObject({ change: ['news'] });
  await apply({ topics: [more] });
  expect(Object.keys((await topicOf('news')).words).sort()).toEqual(['de', 'en', 'fr']);
});

test('an opt-in keeps the wording, version and language that were read, whatever is declared later', async () => {
  const given = await recordedDuring(database.db, () => give('de'));
  expect(given).toMatchObject([
    {
      type: 'opt_in.given',
      account_id: accountId,
      detail: { topic: 'news', channel: 'email', version: 1, language: 'de', place: 'preferences' },
    },
  ]);
  const other = { name: 'Letters', description: 'x', opt_in: 'Yes, letters' };
  await apply({ topics: [{ ...first, version: 2, words: { en: other, de: other } }] });
  const wording = 'Ja, schreiben Sie mir einmal im Monat, was es Neues gibt.';
  expect(await listOptIns(database.db, accountId)).toMatchObject([
    { version: 1, language: 'de', wording, live: true },
  ]);
});

test('a language without words of its own is asked in English, and that is what is on record', async () => {
  await give('ar');
  expect(await listOptIns(database.db, accountId)).toMatchObject([{ language: 'en' }]);
});

test('opt-ins to a version that counts no more are asked for again, and given anew under the new words', async () => {
  await give();
  const other = { name: 'Letters', description: 'x', opt_in: 'Yes, letters' };
  await apply({ topics: [{ ...first, version: 2, counts_from: 2, words: { en: other } }] });
  expect(await listOptIns(database.db, accountId)).toMatchObject([{ version: 1, live: false }]);
  expect(await give()).toBe(true);
  expect(await listOptIns(database.db, accountId)).toMatchObject([
    { version: 2, wording: 'Yes, letters', live: true },
  ]);
  expect(await database.db('opt_ins').where({ account_id: accountId })).toHaveLength(2);
});

test('an opt-in is for one channel, given once however often it is said, and withdrawn once', async () => {
  expect([await give(), await give(), await give('en', 'sms')]).toEqual([true, false, true]);
  const withdraw = () =>
    openWork(database.db, { kind: 'person', id: accountId }, work =>
      withdrawOptIn(work, { accountId, topic: 'news', channel: 'email' }, 'preferences'),
    );
  expect([await withdraw(), await withdraw()]).toEqual([true, false]);
  expect(await listOptIns(database.db, accountId)).toMatchObject([{ channel: 'sms' }]);
});

test('given twenty times at once it stands once', async () => {
  const given = await Promise.all(Array.from({ length: 20 }, () => give()));
  expect(given.filter(Boolean)).toHaveLength(1);
  expect(await listOptIns(database.db, accountId)).toHaveLength(1);
});

test('a topic that is gone counts no more, and comes back with those who wanted it', async () => {
  await give();
  await apply({ topics: [] });
  expect(await listOptIns(database.db, accountId)).toMatchObject([{ live: false }]);
  await apply(NEWS);
  expect(await listOptIns(database.db, accountId)).toMatchObject([{ live: true }]);
});
