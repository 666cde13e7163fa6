/** Why a request is turned down; `platform/web/problems.ts` maps each kind to an HTTP status. */
export type RefusalKind =
  | 'invalid'
  | 'unauthenticated'
  | 'forbidden'
  | 'missing'
  | 'unsupported'
  | 'conflict'
  | 'limited'
  | 'busy';

/** What is wrong with one member of what was sent. */
export interface WrongField {
  /** Where it stands: `addresses.0.street`. */
  readonly field: string;
  readonly message: string;
}

interface More {
  readonly cause?: unknown;
  readonly retryAfter?: number;
  readonly fields?: readonly WrongField[];
}

/** An expected "no": nothing happened, and `message` may be shown to whoever asked. Anything else thrown is a bug. */
export class Refusal extends Error {
  readonly kind: RefusalKind;
  /** A constant, snake_case word that a caller can switch on. */
  readonly code: string;
  /** Seconds after which asking again makes sense (`limited` and `busy`). */
  readonly retryAfter: number | undefined;
  /** All that is wrong with what was sent, where an app can point at it. */
  readonly fields: readonly WrongField[] | undefined;

  constructor(kind: RefusalKind, code: string, message: string, options: More = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'Refusal';
    this.kind = kind;
    this.code = code;
    this.retryAfter = options.retryAfter;
    this.fields = options.fields;
  }
}
