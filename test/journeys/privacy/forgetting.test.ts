import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { listHeld } from '../../../src/domain/purposes/purposes.js';
import { FORGETTING } from '../../../src/journeys/privacy/rooms.js';
import { openWork } from '../../../src/platform/storage/work.js';
import { fillTables } from '../../support/any-rows.js';
import { openTestDatabase, type TestDatabase } from '../../support/database.js';

const SHE = '019f0000-0000-7000-8000-00000000000a';
const HE = '019f0000-0000-7000-8000-00000000000b';
const { deleted, tables } = listHeld();
const ruled = Object.entries(deleted);

let database: TestDatabase;
let withAccount: ReadonlySet<string>;
let cascades: ReadonlySet<string>;

beforeAll(async () => {
  database = await openTestDatabase();
  const { rows: columns } = await database.db.raw<{ rows: { table: string }[] }>(
    `SELECT table_name AS table FROM information_schema.columns WHERE table_schema = 'public' AND column_name = 'account_id'`,
  );
  withAccount = new Set(columns.map(({ table }) => table));
  const { rows: keys } = await database.db.raw<{ rows: { key: string }[] }>(
    `SELECT conrelid::regclass || ' with ' || confrelid::regclass AS key FROM pg_constraint
     WHERE contype = 'f' AND confdeltype = 'c' AND conparentid = 0`,
  );
  cascades = new Set(keys.map(({ key }) => key));
});

afterAll(() => database?.close());

test('every table about people says what becomes of it with the account (profile/held.json)', () => {
  expect(Object.keys(deleted).sort()).toEqual(Object.keys(tables).sort());
});

test('every room that removes a table is among those that forget, and each of those removes one', () => {
  const named = ruled.flatMap(([, rule]) => (rule.startsWith('by ') ? [rule.slice(3)] : []));
  expect([...new Set(named)].sort()).toEqual(FORGETTING.map(({ room }) => room).sort());
});

test('what goes with another table hangs on it in the database, and that one is removed', () => {
  const hanging = ruled.filter(([, rule]) => rule.startsWith('with '));
  for (const [table, rule] of hanging) {
    expect({ table, hangs: cascades.has(`${table} ${rule}`) }).toEqual({ table, hangs: true });
    expect(deleted[rule.slice(5)]).toMatch(/^by /);
  }
});

/* The account itself goes last, with its key. */
const LAST = ['accounts', 'subject_keys'];

const left = async (table: string, accountId: string): Promise<number> => {
  const mine = table === 'mailbox' ? { to_address: `${accountId}@example.org` } : { account_id: accountId };
  const [row] = await database.db(table).where(mine).count<{ count: string }[]>();
  return Number(row?.count);
};

test('a row of each table is gone once every room has forgotten its person, a row at a time, and nobody else loses any', async () => {
  const filled = Object.keys(tables).filter(table => withAccount.has(table) || table === 'mailbox');
  await fillTables(
    database.migrationUrl,
    ['accounts', ...filled],
    [SHE, HE].map(accountId => ({
      accountId,
      columns: {
        'accounts.id': accountId,
        'accounts.state': 'closed',
        'email_addresses.is_primary': true,
        'mailbox.to_address': `${accountId}@example.org`,
        'device_codes.user_code': accountId.slice(-8),
      },
    })),
  );
  const there = await Promise.all(filled.map(async table => [table, await left(table, SHE)]));
  expect(there).toEqual(filled.map(table => [table, 1]));

  const whom = { accountId: SHE, addresses: [`${SHE}@example.org`] };
  for (const { room, forget } of FORGETTING) {
    const removed: number[] = [];
    do {
      removed.push(await openWork(database.db, { kind: 'system' }, work => forget(work, whom, 1)));
    } while (removed.at(-1) === 1 && removed.length < 20);
    expect({ room, ended: removed.at(-1) }).toEqual({ room, ended: 0 });
  }

  const gone = (table: string) =>
    /^(by|with) /.test(deleted[table] ?? '') && !LAST.includes(table) && deleted[table] !== 'with accounts';
  const now = await Promise.all(filled.map(async table => [table, await left(table, SHE)]));
  expect(now).toEqual(filled.map(table => [table, gone(table) ? 0 : 1]));
  const his = await Promise.all(filled.map(async table => [table, await left(table, HE)]));
  expect(his).toEqual(filled.map(table => [table, 1]));
});
