import { createCipheriv, createDecipheriv, createSecretKey, KeyObject } from 'node:crypto';
import { randomNonce } from './tokens.js';

/* A cipher that is given bytes takes three times as long as one that is given a key made of them. */
const keyOf = (key: KeyObject | Buffer) => (key instanceof KeyObject ? key : createSecretKey(key));

/** AES-256-GCM: 12 bytes of nonce, the ciphertext, 16 bytes of tag. What stands in `context` is needed to open it. */
export function sealUnder(key: KeyObject | Buffer, plain: string | Buffer, context = ''): Buffer {
  const nonce = randomNonce(12);
  const cipher = createCipheriv('aes-256-gcm', keyOf(key), nonce).setAAD(Buffer.from(context));
  const ciphertext = typeof plain === 'string' ? cipher.update(plain, 'utf8') : cipher.update(plain);
  return Buffer.concat([nonce, ciphertext, cipher.final(), cipher.getAuthTag()]);
}

/** The bytes that were sealed under this key in this context; throws when they were altered or belong elsewhere. */
export function openBytesUnder(key: KeyObject | Buffer, sealed: Buffer, context = ''): Buffer {
  const decipher = createDecipheriv('aes-256-gcm', keyOf(key), sealed.subarray(0, 12)).setAAD(
    Buffer.from(context),
  );
  decipher.setAuthTag(sealed.subarray(-16));
  return Buffer.concat([decipher.update(sealed.subarray(12, -16)), decipher.final()]);
}

/** The plain text of what was sealed under this key in this context; throws when it was altered or belongs elsewhere. */
export function openUnder(key: KeyObject | Buffer, sealed: Buffer, context = ''): string {
  return openBytesUnder(key, sealed, context).toString('utf8');
}
