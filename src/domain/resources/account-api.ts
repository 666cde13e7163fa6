import type { ResourceServer } from './resources.js';

/** The scopes of the API by which apps see and change what somebody keeps here; an app gets one only by name. */
export const ACCOUNT_SCOPES = [
  'account:consents:read',
  'account:consents:write',
  'account:contacts:read',
  'account:contacts:write',
  'account:deletion:read',
  'account:deletion:write',
  'account:devices:read',
  'account:devices:write',
  'account:disclosures:read',
  'account:exports:read',
  'account:exports:write',
  'account:history:object',
  'account:history:read',
  'account:messages:read',
  'account:overview:read',
  'account:preferences:read',
  'account:preferences:write',
  'account:profile:read',
  'account:profile:write',
  'account:rights:read',
  'account:rights:write',
  'account:security:read',
  'account:security:write',
] as const;
export type AccountScope = (typeof ACCOUNT_SCOPES)[number];

/** What the account API of an issuer is called where an app asks for a token for it (RFC 8707). */
export function accountApiOf(issuer: URL): string {
  return new URL('/api/me', issuer).href;
}

/** The account API: always there, and like no row that somebody could register in its place. */
export function accountResource(issuer: URL): ResourceServer {
  return {
    identifier: accountApiOf(issuer),
    name: 'Account API',
    scopes: [...ACCOUNT_SCOPES],
    access_token_format: 'opaque',
    signing_alg: 'RS256',
  };
}
