import { afterAll, beforeAll, beforeEach, expect, test } from '@jest/globals';
import { newAccountId, openAccount, outdateProofs } from '../../src/domain/accounts/accounts.js';
import {
  type Limit,
  openProtection,
  type Protection,
  sweepAttempts,
} from '../../src/domain/protection/protection.js';
import { openKeyring } from '../../src/platform/crypto/keyring.js';
import { digest } from '../../src/platform/crypto/tokens.js';
import {
  type Clause,
  openBinder,
  openStatementPool,
  type StatementPool,
  statement,
} from '../../src/platform/storage/db.js';
import { openWork } from '../../src/platform/storage/work.js';
import { openTestDatabase, type TestDatabase } from '../support/database.js';

const keyring = openKeyring('a secret that is only good for tests');

let database: TestDatabase;
let hot: StatementPool;
let protection: Protection;

beforeAll(async () => {
  database = await openTestDatabase();
  hot = openStatementPool(database.url);
  protection = openProtection(database.db, hot, { enabled: true });
});

beforeEach(() => database.db('attempts').delete());

afterAll(async () => {
  await hot?.end();
  await database?.close();
});

const ada: Limit = { name: 'password', per: 'identifier', subject: 'ada@example.test', max: 3, window: 60 };
const network: Limit = { ...ada, per: 'network', subject: '192.0.2.1', max: 5 };
const times = (count: number, limits: readonly Limit[]) =>
  Promise.all(Array.from({ length: count }, () => protection.count(limits)));
const allowed = (verdicts: readonly { readonly allowed: boolean }[]) =>
  verdicts.filter(verdict => verdict.allowed).length;
async function newAccount(): Promise<string> {
  const id = newAccountId();
  await openWork(database.db, { kind: 'system' }, work =>
    openAccount(work, keyring, { id, email: `${id}@example.test`, language: 'en' }),
  );
  return id;
}
const pass = (seconds: number) =>
  database
    .db('attempts')
    .update({ window_ends_at: database.db.raw('window_ends_at - make_interval(secs => ?)', [seconds]) });

test('of fifty tries at once as many pass as are allowed, and one is told to be the first over', async () => {
  const verdicts = await times(50, [ada, { ...network, max: 1000 }]);
  expect(allowed(verdicts)).toBe(3);
  expect(verdicts.filter(verdict => !verdict.allowed && verdict.reached !== undefined)).toHaveLength(1);
  for (const verdict of verdicts) {
    if (verdict.allowed) continue;
    expect(verdict.retryAfter).toBeGreaterThan(0);
    expect(verdict.retryAfter).toBeLessThanOrEqual(60);
  }
});

/** Runs what would ride with the statement of a sign-in. */
async function leave(clause: Clause | undefined): Promise<void> {
  const { values, bind } = openBinder();
  const { parts, selected = ['1'] } = clause?.(bind) ?? { parts: [] };
  await hot.query(statement(`WITH ${parts.join(', ')} SELECT ${selected.join(', ')}`, values));
}

test('limits in any order never wait for each other', async () => {
  const verdicts = await Promise.all(
    Array.from({ length: 40 }, (_, at) => protection.count(at % 2 ? [ada, network] : [network, ada])),
  );
  expect(allowed(verdicts)).toBe(3);
});

test('a refused try is counted against the limit that refused it only', async () => {
  await times(5, [network]);
  await times(20, [ada, network]);
  expect(allowed(await times(4, [ada]))).toBe(3);
});

test('names, kinds and subjects are counted apart', async () => {
  await times(3, [ada]);
  for (const other of [
    { ...ada, name: 'code' },
    { ...ada, per: 'account' },
    { ...ada, subject: 'bea@example.test' },
  ]) {
    expect((await protection.count([other])).allowed).toBe(true);
  }
  expect((await protection.count([ada])).allowed).toBe(false);
});

test('a window heals by itself, and trying on does not prolong it', async () => {
  await times(9, [ada]);
  await pass(30);
  const verdict = await protection.count([ada]);
  expect(verdict.allowed ? 0 : verdict.retryAfter).toBeLessThanOrEqual(30);
  await pass(31);
  expect((await protection.count([ada])).allowed).toBe(true);
  expect(allowed(await times(5, [ada]))).toBe(2);
});

test('a proof forgets what was counted; one that was not looked at is taken back, and never below nothing', async () => {
  await times(3, [ada, network]);
  const accountId = await newAccount();
  await leave(protection.welcome({ accountId, before: undefined, browser: digest('a'), forget: [ada] }));
  expect((await protection.count([ada, network])).allowed).toBe(true);
  await protection.takeBack([ada, network]);
  await protection.takeBack([ada]);
  await protection.takeBack([ada]);
  expect(allowed(await times(4, [ada]))).toBe(3);
  expect(allowed(await times(4, [network]))).toBe(2);
});

test('nothing counted can be read as an address', async () => {
  await times(1, [ada, network]);
  expect(JSON.stringify(await database.db('attempts').select())).not.toMatch(/ada|example|192\.0/);
});

test('where limits are off nothing is counted', async () => {
  const off = openProtection(database.db, hot, { enabled: false });
  for (let at = 0; at < 9; at++) expect((await off.count([ada])).allowed).toBe(true);
  expect(
    off.welcome({ accountId: newAccountId(), before: undefined, browser: digest('a'), forget: [ada] }),
  ).toBeUndefined();
  await off.takeBack([ada]);
  expect(await database.db('attempts').select()).toEqual([]);
});

const STRANGERS: Limit = { ...ada, per: 'account', max: 1, among: 'strangers' };
const KNOWN: Limit = { ...ada, per: 'known-browser', max: 2, among: 'known' };
const passes = async (accountId: string, name: string) =>
  (await protection.count([KNOWN, STRANGERS], { accountId, browser: digest(name) })).allowed;
const arrive = (accountId: string, before: string | undefined, name: string) =>
  leave(
    protection.welcome({
      accountId,
      before: before === undefined ? undefined : digest(before),
      browser: digest(name),
      forget: [],
    }),
  );

test('C12: what strangers used up spares a browser that the account knows, within a limit of its own', async () => {
  const accountId = await newAccount();
  await arrive(accountId, undefined, 'a');
  expect([await passes(accountId, 'x'), await passes(accountId, 'x')]).toEqual([true, false]);
  expect([await passes(accountId, 'a'), await passes(accountId, 'a')]).toEqual([true, true]);
  expect(await passes(accountId, 'a')).toBe(false);
});

test('C24: a browser is known to the accounts that signed in with it, by its latest name, until a password changes', async () => {
  const [first, second, third] = [await newAccount(), await newAccount(), await newAccount()];
  await protection.count([STRANGERS]);
  await arrive(first, 'planted', 'a');
  expect([await passes(first, 'planted'), await passes(second, 'a')]).toEqual([false, false]);
  await arrive(second, 'a', 'b');
  expect([await passes(first, 'a'), await passes(third, 'b')]).toEqual([false, false]);
  expect([await passes(first, 'b'), await passes(second, 'b')]).toEqual([true, true]);
  await database.db('attempts').where('subject', 'like', '%known%').delete();
  await openWork(database.db, { kind: 'system' }, work => outdateProofs(work, first));
  expect([await passes(first, 'b'), await passes(second, 'b')]).toEqual([false, true]);
  await database.db('known_browsers').update({ expires_at: database.db.raw('now()') });
  expect(await passes(second, 'b')).toBe(false);
  await sweepAttempts(database.db);
  expect(await database.db('known_browsers').select()).toEqual([]);
});

test('windows that have passed are swept, a batch at a time', async () => {
  for (let at = 0; at < 5; at++) await protection.count([{ ...ada, subject: String(at) }]);
  expect(await sweepAttempts(database.db)).toBe(0);
  await pass(61);
  await protection.count([ada]);
  expect([
    await sweepAttempts(database.db, 3),
    await sweepAttempts(database.db, 3),
    await sweepAttempts(database.db, 3),
  ]).toEqual([3, 2, 0]);
  expect(await database.db('attempts').select()).toHaveLength(1);
});

const row: Limit = { ...ada, per: 'account-in-row', max: 4, window: 100, inRow: true };

test('a row of tries that is full lets one more through each time one is forgotten, whoever hammered meanwhile', async () => {
  expect(allowed(await times(30, [row]))).toBe(4);
  await pass(90);
  expect(allowed(await times(30, [row]))).toBe(0);
  await pass(10);
  expect(allowed(await times(30, [row]))).toBe(1);
  await pass(200);
  expect(allowed(await times(30, [row]))).toBe(2);
  await pass(400);
  expect(allowed(await times(30, [row]))).toBe(4);
});

test('the first refusal after a try that was allowed is told, and how long it is until the next one', async () => {
  for (let round = 0; round < 2; round++) {
    const refused = (await times(10, [row])).flatMap(verdict => (verdict.allowed ? [] : [verdict]));
    expect(refused.filter(({ reached }) => reached !== undefined)).toHaveLength(1);
    for (const { retryAfter } of refused) {
      expect(retryAfter).toBeGreaterThan(90);
      expect(retryAfter).toBeLessThanOrEqual(100);
    }
    await pass(100);
  }
});

test('what another limit refuses takes nothing from a row, and frees nothing of a full one', async () => {
  const narrow: Limit = { ...network, per: 'zone', max: 1 };
  await times(1, [narrow]);
  for (let n = 0; n < 9; n++) await protection.count([row, narrow]);
  expect(allowed(await times(9, [row]))).toBe(4);
  for (let n = 0; n < 9; n++) await protection.count([row, narrow]);
  expect(allowed(await times(1, [row]))).toBe(0);
  const verdict = await protection.count([ada]);
  if (!verdict.allowed) throw new Error('refused');
  await database.db('attempts').delete();
  const one = await protection.count([row]);
  if (one.allowed) await protection.takeBack(one.counted);
  expect(allowed(await times(9, [row]))).toBe(4);
});
