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
    if (this.#alg === 'ES256') return concatenated(sign('sha256', bytes, this.#private));
    return inPool('sha256', bytes, this.#private);
  }
}

const COORDINATE = 32;

/*
 * R and S beside each other (RFC 7518 §3.4) out of the two integers of a DER signature (RFC 3279 §2.2.3), which OpenSSL makes anyway:
 * to ask Node for this form takes as long as to sign once more.
 */
function concatenated(der: Buffer): Buffer {
  const signature = Buffer.alloc(2 * COORDINATE);
  /* Of P-256 the whole is shorter than 128 bytes, so each length is one byte. */
  let at = 2;
  for (const end of [COORDINATE, 2 * COORDINATE]) {
    const length = der[at + 1] ?? 0;
    const to = at + 2 + length;
    /* A positive integer whose first bit is set has a zero before it. */
    const significant = Math.min(length, COORDINATE);
    der.copy(signature, end - significant, to - significant, to);
    at = to;
  }
  return signature;
}
