import { hashSync as argon2Hash, verifySync as argon2Verify } from '@node-rs/argon2';
import { hashSync as bcryptHash, compareSync as bcryptVerify } from 'bcryptjs';
import { commonDigest, foldPassword } from './password.js';

// What runs in threads of its own. All of it is synchronous on purpose: it must not share libuv's pool with signing.

/** How a password is hashed; the numbers of argon2id are OWASP's. */
export type HashSetting =
  | { readonly scheme: 'bcrypt'; readonly cost: number }
  | {
      readonly scheme: 'argon2id';
      readonly memoryCost: number;
      readonly timeCost: number;
      readonly parallelism: number;
    };

/** Hashes a pre-hash with a fresh salt. */
export function makeHash(task: { readonly preHash: string; readonly setting: HashSetting }): string {
  const { preHash, setting } = task;
  if (setting.scheme === 'bcrypt') return bcryptHash(preHash, setting.cost);
  const { memoryCost, timeCost, parallelism } = setting;
  return argon2Hash(preHash, { memoryCost, timeCost, parallelism });
}

/** Compares a pre-hash with a stored hash of either scheme. */
export function checkHash(task: { readonly preHash: string; readonly inner: string }): boolean {
  const { preHash, inner } = task;
  return inner.startsWith('$argon2') ? argon2Verify(inner, preHash) : bcryptVerify(preHash, inner);
}

/** The sorted digests of every listed word; the dictionaries themselves leave with the thread. */
export async function listCommonDigests(): Promise<Float64Array> {
  const packages = [
    await import('@zxcvbn-ts/language-common'),
    await import('@zxcvbn-ts/language-en'),
    await import('@zxcvbn-ts/language-de'),
  ];
  const lists: readonly string[][] = packages.flatMap(({ dictionary }) => Object.values(dictionary));
  const digests = new Float64Array(lists.reduce((sum, words) => sum + words.length, 0));
  let count = 0;
  for (const words of lists) {
    for (const word of words) if (word.length >= 4) digests[count++] = commonDigest(foldPassword(word));
  }
  const sorted = digests.subarray(0, count).sort();
  return sorted.filter((digest, at) => digest !== sorted[at - 1]);
}
