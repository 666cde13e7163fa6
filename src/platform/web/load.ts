import { randomUUID } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type Koa from 'koa';

/** How many are being served, and what happens to one too many. */
export interface Load {
  /** Counts whoever is served, each from when it has arrived as a whole: slow senders take nobody's place. */
  readonly counting: Koa.Middleware;
  /** Answers 503 and says so when as many are being served as may be: one more would wait, and the others longer. */
  turnsAway(request: IncomingMessage, response: ServerResponse): boolean;
  /** How many were turned away. */
  refusals(): number;
}

/** What a load is opened with. */
export interface LoadOptions {
  readonly limit: number;
  /** The page for people, made beforehand, by their `Accept-Language`. */
  readonly page: (acceptLanguage: string | undefined) => string;
  readonly log: { warn(about: object, message: string): void };
}

const RETRY_AFTER = 2;
/* Asked by whoever decides where requests go; or cheap and part of a page that was served. */
const ALWAYS = /^\/(health|assets)\//;

/** Opens the count; what is turned away costs next to nothing, or it would itself be the overload. */
export function openLoad({ limit, page, log }: LoadOptions): Load {
  let serving = 0;
  let refusals = 0;
  let toldAt = 0;
  const refused = (): void => {
    refusals += 1;
    if (Date.now() - toldAt < 1_000) return;
    toldAt = Date.now();
    log.warn({ serving, refusals }, 'more requests than are served at a time; turned away');
  };
  return {
    counting: async (ctx, next) => {
      let counts = false;
      const count = () => {
        counts = true;
        serving += 1;
      };
      if (ctx.req.complete || !hasBody(ctx)) count();
      else ctx.req.once('end', count);
      try {
        await next();
      } finally {
        ctx.req.off('end', count);
        if (counts) serving -= 1;
      }
    },
    turnsAway: (request, response) => {
      if (serving < limit || ALWAYS.test(request.url ?? '')) return false;
      refused();
      const { accept = '', 'accept-language': language } = request.headers;
      answer(response, accept.includes('text/html') ? page(language) : undefined);
      return true;
    },
    refusals: () => refusals,
  };
}

function hasBody(ctx: Koa.Context): boolean {
  const { 'content-length': length, 'transfer-encoding': encoding } = ctx.req.headers;
  return encoding !== undefined || Number(length ?? 0) > 0;
}

const HEADERS = [
  ...['Retry-After', String(RETRY_AFTER)],
  ...['Cache-Control', 'no-store'],
  ...['X-Content-Type-Options', 'nosniff'],
  ...['Referrer-Policy', 'no-referrer'],
  'Content-Security-Policy',
  "default-src 'none';style-src 'self';script-src 'self';img-src 'self' data:;form-action 'none';frame-ancestors 'none';base-uri 'none'",
];

function answer(response: ServerResponse, page: string | undefined): void {
  const requestId = randomUUID();
  const problem = {
    type: 'about:blank',
    title: 'Busy right now',
    status: 503,
    detail: 'Very many people are here right now. Please try again in a moment.',
    code: 'overloaded',
    request_id: requestId,
  };
  const body = page ?? JSON.stringify(problem);
  /* A flat list and a known length are what Node writes out the fastest. */
  response.writeHead(503, [
    ...HEADERS,
    ...['X-Request-Id', requestId, 'Content-Length', String(Buffer.byteLength(body))],
    ...['Content-Type', page === undefined ? 'application/problem+json' : 'text/html; charset=utf-8'],
  ]);
  response.end(body);
}
