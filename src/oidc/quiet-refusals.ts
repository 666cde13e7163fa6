import { errors } from 'oidc-provider';

/*
 * At each look at an access token the engine makes three refusals in advance, before it knows whether it refuses, and each notes
 * twice where it was made: 29 µs of the 190 that UserInfo takes. Whoever is refused is told why, and nobody reads where.
 */
const note = Error.captureStackTrace;

/** Has refusals of the protocol say why, and not where they were made; all other errors say both. */
export function quietRefusals(): void {
  if (Object.getPrototypeOf(errors.OIDCProviderError) === Quiet) return;
  Error.captureStackTrace = (target, until) => {
    if (!(target instanceof errors.OIDCProviderError)) note(target, until);
  };
  Object.setPrototypeOf(errors.OIDCProviderError, Quiet);
}

class Quiet extends Error {
  constructor(message?: string, options?: ErrorOptions) {
    const { stackTraceLimit } = Error;
    Error.stackTraceLimit = 0;
    super(message, options);
    Error.stackTraceLimit = stackTraceLimit;
  }
}
