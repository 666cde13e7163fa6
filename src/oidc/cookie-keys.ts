import { createHmac, createSecretKey } from 'node:crypto';
import type Provider from 'oidc-provider';
import type { Keyring } from '../platform/crypto/keyring.js';
import { sameBytes } from '../platform/crypto/tokens.js';

type CookieKeys = Exclude<Provider['keys'], readonly string[]>;

/** What signs the cookies of a request: one HMAC each, where the usual helper makes three to check one. */
export function openCookieKeys(keyring: Keyring): CookieKeys {
  const key = createSecretKey(keyring.derive('engine-cookies'));
  const sign = (text: string) => createHmac('sha256', key).update(text).digest('base64url');
  const verify = (text: string, signature: string) =>
    sameBytes(Buffer.from(sign(text)), Buffer.from(signature));
  return {
    sign,
    verify,
    index: (text: string, signature: string) => (verify(text, signature) ? 0 : -1),
  } as unknown as CookieKeys;
}
