import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import {
  checkPassword,
  isPasswordTooLong,
  loadBlocklist,
  PASSWORD_MINIMUM,
} from '../../../src/domain/credentials/credentials.js';
import { openTestDatabase, type TestDatabase } from '../../support/database.js';

const { alone, withSecondFactor } = PASSWORD_MINIMUM;
const context = ['Keyhold', 'ana.silva@blueheron.example', 'Ana Sofia Silva'];

let database: TestDatabase;
beforeAll(async () => {
  database = await openTestDatabase();
});
afterAll(() => database.close());

const check = (candidate: string, minimum: number = alone) =>
  checkPassword(database.db, candidate, { context, minimum });

describe('a password is taken', () => {
  test.each([
    ['of five ordinary words', 'window purple copper otter'],
    ['with no capital, digit or sign', 'mossy lantern beneath'],
    ['from a password manager', 'vT7#qLm2!xZp9@Rw'],
    ['in Portuguese', 'coração de pedra azul'],
    ['in Japanese', '青い傘と三匹の猫が雨の中を歩くよ'],
    ['in Arabic', 'قمر على النافذة الزرقاء'],
    ['of emoji, each one character', '🦊🌵🎻🧊🚲🍋🪁🐙🕯️🎲🧵🐌🥁🪵🦜'],
    ['with a space at each end', '  otters row boats  '],
    ['with a NUL and a line break inside', 'copper\0otter\nwindow'],
    [
      'of 128 characters',
      Array.from({ length: 128 }, (_, at) => String.fromCharCode(33 + ((at * 37) % 90))).join(''),
    ],
    ['that mentions a name among other words', 'silva keeps nine otters'],
    ['that starts with a listed word and goes on', 'password is a marmalade otter'],
    ['of random digits behind a short word', 'cat83920174625134'],
  ])('%s', async (_, candidate) => {
    expect(await check(candidate)).toEqual({ ok: true });
  });

  test('of eight characters where a second factor stands behind it', async () => {
    expect(await check('wq7!Zr2p', withSecondFactor)).toEqual({ ok: true });
    expect(await check('wq7!Zr2', withSecondFactor)).toEqual({ ok: false, reason: 'too_short' });
  });
});

describe('a password is refused with its reason', () => {
  test.each([
    ['nothing', '', 'too_short'],
    ['14 characters', 'vT7#qLm2!xZp9@', 'too_short'],
    ['14 emoji, though 28 units and 56 bytes', '🦊🌵🎻🧊🚲🍋🪁🐙🎲🧵🐌🥁🪵🦜', 'too_short'],
    ['15 code points that NFC makes 14', 'coraça\u0303o pedrax', 'too_short'],
    ['129 characters', 'vT7#qLm2!xZp9@Rw'.repeat(9).slice(0, 129), 'too_long'],
    ['one character', 'aaaaaaaaaaaaaaaaaaaa', 'repeated'],
    ['one block', 'otter7otter7otter7', 'repeated'],
    ['one block, cut off', 'abcdeabcdeabcdeab', 'repeated'],
    ['one word twice with a sign between', 'Password-Password', 'repeated'],
    ['one word twice and a year', 'welcomewelcome2024', 'repeated'],
    ['digits in order', '123456789012345', 'repeated|sequence'],
    ['the alphabet', 'abcdefghijklmnop', 'sequence'],
    ['the alphabet backwards with capitals', 'PONMLKJIHGFEDCBA', 'sequence'],
    ['a row of keys and digits', 'qwertyuiop12345', 'sequence'],
    ['columns of keys', '1qaz2wsx3edc4rfv', 'sequence'],
    ['a zigzag', '1q2w3e4r5t6y7u8i', 'sequence'],
    ['a German keyboard', 'qwertzuiopasdfgh', 'sequence'],
    ['doubled letters in order', 'aabbccddeeffgghh', 'sequence'],
    ['the product and digits', 'keyhold12345678', 'context_word'],
    ['the product and a common password', 'KeyHold.Password', 'context_word'],
    ['the e-mail address', 'ana.silva@blueheron.example', 'context_word'],
    ['the name and a year', 'AnaSofiaSilva1990', 'context_word'],
    ['the domain and a number', 'Blue-Heron-2026!!'.replace('-', ''), 'context_word'],
    ['a common password and digits', 'password1234567', 'common'],
    ['a common password in disguise', 'P@ssw0rd1234567', 'common'],
    ['one long English word', 'Internationalization', 'common'],
    ['one long German word and a sign', 'Wahrscheinlichkeit!', 'common'],
  ])('%s', async (_, candidate, reason) => {
    const verdict = await check(candidate);
    expect(verdict.ok).toBe(false);
    expect(reason.split('|')).toContain(verdict.ok ? '' : verdict.reason);
  });

  test.each(['sunshine', 'iloveyou1', 'baseball', 'Dr@gon123', 'football!'])(
    'short and common: %s',
    async candidate => {
      expect((await check(candidate, withSecondFactor)).ok).toBe(false);
    },
  );
});

test('the built-in blocklist holds far more than 30,000 entries', async () => {
  const list = await loadBlocklist();
  expect(list.length).toBeGreaterThanOrEqual(30_000);
  expect(await loadBlocklist()).toBe(list);
});

test('more than 1024 bytes is too long, even in few characters', () => {
  expect(isPasswordTooLong('🦊'.repeat(128))).toBe(false);
  expect(isPasswordTooLong('e\u0301'.repeat(128))).toBe(false);
  expect(isPasswordTooLong('e\u0301'.repeat(129))).toBe(true);
  expect(isPasswordTooLong(`🧑🏽${'\u0363'.repeat(600)}`)).toBe(true);
});

test('C52: a megabyte is refused at once', async () => {
  const megabyte = 'a\u0301'.repeat(500_000);
  const before = process.hrtime.bigint();
  const verdict = await check(megabyte);
  const tookMs = Number(process.hrtime.bigint() - before) / 1e6;
  expect(verdict).toEqual({ ok: false, reason: 'too_long' });
  expect(tookMs).toBeLessThan(10);
});
