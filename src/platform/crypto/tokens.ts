import { hash, randomBytes, timingSafeEqual } from 'node:crypto';

/** An unguessable base64url string of `bytes` random bytes (default 256 bits). */
export function randomToken(bytes = 32): string {
  return randomBytes(bytes).toString('base64url');
}

/** SHA-256 of a high-entropy value: how codes, tokens and client secrets are stored. */
export function digest(value: string): Buffer {
  return hash('sha256', value, 'buffer');
}

/** Compares two values in a time that does not depend on where they differ. */
export function sameBytes(a: Buffer, b: Buffer): boolean {
  return a.length === b.length && timingSafeEqual(a, b);
}

/** Compares two strings in a time that does not depend on where they differ. */
export function sameText(a: string, b: string): boolean {
  return sameBytes(digest(a), digest(b));
}
