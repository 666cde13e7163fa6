import { afterAll, beforeAll, expect, test } from '@jest/globals';
import fc from 'fast-check';
import {
  ACCOUNT_FACTS,
  type Account,
  authenticatedFrom,
  findAccount,
  findByIdentifier,
  newAccountId,
  normaliseEmail,
  openAccount,
  setAccountState,
} from '../../src/domain/accounts/accounts.js';
import { openKeyring } from '../../src/platform/crypto/keyring.js';
import { openWork } from '../../src/platform/storage/work.js';
import { openTestDatabase, type TestDatabase } from '../support/database.js';
import { peopleOnRecord, recordedDuring } from '../support/ledger.js';

const keyring = openKeyring('a secret that is only good for tests');

let database: TestDatabase;

beforeAll(async () => {
  database = await openTestDatabase();
});

afterAll(() => database?.close());

const open = (email: string, id = newAccountId()) =>
  openWork(database.db, { kind: 'person' }, work =>
    openAccount(work, keyring, { id, email, language: 'en' }),
  );

test.each([
  ['ada@example.test', 'ada@example.test'],
  ['  Ada@Example.TEST \t', 'ada@example.test'],
  ['ＡＤＡ@example.test', 'ada@example.test'],
  ['ada@ｅxample.test', 'ada@example.test'],
  ['ada+tag@example.test', 'ada+tag@example.test'],
  ['a.d.a@example.test', 'a.d.a@example.test'],
  ["o'neil&co@example.test", "o'neil&co@example.test"],
  ['jürgen@bücher.example', 'jürgen@xn--bcher-kva.example'],
  ['ju\u0308rgen@example.test', 'jürgen@example.test'],
  ['ﬁn@example.test', 'fin@example.test'],
])('%j is looked up as %s', (typed, email) => {
  expect(normaliseEmail(typed)).toBe(email);
  expect(normaliseEmail(email)).toBe(email);
});

test.each([
  [''],
  ['ada'],
  ['ada@'],
  ['@example.test'],
  ['ada@localhost'],
  ['ada@@example.test'],
  ['ada@example..test'],
  ['ada@.example.test'],
  ['ada@127.0.0.1'],
  ['ada@[127.0.0.1]'],
  ['a da@example.test'],
  ['ada@exa mple.test'],
  ['"ada"@example.test'],
  ['ada@example.test,eve@example.test'],
  ['ada@example.test\r\nBcc: eve@example.test'],
  ['Ada <ada@example.test>'],
  ['ada@example.test:80'],
  ['ada@example.test/path'],
  ['ada@example.test?x'],
  ['ada\u0000@example.test'],
  ['ad\u200da@example.test'],
  ['ada@ex%61mple.test'],
  ['ada@example.test#'],
  [`${'a'.repeat(250)}@example.test`],
])('%j is no address', typed => {
  expect(normaliseEmail(typed)).toBeUndefined();
});

test.each([
  [
    'after everybody was signed out, in that very second',
    '2026-11-22T10:00:00.400Z',
    '2026-11-22T10:00:01.000Z',
  ],
  ['just before', '2026-11-22T10:00:00.199Z', '2026-11-22T10:00:00.199Z'],
  ['a second later', '2026-11-22T10:00:01.200Z', '2026-11-22T10:00:01.200Z'],
])('who proves who they are %s (%s) counts from %s', (_when, at, from) => {
  const account = {
    proofsFrom: new Date('2026-11-22T10:00:00.200Z'),
    signedOutBefore: new Date('2026-11-22T10:00:01.000Z'),
  } as Account;
  expect(authenticatedFrom(new Date(at), account)).toEqual(new Date(from));
  expect(authenticatedFrom(new Date(at), undefined)).toEqual(new Date(at));
});

test('what was normalised once stays as it is', () => {
  const part = fc.string({ unit: 'binary', minLength: 1, maxLength: 12 });
  const address = fc
    .tuple(part, part, fc.constantFrom('test', 'ＴＥＳＴ', 'dé'))
    .map(([a, b, c]) => `${a}@${b}.${c}`);
  fc.assert(
    fc.property(address, typed => {
      const email = normaliseEmail(typed);
      if (email !== undefined) expect(normaliseEmail(email)).toBe(email);
    }),
    { numRuns: 3_000 },
  );
});

test('C04: one address is one account, however it is spelled', async () => {
  const spellings = ['Mia@Example.test', ' mia@example.test ', 'MIA@EXAMPLE.TEST', 'ｍｉａ@example.test'];
  const account = await open(normaliseEmail(spellings[0] ?? '') ?? '');
  for (const spelling of spellings) {
    const found = await findByIdentifier(database.db, 'email', normaliseEmail(spelling) ?? '');
    expect([spelling, found?.id]).toEqual([spelling, account.id]);
  }
});

test('C04: a taken address is refused and leaves nothing, also of twenty who ask at once', async () => {
  await open('taken@example.test');
  const before = await peopleOnRecord(database.db);
  const events = await recordedDuring(database.db, () =>
    expect(open('taken@example.test')).rejects.toMatchObject({ kind: 'conflict', code: 'identifier_taken' }),
  );
  expect(events).toEqual([]);
  expect(await peopleOnRecord(database.db)).toBe(before);

  const results = await Promise.allSettled(Array.from({ length: 20 }, () => open('rush@example.test')));
  expect(results.filter(result => result.status === 'fulfilled')).toHaveLength(1);
  const [count] = await database.db('accounts').count();
  expect(Number(count?.['count'])).toBe(3);
});

test('a state is set once and told once', async () => {
  const { id } = await open('state@example.test');
  const set = (state: 'active' | 'suspended' | 'closed') =>
    openWork(database.db, { kind: 'operator' }, work => setAccountState(work, id, state));
  const events = await recordedDuring(database.db, async () => {
    expect(await set('active')).toBe(false);
    expect(await set('suspended')).toBe(true);
    expect(await set('suspended')).toBe(false);
    expect(await set('active')).toBe(true);
    expect(await set('closed')).toBe(true);
  });
  expect(events.map(event => event.type)).toEqual([
    'account.suspended',
    'account.reactivated',
    'account.closed',
  ]);
  expect(events.every(event => (ACCOUNT_FACTS as readonly string[]).includes(event.type))).toBe(true);
  expect((await findAccount(database.db, id))?.state).toBe('closed');
  expect(await findAccount(database.db, newAccountId())).toBeUndefined();
});
