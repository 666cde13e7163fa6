import type Koa from 'koa';
import type { Span, Telemetry } from '../telemetry/telemetry.js';
import { visitOf } from './surface.js';

/** What a request was, in names: the route as it is written in the code, and the client where one was recognized. */
export interface RequestNames {
  readonly route: string;
  readonly client: string | undefined;
}

const METHODS = new Set(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']);

/** Tells the log, the metrics and the traces of each request: by names, never the address with what is in it. */
export function observing(telemetry: Telemetry, namesOf: (ctx: Koa.Context) => RequestNames): Koa.Middleware {
  const { log, metrics, traces } = telemetry;
  const serve = async (ctx: Koa.Context, next: Koa.Next, span?: Span) => {
    const began = performance.now();
    let status = 500;
    try {
      await next();
      status = ctx.status;
    } finally {
      const { route, client } = namesOf(ctx);
      const method = METHODS.has(ctx.method) ? ctx.method : 'other';
      const ms = performance.now() - began;
      const { requestId } = visitOf(ctx);
      log.info({ method, route, status, ms: Math.round(ms * 10) / 10, requestId, client }, 'request');
      metrics.request({ method, route, status: String(status) }, ms / 1000);
      span?.rename(`${method} ${route}`);
      span?.set({
        'http.request.method': method,
        'http.route': route,
        'http.response.status_code': status,
        'keyhold.request_id': requestId,
        ...(client === undefined ? {} : { 'keyhold.client_id': client }),
        ...(status >= 500 ? { 'error.type': String(status) } : {}),
      });
    }
  };
  if (!traces) return (ctx, next) => serve(ctx, next);
  return (ctx, next) => {
    const parent = visitOf(ctx).proxied ? ctx.get('traceparent') : '';
    return traces.span('request', { kind: 'server', parent }, span => serve(ctx, next, span));
  };
}
