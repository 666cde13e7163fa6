import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { v7 as uuidv7 } from 'uuid';
import {
  CREDENTIAL_FACTS,
  findPassword,
  notePasswordUse,
  setPassword,
} from '../../../src/domain/credentials/credentials.js';
import { openWork, type Work } from '../../../src/platform/storage/work.js';
import { openTestDatabase, type TestDatabase } from '../../support/database.js';

let database: TestDatabase;
let accountId: string;
beforeAll(async () => {
  database = await openTestDatabase();
  accountId = uuidv7();
  await database.db('accounts').insert({ id: accountId, opened_at: new Date(), updated_at: new Date() });
});
afterAll(() => database.close());

const BCRYPT = '$keyhold1$00000000$2b$04$one';
const ARGON = '$keyhold1$00000000$argon2id$v=19$two';

function work<T>(act: (work: Work) => Promise<T>): Promise<T> {
  return openWork(database.db, { kind: 'person', id: accountId }, act);
}

async function lastFact(): Promise<string> {
  const event = await database
    .db('events')
    .where({ account_id: accountId })
    .orderBy('id', 'desc')
    .first('type');
  expect(CREDENTIAL_FACTS).toContain(event.type);
  return event.type;
}

async function scheme(): Promise<string> {
  return (await database.db('passwords').where({ account_id: accountId }).first('scheme')).scheme;
}

test('a password is set, used, hashed anew and changed, and each leaves its fact', async () => {
  expect(await findPassword(database.db, accountId)).toBeUndefined();
  await work(tx => setPassword(tx, accountId, BCRYPT));
  expect(await lastFact()).toBe('password.set');
  expect(await findPassword(database.db, accountId)).toMatchObject({ hash: BCRYPT, lastUsedAt: null });
  const set = (await findPassword(database.db, accountId))?.changedAt;

  await work(tx => notePasswordUse(tx, accountId));
  expect(await lastFact()).toBe('password.set');
  expect((await findPassword(database.db, accountId))?.lastUsedAt).toBeInstanceOf(Date);

  await work(tx => notePasswordUse(tx, accountId, { from: BCRYPT, to: ARGON }));
  expect(await lastFact()).toBe('password.rehashed');
  expect(await findPassword(database.db, accountId)).toMatchObject({ hash: ARGON, changedAt: set });
  expect(await scheme()).toBe('argon2id');

  await work(tx => setPassword(tx, accountId, BCRYPT));
  expect(await lastFact()).toBe('password.changed');
  expect(await scheme()).toBe('bcrypt');
});

test('a rehash that comes after a change does not bring the old password back', async () => {
  const before = await database
    .db('events')
    .where({ account_id: accountId, type: 'password.rehashed' })
    .select('id');
  await work(tx => notePasswordUse(tx, accountId, { from: '$keyhold1$00000000$2b$04$old', to: ARGON }));
  expect(await findPassword(database.db, accountId)).toMatchObject({ hash: BCRYPT });
  expect(await scheme()).toBe('bcrypt');
  expect(
    await database.db('events').where({ account_id: accountId, type: 'password.rehashed' }).select('id'),
  ).toEqual(before);
});
