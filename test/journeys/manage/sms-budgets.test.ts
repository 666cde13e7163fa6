import { afterAll, beforeAll, beforeEach, expect, test } from '@jest/globals';
import { readPhone } from '../../../src/domain/contacts/contacts.js';
import { openProtection, type Protection } from '../../../src/domain/protection/protection.js';
import { listSmsBudgets, smsLimits } from '../../../src/journeys/manage/contacts/budgets.js';
import { openStatementPool, type StatementPool } from '../../../src/platform/storage/db.js';
import { runSms } from '../../../src/sms-commands.js';
import { openTestDatabase, type TestDatabase } from '../../support/database.js';

let database: TestDatabase;
let pool: StatementPool;
let protection: Protection;
let count = 0;

beforeAll(async () => {
  database = await openTestDatabase();
  pool = openStatementPool(database.url);
  protection = openProtection(database.db, pool, { enabled: true });
});

beforeEach(() => database.db('attempts').delete());

afterAll(async () => {
  await pool?.end();
  await database?.close();
});

const PER_DAY = 100;

async function ask(change: { number?: string; accountId?: string; network?: string } = {}): Promise<boolean> {
  count += 1;
  const {
    number = `+49151234${String(10_000 + count)}`,
    accountId = `a${count}`,
    network = `n${count}`,
  } = change;
  const phone = readPhone(number);
  if (!phone) throw new Error(number);
  return (await protection.count(smsLimits({ phone, accountId, network }, PER_DAY))).allowed;
}

const allowedOf = async (tries: number, change: () => Parameters<typeof ask>[0]): Promise<number> => {
  let allowed = 0;
  for (let n = 0; n < tries; n++) if (await ask(change())) allowed += 1;
  return allowed;
};

test.each([
  ['number', 5, () => ({ number: '+4915123456789' })],
  ['account', 10, () => ({ accountId: 'ada' })],
  ['prefix', 10, () => ({})],
])('one %s gets %i messages in a window', async (_per, most, change) => {
  expect(await allowedOf(most + 3, change)).toBe(most);
});

test('one network makes us send twenty in an hour, whatever accounts and numbers it has', async () => {
  const numbers = (n: number) => `+4915${1 + (n % 7)}${String(2_000_000 + n)}`;
  expect(await allowedOf(25, () => ({ network: 'one', number: numbers(count) }))).toBe(20);
});

test('one country gets half of the day’s messages, however many prefixes it has, and others go on', async () => {
  const numbers = (n: number) => `+4915${1 + (n % 7)}${String(3_000_000 + n)}`;
  expect(await allowedOf(70, () => ({ number: numbers(count) }))).toBe(PER_DAY / 2);
  expect(await ask({ number: '+447400123456' })).toBe(true);
});

test('a budget is whole again when its window is over', async () => {
  await allowedOf(6, () => ({ number: '+4915123456789' }));
  expect(await ask({ number: '+4915123456789' })).toBe(false);
  await database.db('attempts').update({ window_ends_at: new Date(Date.now() - 1_000) });
  expect(await ask({ number: '+4915123456789' })).toBe(true);
});

test('messages at once are all counted', async () => {
  const results = await Promise.all(Array.from({ length: 20 }, () => ask({ number: '+4915123456789' })));
  expect(results.filter(Boolean)).toHaveLength(5);
});

test('the operator sees countries and prefixes with what is left, and no number, account or network', async () => {
  await ask({ number: '+4915123456789' });
  await ask({ number: '+447400123456' });
  await ask({ number: '+447400123456' });
  const budgets = await listSmsBudgets(database.db, PER_DAY);
  expect(budgets.map(({ per, of, used, max }) => [per, of, used, max])).toEqual([
    ['prefix', '+44740', 2, 10],
    ['prefix', '+49151', 1, 10],
    ['country', 'GB', 2, 50],
    ['all', 'all', 3, 100],
    ['country', 'DE', 1, 50],
  ]);
  const subjects = (await database.db('attempts').pluck('subject')).join('\n');
  expect(subjects).not.toMatch(/123456789|7400123456|a\d|n\d/);

  const printed: string[] = [];
  const command = {
    db: database.db,
    config: { smsPerDay: PER_DAY },
    print: (text: string) => void printed.push(text),
    fail: (text: string) => void printed.push(text),
  };
  expect(await runSms(['budgets'], command)).toBe(0);
  expect(JSON.parse(printed.join(''))).toHaveLength(5);
  expect(await runSms(['send'], command)).toBe(2);
});
