import parse from 'co-body';
import type Koa from 'koa';
import { Refusal } from '../platform/errors.js';

const ENDPOINTS: ReadonlySet<string> = new Set(['/authorize', '/end-session']);

/**
 * Takes authorization and sign-out requests that come by POST (OpenID Connect Core §3.1.2.1, RP-Initiated Logout §2)
 * and lets them go on as GET: a browser withholds the session's cookie from another site's post, not from a visit.
 */
export function postedRequests(): Koa.Middleware {
  const goOn: Koa.Middleware = async ctx => {
    if (!ctx.is('application/x-www-form-urlencoded')) {
      throw new Refusal('invalid', 'unsupported_media_type', 'Send this as an HTML form does.');
    }
    const body = await parse.text(ctx, { limit: '32kb' }).catch((cause: unknown) => {
      throw new Refusal('invalid', 'malformed', 'What was sent could not be read.', { cause });
    });
    ctx.redirect(`${ctx.path}?${new URLSearchParams(body)}`);
    ctx.status = 303;
  };
  return (ctx, next) => (ctx.method === 'POST' && ENDPOINTS.has(ctx.path) ? goOn(ctx, next) : next());
}
