import { createPrivateKey, createPublicKey, type KeyObject, sign } from 'node:crypto';
import { promisify } from 'node:util';
import type { JWK } from 'jose';
import { ExternalSigningKey } from 'oidc-provider';

const inPool = promisify(sign);

/**
 * A key of ours that signs where signing is quickest: ES256 and EdDSA (RFC 7518 §3.4, RFC 8037 §3.1) here and now, for
 * they take less time than the way to another thread and back, and never wait behind password hashes there; RS256
 * (RFC 7518 §3.3), which takes twenty times as long, in the pool.
 */
export class SigningKey extends ExternalSigningKey {
  readonly #private: KeyObject;
  readonly #public: KeyObject;
  readonly #kid: string;
  readonly #alg: string | undefined;

  constructor(jwk: JWK & { readonly kid: string }) {
    super();
    this.#private = createPrivateKey({ key: jwk as never, format: 'jwk' });
    this.#public = createPublicKey(this.#private);
    this.#kid = jwk.kid;
    this.#alg = jwk.alg;
  }

  override get kid(): string {
    return this.#kid;
  }

  override get alg(): string | undefined {
    return this.#alg;
  }

  override keyObject(): KeyObject {
    return this.#public;
  }

  override async sign(bytes: Buffer): Promise<Buffer> {
    if (this.#alg === 'EdDSA') return sign(null, bytes, this.#private);
    if (this.#alg === 'ES256')
      return sign('sha256', bytes, { key: this.#private, dsaEncoding: 'ieee-p1363' });
    return inPool('sha256', bytes, this.#private);
  }
}
