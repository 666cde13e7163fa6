import { subscribe, unsubscribe } from 'node:diagnostics_channel';

/** An answer that says the fault is the server's. */
export interface Fault {
  readonly at: number;
  readonly status: number;
  readonly path: string;
  readonly retryAfter: boolean;
}

/** Sees every answer that clients get from one issuer, whoever asked. */
export interface Witness {
  readonly answers: ReadonlyMap<number, number>;
  readonly faults: readonly Fault[];
  /** Requests that no answer came to. */
  readonly cutOff: readonly { readonly at: number; readonly path: string }[];
  close(): void;
}

interface Seen {
  readonly request: { readonly origin: string | URL; readonly method: string; readonly path: string };
  readonly response?: { readonly statusCode: number; readonly headers: readonly Buffer[] };
}

/** Opens one; undici tells of each request on a channel of its own. */
export function openWitness(issuer: string): Witness {
  const answers = new Map<number, number>();
  const faults: Fault[] = [];
  const cutOff: { at: number; path: string }[] = [];
  const pathOf = ({ request }: Seen) =>
    `${request.method} ${request.path.split('?')[0]?.replace(/[\w-]{20,}/g, ':id')}`;
  const isOurs = ({ request }: Seen) =>
    String(request.origin).startsWith(issuer) && !request.path.startsWith('/health/');

  const answered = (message: unknown) => {
    const seen = message as Seen;
    if (!isOurs(seen) || !seen.response) return;
    const { statusCode: status, headers } = seen.response;
    answers.set(status, (answers.get(status) ?? 0) + 1);
    if (status < 500) return;
    const retryAfter = headers.some(each => String(each).toLowerCase() === 'retry-after');
    faults.push({ at: Date.now(), status, path: pathOf(seen), retryAfter });
  };
  const failed = (message: unknown) => {
    const seen = message as Seen;
    if (isOurs(seen)) cutOff.push({ at: Date.now(), path: pathOf(seen) });
  };
  subscribe('undici:request:headers', answered);
  subscribe('undici:request:error', failed);
  return {
    answers,
    faults,
    cutOff,
    close: () => {
      unsubscribe('undici:request:headers', answered);
      unsubscribe('undici:request:error', failed);
    },
  };
}

/** Every fault that is not a request to come back, in words. */
export function brokenAnswers({ faults }: Witness): readonly string[] {
  const broken = faults.filter(({ status, retryAfter }) => status !== 503 || !retryAfter);
  return broken.map(
    ({ status, path, retryAfter }) => `${path} answered ${status}${retryAfter ? '' : ' without Retry-After'}`,
  );
}
