import type { PasswordHasher } from '../src/domain/credentials/password-hash.js';

/** Stands in for the product's hasher where a flow's figure shall hold no hash: every password is right, at once. */
export function openPasswordHasher(): PasswordHasher {
  const refuse = async () => Promise.reject(new Error('nothing is hashed in this phase'));
  return {
    hash: refuse,
    verify: async () => ({ ok: true, stale: false }),
    verifyDecoy: refuse,
    depth: () => 0,
    refusals: () => 0,
    close: async () => undefined,
  };
}

export function schemeOf(): 'bcrypt' {
  return 'bcrypt';
}
