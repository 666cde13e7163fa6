import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, expect, test } from '@jest/globals';
import { findAccount, newAccountId, openAccount } from '../../../src/domain/accounts/accounts.js';
import {
  askRight,
  countRights,
  endLater,
  endRestriction,
  fulfilRight,
  giveMandate,
  lawFor,
  type RightsRequest,
  rightsClock,
  useMandate,
} from '../../../src/domain/rights/rights.js';
import { openKeyring } from '../../../src/platform/crypto/keyring.js';
import { openWork, type Work } from '../../../src/platform/storage/work.js';
import { openTestDatabase, type TestDatabase } from '../../support/database.js';
import { recordedDuring } from '../../support/ledger.js';

// What happens with requests as time passes, and when several people or processes are at them.

const keyring = openKeyring(randomBytes(32).toString('base64'));
const DAY = 86_400_000;
let database: TestDatabase;
let accountId: string;

const working = <T>(act: (work: Work) => Promise<T>) => openWork(database.db, { kind: 'system' }, act);

beforeAll(async () => {
  database = await openTestDatabase();
});

beforeEach(async () => {
  accountId = newAccountId();
  const email = `${accountId}@example.test`;
  await database.db('rights_requests').delete();
  await working(work => openAccount(work, keyring, { id: accountId, email, language: 'en' }));
});

afterAll(() => database?.close());

const ask = async (more: Partial<Parameters<typeof askRight>[2]> = {}) => {
  const asking = {
    accountId,
    kind: 'erasure',
    law: lawFor({ country: 'DE' }),
    words: 'All',
    ...more,
  } as const;
  return (await working(work => askRight(work, keyring, asking))) as RightsRequest;
};
const restrict = () =>
  ask({
    kind: 'restriction',
    about: { everything: true, purposes: [], attributes: [] },
    holdsBack: true,
  });

/** Runs the clock as it would run in so many days. */
async function clockIn(days: number): Promise<readonly string[]> {
  const warned: string[] = [];
  const job = rightsClock({
    db: database.db,
    keyring,
    log: { warn: (_object: unknown, message?: string) => void warned.push(String(message)) },
    end: async (work, request) => void (await endRestriction(work, keyring, request, 'operator')),
    clock: () => new Date(Date.now() + days * DAY),
  });
  const signal = new AbortController().signal;
  await job.run({}, { id: 'clock', attempt: 1, last: false, signal });
  return warned;
}

test('of what is due within a week is spoken once, however often the clock runs', async () => {
  await ask();
  expect(await clockIn(10)).toEqual([]);
  const recorded = await recordedDuring(database.db, async () => {
    expect(await clockIn(26)).toHaveLength(1);
  });
  expect(recorded.map(({ type }) => type)).toEqual(['right.due']);
  expect(await clockIn(27)).toEqual([]);
  const in26 = new Date(Date.now() + 26 * DAY);
  expect(await countRights(database.db, in26)).toEqual({ open: 1, soon: 1, overdue: 0 });
  const in40 = new Date(Date.now() + 40 * DAY);
  expect(await countRights(database.db, in40)).toEqual({ open: 1, soon: 0, overdue: 1 });
});

test('a restriction whose end was announced ends on its day and not before; again changes nothing', async () => {
  const request = await restrict();
  await working(work => endLater(work, request));
  await clockIn(6);
  expect((await findAccount(database.db, accountId))?.restriction?.all).toBe(true);
  const recorded = await recordedDuring(database.db, async () => {
    await Promise.all([clockIn(8), clockIn(8)]);
  });
  expect(recorded.map(({ type }) => type)).toEqual(['restriction.ended']);
  expect((await findAccount(database.db, accountId))?.restriction).toBeUndefined();
});

test('twenty requests may be open; an agent enters five in a day; what holds back is never too much', async () => {
  const all = await Promise.all(Array.from({ length: 25 }, () => ask()));
  expect(all.filter(one => (one as unknown) === 'too_many')).toHaveLength(5);
  expect((await restrict()).state).toBe('done');
  await database.db('rights_requests').delete();
  const expiresAt = new Date(Date.now() + DAY);
  const given = { accountId, agent: 'Watch', rights: ['erasure'] as const, expiresAt };
  const mandate = await working(work => giveMandate(work, keyring, given));
  const entered = await Promise.all(
    Array.from({ length: 8 }, () => ask({ mandateId: mandate?.id ?? '', unconfirmed: true })),
  );
  expect(entered.filter(one => (one as unknown) !== 'too_many')).toHaveLength(5);
});

test('a mandate that is over by the clock of the work is not used', async () => {
  const expiresAt = new Date(Date.now() - 1000);
  const given = { accountId, agent: 'Watch', rights: ['erasure'] as const, expiresAt };
  const mandate = await working(work => giveMandate(work, keyring, given));
  expect(mandate && (await working(work => useMandate(work, mandate)))).toBe(false);
});

test('what the software did at once is on record as done, and ends what an agent asked for', async () => {
  const law = lawFor({});
  await working(work => fulfilRight(work, keyring, { accountId, kind: 'access', law }, 'exported'));
  const [done] = await database.db('rights_requests');
  expect(done).toMatchObject({ kind: 'access', state: 'done', outcome: 'exported', decided_by: 'keyhold' });
  const expiresAt = new Date(Date.now() + DAY);
  const given = { accountId, agent: 'Watch', rights: ['erasure'] as const, expiresAt };
  const mandate = await working(work => giveMandate(work, keyring, given));
  const waiting = await ask({ mandateId: mandate?.id ?? '', unconfirmed: true });
  await working(work => fulfilRight(work, keyring, { accountId, kind: 'erasure', law }, 'deleting'));
  const row = await database.db('rights_requests').where({ id: waiting.id }).first();
  expect([row.state, row.outcome]).toEqual(['done', 'deleting']);
  expect(await database.db('rights_requests').where({ kind: 'erasure' })).toHaveLength(1);
});
