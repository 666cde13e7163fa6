import { afterAll, beforeAll, beforeEach, expect, test } from '@jest/globals';
import { newAccountId, openAccount } from '../../src/domain/accounts/accounts.js';
import {
  keptAttributes,
  listAttributes,
  setAttributes,
  standardSchema,
} from '../../src/domain/profiles/profiles.js';
import { openKeyring } from '../../src/platform/crypto/keyring.js';
import { openWork } from '../../src/platform/storage/work.js';
import { openTestDatabase, type TestDatabase } from '../support/database.js';
import { recordedDuring } from '../support/ledger.js';

const { schema } = standardSchema();
const keyring = openKeyring('a secret that is only good for tests');

let database: TestDatabase;
let accountId: string;

beforeAll(async () => {
  database = await openTestDatabase();
});

beforeEach(async () => {
  accountId = newAccountId();
  const account = { id: accountId, email: `${accountId}@example.test`, language: 'en' };
  await openWork(database.db, { kind: 'person' }, work => openAccount(work, keyring, account));
});

afterAll(() => database?.close());

const set = (values: object, source: 'person' | 'operator' = 'person') =>
  openWork(database.db, { kind: 'person', id: accountId }, work =>
    setAttributes(work, schema, accountId, values as Record<string, unknown>, source),
  );

test('attributes are kept with where they came from; the fact names them and not their values', async () => {
  const events = await recordedDuring(database.db, () =>
    set({ name: 'Ada', address: { locality: 'London' } }),
  );
  expect(await listAttributes(database.db, accountId)).toEqual({
    name: 'Ada',
    address: { locality: 'London' },
  });
  expect(events).toEqual([
    {
      type: 'profile.changed',
      account_id: accountId,
      client_id: null,
      detail: { attributes: ['name', 'address'], source: 'person' },
    },
  ]);
  await set({ name: 'Ada L.' }, 'operator');
  const row = await database
    .db('profile_attributes')
    .where({ account_id: accountId, attribute: 'name' })
    .first();
  expect([row?.value, row?.source]).toEqual(['Ada L.', 'operator']);
});

test('C49: nothing but an attribute of the list is ever set (mass assignment)', async () => {
  const hostile = JSON.parse(
    '{"__proto__": {"name": "x"}, "constructor": "x", "email_verified": true, "account_id": "x", "state": "active", "roles": ["admin"], "sub": "x"}',
  );
  const events = await recordedDuring(database.db, () => set(hostile));
  expect(events).toEqual([]);
  expect(await listAttributes(database.db, accountId)).toEqual({});
  await set({ ...hostile, nickname: 'A' });
  expect(await listAttributes(database.db, accountId)).toEqual({ nickname: 'A' });
});

test('C50: every attribute can be kept, and text that looks like JSON or SQL stays text', async () => {
  const values = Object.fromEntries(
    keptAttributes(schema).map(({ name }) => [name, `{"a": 1}'; DROP TABLE accounts; -- ?`]),
  );
  await set(values);
  expect(await listAttributes(database.db, accountId)).toEqual(values);
});
