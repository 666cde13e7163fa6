import { createHmac, createSecretKey, hkdfSync, type KeyObject } from 'node:crypto';
import { openUnder, sealUnder } from './sealing.js';

/** The keys of one installation, each derived from `KEYHOLD_SECRET` for one purpose (RFC 5869). */
export interface Keyring {
  /** A key of `length` bytes for `purpose`; the same secret and purpose always give the same key. */
  derive(purpose: string, length?: number): Buffer;
  /** HMAC-SHA-256 of `value` under the key of `purpose`. */
  mac(purpose: string, value: string): Buffer;
  /** AES-256-GCM under the key of `purpose`: 12 bytes of nonce, the ciphertext, 16 bytes of tag. */
  seal(purpose: string, plain: string): Buffer;
  /** The plain text of what `seal` gave for the same purpose; throws when it was altered or belongs elsewhere. */
  open(purpose: string, sealed: Buffer): string;
}

/** Opens the keyring of a secret (at least 32 characters; checked by the configuration). */
export function openKeyring(secret: string): Keyring {
  const derived = new Map<string, Buffer>();
  const derive = (purpose: string, length = 32): Buffer => {
    const name = `${purpose}/${length}`;
    let key = derived.get(name);
    if (!key) {
      key = Buffer.from(hkdfSync('sha256', secret, 'keyhold', purpose, length));
      derived.set(name, key);
    }
    return key;
  };
  /* Node would make a key object of the bytes at each use, which costs three times what the cipher does. */
  const keys = new Map<string, KeyObject>();
  const keyOf = (purpose: string): KeyObject => {
    let key = keys.get(purpose);
    if (!key) {
      key = createSecretKey(derive(purpose));
      keys.set(purpose, key);
    }
    return key;
  };
  return {
    derive,
    mac: (purpose, value) => createHmac('sha256', keyOf(purpose)).update(value).digest(),
    seal: (purpose, plain) => sealUnder(keyOf(purpose), plain),
    open: (purpose, sealed) => openUnder(keyOf(purpose), sealed),
  };
}
