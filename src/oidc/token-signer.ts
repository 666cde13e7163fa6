import { importJWK, SignJWT } from 'jose';
import type { Keyring } from '../platform/crypto/keyring.js';
import type { Db } from '../platform/storage/db.js';
import { loadSigningKeys } from './keys.js';

/** A token that is no ID token, and says so by its type. */
export interface TypedToken {
  readonly typ: string;
  readonly alg: string;
  readonly claims: Readonly<Record<string, unknown>>;
}

type Keys = Awaited<ReturnType<typeof loadSigningKeys>>;

/* A key is published for longer than this before it signs, and verifies for longer after it did. */
const KEYS_KNOWN_MS = 60_000;

/**
 * Signs tokens for apps with the keys that sign their ID tokens, which they know already (OpenID Provider Commands §5). Keys are
 * read anew each minute, so that many tokens cost one look.
 */
export function openTokenSigner(db: Db, keyring: Keyring): (token: TypedToken) => Promise<string> {
  let keys: Promise<Keys> | undefined;
  let until = 0;
  const known = (): Promise<Keys> => {
    if (!keys || performance.now() > until) {
      const asked = loadSigningKeys(db, keyring);
      asked.catch(() => {
        if (keys === asked) keys = undefined;
      });
      keys = asked;
      until = performance.now() + KEYS_KNOWN_MS;
    }
    return keys;
  };
  return async ({ typ, alg, claims }) => {
    const jwk = (await known()).find(key => key.alg === alg);
    if (!jwk) throw new Error(`there is no key that signs ${alg}`);
    return new SignJWT(claims).setProtectedHeader({ alg, kid: jwk.kid, typ }).sign(await importJWK(jwk, alg));
  };
}
