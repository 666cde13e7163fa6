import { hash } from 'node:crypto';
import { calculateJwkThumbprint, EmbeddedJWK, type JWTPayload, jwtVerify } from 'jose';
import type Koa from 'koa';
import type Provider from 'oidc-provider';
import { sameText } from '../platform/crypto/tokens.js';
import { BearerRefusal, PROOF_ALGORITHMS } from './bearer-refusal.js';
import { FlushConflict, requestScope } from './request-scope.js';

/* As the engine has it for the token endpoint and userinfo: five minutes behind or ahead. */
const SPAN = 300;

/**
 * The thumbprint of the key that the request proves to have (RFC 9449 §4.3, §7.1), or nothing without a proof. A proof is
 * used once: that is on record before anything is done for it.
 */
export async function provedKey(
  ctx: Koa.Context,
  provider: Provider,
  { value, clientId }: { readonly value: string; readonly clientId: string },
): Promise<string | undefined> {
  const proof = ctx.get('DPoP');
  if (proof === '') return undefined;
  const { payload, protectedHeader } = await jwtVerify(proof, EmbeddedJWK, {
    algorithms: [...PROOF_ALGORITHMS],
    typ: 'dpop+jwt',
  }).catch((cause: unknown) => {
    throw unproved(cause);
  });
  const { jwk } = protectedHeader;
  if (!jwk || !fits(ctx, payload, value)) throw unproved();
  const unique = await provider.ReplayDetection.unique(clientId, String(payload.jti), seconds() + SPAN);
  if (!unique) throw unproved();
  try {
    await requestScope().flush();
  } catch (error) {
    throw error instanceof FlushConflict ? unproved(error) : error;
  }
  return calculateJwkThumbprint(jwk);
}

const seconds = () => Math.floor(Date.now() / 1000);

function unproved(cause?: unknown): BearerRefusal {
  const refusal = new BearerRefusal(
    'invalid_dpop_proof',
    'The proof of the key is not good for this request.',
  );
  if (cause !== undefined) refusal.cause = cause;
  return refusal;
}

function fits(ctx: Koa.Context, payload: JWTPayload, token: string): boolean {
  const { jti, iat, htm, htu, ath } = payload;
  if (typeof jti !== 'string' || jti === '' || jti.length > 512) return false;
  if (typeof iat !== 'number' || Math.abs(seconds() - iat) > SPAN) return false;
  if (htm !== ctx.method || typeof ath !== 'string') return false;
  const meant = typeof htu === 'string' ? URL.parse(htu) : null;
  if (!meant || `${meant.origin}${meant.pathname}` !== `${ctx.origin}${ctx.path}`) return false;
  return sameText(ath, hash('sha256', token, 'base64url'));
}
