/** Why a request is turned down; `platform/web/problems.ts` maps each kind to an HTTP status. */
export type RefusalKind =
  | 'invalid'
  | 'unauthenticated'
  | 'forbidden'
  | 'missing'
  | 'conflict'
  | 'limited'
  | 'busy';

/** An expected "no": nothing happened, and `message` may be shown to whoever asked. Anything else thrown is a bug. */
export class Refusal extends Error {
  readonly kind: RefusalKind;
  /** A constant, snake_case word that a caller can switch on. */
  readonly code: string;
  /** Seconds after which asking again makes sense (`limited` and `busy`). */
  readonly retryAfter: number | undefined;

  constructor(
    kind: RefusalKind,
    code: string,
    message: string,
    options: { cause?: unknown; retryAfter?: number } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'Refusal';
    this.kind = kind;
    this.code = code;
    this.retryAfter = options.retryAfter;
  }
}
