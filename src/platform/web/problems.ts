import type Koa from 'koa';
import { Refusal, type RefusalKind } from '../errors.js';
import { visitOf } from './surface.js';

/** The HTTP status of each kind of refusal. */
export const STATUS: Readonly<Record<RefusalKind, number>> = {
  invalid: 400,
  unauthenticated: 401,
  forbidden: 403,
  missing: 404,
  unsupported: 405,
  conflict: 409,
  limited: 429,
  busy: 503,
};

const TITLES: Readonly<Record<RefusalKind, string>> = {
  invalid: 'This cannot be used as it was sent',
  unauthenticated: 'Sign in first',
  forbidden: 'This is not allowed',
  missing: 'There is no such thing',
  unsupported: 'This cannot be done here',
  conflict: 'This does not fit with what happened before',
  limited: 'Too many tries',
  busy: 'Busy right now',
};

/** Where a bug is written down, whole. */
export interface ProblemLog {
  error(about: object, message: string): void;
}

/** Shows a refusal, or an opaque failure (`undefined`), to a person. */
export type ShowProblem = (ctx: Koa.Context, refusal: Refusal | undefined) => void;

/** Turns whatever is thrown below into one answer: a problem document (RFC 9457) or a page, and never a stack. */
export function problems(log: ProblemLog, show: ShowProblem): Koa.Middleware {
  return async (ctx, next) => {
    try {
      await next();
    } catch (error) {
      const refusal = asRefusal(error);
      if (!refusal) log.error({ err: error, requestId: visitOf(ctx).requestId }, 'request failed');
      answer(ctx, refusal, show);
    }
  };
}

/** Turns an answer that nobody gave into the refusal that it is. */
export const notFound: Koa.Middleware = async (ctx, next) => {
  await next();
  if (ctx.status === 404 && ctx.body === undefined) {
    throw new Refusal('missing', 'not_found', 'There is nothing at this address.');
  }
};

/* The database gone, restarting, full or too slow is nobody's fault who asks: come back in a moment. */
const UNAVAILABLE = /^(08|53|57)|^(ECONNREFUSED|ECONNRESET|EPIPE|ETIMEDOUT|25006|40001|40P01)$/;

/** Whether the database could not be had, or not in time. */
export function isUnavailable(error: unknown): boolean {
  const { code, message, name } = (error ?? {}) as { code?: unknown; message?: string; name?: string };
  const gone = /timeout exceeded when trying to connect|Connection terminated|is not queryable/.test(
    String(message),
  );
  return gone || name === 'KnexTimeoutError' || UNAVAILABLE.test(String(code));
}

function asRefusal(error: unknown): Refusal | undefined {
  if (error instanceof Refusal) return error;
  if (isUnavailable(error)) {
    return new Refusal('busy', 'temporarily_unavailable', 'Please try again in a moment.', {
      cause: error,
      retryAfter: 5,
    });
  }
  return undefined;
}

function answer(ctx: Koa.Context, refusal: Refusal | undefined, show: ShowProblem): void {
  ctx.res.removeHeader('Set-Cookie');
  ctx.res.removeHeader('Location');
  ctx.status = refusal ? STATUS[refusal.kind] : 500;
  if (refusal?.retryAfter !== undefined) ctx.set('Retry-After', String(refusal.retryAfter));
  if (wantsPage(ctx)) {
    show(ctx, refusal);
    return;
  }
  ctx.body = JSON.stringify({
    type: 'about:blank',
    title: refusal ? TITLES[refusal.kind] : 'Something went wrong on our side',
    status: ctx.status,
    detail: refusal?.message ?? 'It is noted under this request id. Please try again in a moment.',
    code: refusal?.code ?? 'server_error',
    request_id: visitOf(ctx).requestId,
    ...(refusal?.fields && { errors: refusal.fields }),
  });
  ctx.type = 'application/problem+json';
}

/** Whether whoever asks is a person with a browser; nobody reads the addresses of APIs as pages. */
export function wantsPage(ctx: Koa.Context): boolean {
  return !ctx.path.startsWith('/api/') && !ctx.is('json') && ctx.accepts('json', 'html') === 'html';
}
