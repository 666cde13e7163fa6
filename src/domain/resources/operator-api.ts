import type { ResourceServer } from './resources.js';

/** The scopes of the API for programs of whoever runs this installation; no person lets an app have one. */
export const OPERATOR_SCOPES = ['operator:report:read'] as const;
export type OperatorScope = (typeof OPERATOR_SCOPES)[number];

/** What the operators' API of an issuer is called where a program asks for a token for it (RFC 8707). */
export function operatorApiOf(issuer: URL): string {
  return new URL('/api/v1', issuer).href;
}

/** The operators' API: always there, and like no row that somebody could register in its place. */
export function operatorResource(issuer: URL): ResourceServer {
  return {
    identifier: operatorApiOf(issuer),
    name: 'Operator API',
    scopes: [...OPERATOR_SCOPES],
    access_token_format: 'opaque',
    signing_alg: 'RS256',
  };
}
