import type Koa from 'koa';
import { Refusal } from '../errors.js';

/**
 * Turns requests away at once when `limit` are being served: they would only wait, and whoever came before them longer.
 * One counts from when it has arrived as a whole, so that slow senders take nobody's place.
 */
export function boundedLoad(limit: number): Koa.Middleware {
  let serving = 0;
  return async (ctx, next) => {
    if (serving >= limit) {
      const message = 'Very many people are here right now. Please try again in a moment.';
      throw new Refusal('busy', 'overloaded', message, { retryAfter: 2 });
    }
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
  };
}

function hasBody(ctx: Koa.Context): boolean {
  const { 'content-length': length, 'transfer-encoding': encoding } = ctx.req.headers;
  return encoding !== undefined || Number(length ?? 0) > 0;
}
