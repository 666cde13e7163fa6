import { hash, randomFillSync, timingSafeEqual } from 'node:crypto';

/* Asking the system costs the same for many bytes as for a few; each byte is given out once and then wiped. */
const random = Buffer.alloc(4_096);
let given = random.length;

function give<Form>(bytes: number, form: (from: number, to: number) => Form): Form {
  if (given + bytes > random.length) {
    randomFillSync(random);
    given = 0;
  }
  const fresh = form(given, given + bytes);
  random.fill(0, given, given + bytes);
  given += bytes;
  return fresh;
}

/** An unguessable base64url string of `bytes` random bytes (default 256 bits). */
export function randomToken(bytes = 32): string {
  return give(bytes, (from, to) => random.toString('base64url', from, to));
}

/** So many random bytes, of which nobody else gets any. */
export function randomNonce(bytes: number): Buffer {
  return give(bytes, (from, to) => Buffer.from(random.subarray(from, to)));
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
