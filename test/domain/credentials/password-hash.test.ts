import { randomBytes } from 'node:crypto';
import { afterEach, describe, expect, test } from '@jest/globals';
import {
  openPasswordHasher,
  type PasswordHasher,
  type PasswordHasherOptions,
} from '../../../src/domain/credentials/credentials.js';

const pepper = randomBytes(48);
const opened: PasswordHasher[] = [];
afterEach(async () => {
  await Promise.all(opened.splice(0).map(hasher => hasher.close()));
});

function open(options: Partial<PasswordHasherOptions> = {}): PasswordHasher {
  const hasher = openPasswordHasher({ pepper, scheme: 'bcrypt', bcryptCost: 4, threads: 1, ...options });
  opened.push(hasher);
  return hasher;
}

describe.each([
  ['bcrypt', /^\$keyhold1\$[0-9a-f]{8}\$2b\$04\$/],
  ['argon2id', /^\$keyhold1\$[0-9a-f]{8}\$argon2id\$v=19\$m=19456,t=2,p=1\$/],
] as const)('under %s', (scheme, shape) => {
  test.each([
    ['byte 73', `${'a'.repeat(72)}b`, `${'a'.repeat(72)}c`],
    ['the last of 128 characters', `${'🦊'.repeat(127)}🌵`, `${'🦊'.repeat(127)}🎻`],
    ['what follows a NUL', 'copper otter\0window', 'copper otter\0lantern'],
    ['a NUL at the end', 'copper otter window', 'copper otter window\0'],
    ['letter case', 'copper otter window', 'copper otter Window'],
    ['a space at the end', 'copper otter window', 'copper otter window '],
  ])('two passwords that differ in %s are two passwords', async (_, one, other) => {
    const hasher = open({ scheme });
    const stored = await hasher.hash(one);
    expect(stored).toMatch(shape);
    expect(await hasher.verify(one, stored)).toEqual({ ok: true, stale: false });
    expect(await hasher.verify(other, stored)).toEqual({ ok: false, stale: false });
  });

  test('C53: one password spelled in NFC and in NFD is one password', async () => {
    const hasher = open({ scheme });
    const stored = await hasher.hash('coração de pedra'.normalize('NFD'));
    expect((await hasher.verify('coração de pedra'.normalize('NFC'), stored)).ok).toBe(true);
    expect((await hasher.verify('coracao de pedra', stored)).ok).toBe(false);
  });

  test('one password hashed twice gives two hashes', async () => {
    const hasher = open({ scheme });
    expect(await hasher.hash('copper otter')).not.toBe(await hasher.hash('copper otter'));
  });

  test('the decoy is as wrong as a wrong password', async () => {
    const hasher = open({ scheme });
    expect(await hasher.verifyDecoy('')).toEqual({ ok: false, stale: false });
    expect(await hasher.verifyDecoy('copper otter window')).toEqual({ ok: false, stale: false });
  });
});

describe('a hash goes stale', () => {
  const before = { scheme: 'bcrypt', bcryptCost: 4 } as const;
  test.each([
    ['when the cost went up', before, { scheme: 'bcrypt', bcryptCost: 5 }],
    ['when the cost went down', { scheme: 'bcrypt', bcryptCost: 5 }, before],
    ['when the scheme is now argon2id', before, { scheme: 'argon2id' }],
    ['when the scheme is now bcrypt', { scheme: 'argon2id' }, before],
  ] as const)('%s, and still verifies', async (_, old, now) => {
    const stored = await open(old).hash('copper otter window');
    const hasher = open(now);
    expect(await hasher.verify('copper otter window', stored)).toEqual({ ok: true, stale: true });
    expect(await hasher.verify('copper otter door', stored)).toEqual({ ok: false, stale: false });
    const renewed = await hasher.hash('copper otter window');
    expect(await hasher.verify('copper otter window', renewed)).toEqual({ ok: true, stale: false });
  });

  test('C53: when the pepper was retired; without its pepper it verifies nothing', async () => {
    const stored = await open().hash('copper otter window');
    const fresh = randomBytes(48);
    const rotated = open({ pepper: fresh, retiredPeppers: [pepper] });
    expect(await rotated.verify('copper otter window', stored)).toEqual({ ok: true, stale: true });
    expect(await open({ pepper: fresh }).verify('copper otter window', stored)).toEqual({
      ok: false,
      stale: false,
    });
  });

  test('and what is no hash of ours verifies nothing', async () => {
    const hasher = open();
    for (const stored of [
      '',
      'copper otter window',
      '$2b$04$abcdefghijklmnopqrstuv',
      '$keyhold1$00000000$2b$04$short',
    ]) {
      expect(await hasher.verify('copper otter window', stored)).toEqual({ ok: false, stale: false });
    }
  });
});

test('past the queue a password is refused as busy, and the queue drains', async () => {
  const hasher = open({ bcryptCost: 8, maxQueue: 2 });
  const accepted = [hasher.hash('one'), hasher.verifyDecoy('two'), hasher.hash('three')];
  expect(hasher.depth()).toBe(3);
  const refusal = { kind: 'busy', code: 'password_queue_full', retryAfter: 5 };
  await expect(hasher.hash('four')).rejects.toMatchObject(refusal);
  await expect(hasher.verifyDecoy('four')).rejects.toMatchObject(refusal);
  await Promise.all(accepted);
  expect(hasher.depth()).toBe(0);
  expect(await hasher.hash('four')).toMatch(/^\$keyhold1\$/);
});

test('what is longer than any password is refused before a thread sees it', async () => {
  const hasher = open();
  const megabyte = 'x'.repeat(1_000_000);
  const refusal = { kind: 'invalid', code: 'password_too_long' };
  const before = process.hrtime.bigint();
  await expect(hasher.hash(megabyte)).rejects.toMatchObject(refusal);
  await expect(hasher.verify(megabyte, '')).rejects.toMatchObject(refusal);
  await expect(hasher.verifyDecoy(megabyte)).rejects.toMatchObject(refusal);
  expect(Number(process.hrtime.bigint() - before) / 1e6).toBeLessThan(30);
  expect(hasher.depth()).toBe(0);
});
