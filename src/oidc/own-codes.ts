import { hash } from 'node:crypto';
import type Provider from 'oidc-provider';
import { sameText } from '../platform/crypto/tokens.js';
import type { Payload } from './artefacts.js';

/** A code that came back to us, and what it must have been given for. */
export interface OwnCode {
  readonly code: string;
  readonly verifier: string;
  readonly clientId: string;
  readonly redirectUri: string;
}

/** Whom a code is about, and what they allowed. */
export interface TakenCode {
  readonly accountId: string;
  readonly sessionUid: string;
  readonly grantId: string | undefined;
  readonly acr: string | undefined;
  /** Seconds. */
  readonly authTime: number | undefined;
  /** The `claims` of the request. */
  readonly claims: Payload;
}

/**
 * Takes a code within the house, under the rules of the token endpoint (RFC 6749 §4.1.3, RFC 7636 §4.6); nothing when it is
 * not good (any more). The flush of the request uses it, once.
 */
export async function takeCode(provider: Provider, asked: OwnCode): Promise<TakenCode | undefined> {
  const found = await provider.AuthorizationCode.find(asked.code);
  if (!found?.isValid || found.clientId !== asked.clientId) return undefined;
  if (found.redirectUri !== asked.redirectUri || found.codeChallengeMethod !== 'S256') return undefined;
  if (!sameText(found.codeChallenge ?? '', challengeOf(asked.verifier))) return undefined;
  const { accountId, sessionUid, grantId, acr, authTime } = found;
  if (!accountId || !sessionUid) return undefined;
  await found.consume();
  return { accountId, sessionUid, grantId, acr, authTime, claims: (found.claims ?? {}) as Payload };
}

/** RFC 7636 §4.2 */
export const challengeOf = (verifier: string) => hash('sha256', verifier, 'base64url');
