import type Koa from 'koa';
import { Refusal, type RefusalKind } from '../platform/errors.js';

/** How the proof of a key may be signed (RFC 9449 §5.1); the engine takes the same. */
export const PROOF_ALGORITHMS = ['ES256', 'Ed25519', 'EdDSA'] as const;

/** RFC 6750 §3.1, RFC 9449 §7.1 and RFC 9470 §3. */
export type BearerError =
  | 'invalid_request'
  | 'invalid_token'
  | 'invalid_dpop_proof'
  | 'insufficient_scope'
  | 'insufficient_user_authentication';

const KINDS: Readonly<Record<BearerError, RefusalKind>> = {
  invalid_request: 'invalid',
  invalid_token: 'unauthenticated',
  invalid_dpop_proof: 'unauthenticated',
  insufficient_scope: 'forbidden',
  insufficient_user_authentication: 'unauthenticated',
};

/** An access token that is missing or does not suffice; says how to come with a better one. */
export class BearerRefusal extends Refusal {
  readonly error: BearerError | undefined;
  readonly parameters: Readonly<Record<string, string>>;

  constructor(
    error: BearerError | undefined,
    message: string,
    parameters: Readonly<Record<string, string>> = {},
  ) {
    super(error ? KINDS[error] : 'unauthenticated', error ?? 'token_missing', message);
    this.error = error;
    this.parameters = parameters;
  }
}

/** Says in `WWW-Authenticate` what is asked for, in the scheme that was used (RFC 9110 §11.6.1). */
export function challenge(ctx: Koa.Context, refusal: BearerRefusal, metadataUrl: string): void {
  const { error, message, parameters } = refusal;
  const said = {
    ...(error && { error, error_description: message }),
    ...parameters,
    resource_metadata: metadataUrl,
  };
  const written = (all: Readonly<Record<string, string>>) =>
    Object.entries(all)
      .map(([name, value]) => `${name}="${value.replace(/[^\x20\x21\x23-\x5b\x5d-\x7e]/g, '')}"`)
      .join(', ');
  const proving = written({ ...said, algs: PROOF_ALGORITHMS.join(' ') });
  const both = error === undefined || error === 'invalid_request';
  if (both || schemeOf(ctx) !== 'dpop') ctx.append('WWW-Authenticate', `Bearer ${written(said)}`);
  if (both || schemeOf(ctx) === 'dpop') ctx.append('WWW-Authenticate', `DPoP ${proving}`);
}

const schemeOf = (ctx: Koa.Context) => /^\S*/.exec(ctx.get('Authorization'))?.[0].toLowerCase();
