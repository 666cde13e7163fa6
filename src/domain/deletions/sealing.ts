import { randomBytes } from 'node:crypto';
import { z } from 'zod';
import type { Keyring } from '../../platform/crypto/keyring.js';
import { openUnder, sealUnder } from '../../platform/crypto/sealing.js';
import type { Correspondence } from './deletion.js';

const KEY = 'deletion-key';
const MARK = 'erased-account';

/** A key for what is kept of a person while they are deleted, sealed under the installation's. */
export function newDeletionKey(keyring: Keyring, id: string): Buffer {
  return keyring.seal(KEY, JSON.stringify([id, randomBytes(32).toString('base64')]));
}

function opened(keyring: Keyring, id: string, sealed: Buffer): Buffer {
  const [owner, key] = z.tuple([z.string(), z.string()]).parse(JSON.parse(keyring.open(KEY, sealed)));
  if (owner !== id) throw new Error('this key belongs to another deletion');
  return Buffer.from(key, 'base64');
}

/** Seals a text under the key of a deletion; `about` says what it is, and it opens as nothing else. */
export function sealFor(
  keyring: Keyring,
  of: { id: string; key: Buffer },
  about: string,
  plain: string,
): Buffer {
  return sealUnder(opened(keyring, of.id, of.key), plain, `${of.id} ${about}`);
}

/** Opens what `sealFor` sealed. */
export function openFor(
  keyring: Keyring,
  of: { id: string; key: Buffer },
  about: string,
  sealed: Buffer,
): string {
  return openUnder(opened(keyring, of.id, of.key), sealed, `${of.id} ${about}`);
}

const schema = z.strictObject({
  token: z.string(),
  addresses: z.array(z.string()),
  language: z.string(),
  zone: z.string().optional(),
});

const LETTERS = 'letters';

/** Seals where mail about a deletion goes. */
export function sealLetters(
  keyring: Keyring,
  of: { id: string; key: Buffer },
  letters: Correspondence,
): Buffer {
  return sealFor(keyring, of, LETTERS, JSON.stringify(schema.parse(letters)));
}

/** Opens where mail about a deletion goes. */
export function openLetters(
  keyring: Keyring,
  of: { id: string; key: Buffer },
  sealed: Buffer,
): Correspondence {
  return schema.parse(JSON.parse(openFor(keyring, of, LETTERS, sealed)));
}

/**
 * What stands for an account in the list of what was erased: the same for the same account, so that it is known again when a
 * backup brings it back, and worth nothing to whoever has the list alone.
 */
export function markOf(keyring: Keyring, accountId: string): Buffer {
  return keyring.mac(MARK, accountId);
}
