import type Koa from 'koa';
import { Refusal } from '../platform/errors.js';

/* In any case, percent-encoded letters included. */
const PROTOCOL =
  /^\/(authorize|end-session|device|device_authorization|par|token|userinfo|introspect|revoke|jwks)(\/|$)/;
/* Those of them that no page of ours shares. */
const ENGINE_ONLY = /^\/(authorize|device_authorization|par|token|userinfo|introspect|revoke|jwks)(\/|$)/;
const WITH_ID = /^(\/(authorize|device))\/[\w-]+$/;

/**
 * Takes the protocol's paths in their one spelling only. The engine would take others (upper case, a slash at the end),
 * for which nothing of ours has decided whose session the request means.
 */
export function exactPaths(): Koa.Middleware {
  return (ctx, next) => {
    const { path } = ctx;
    const plain = folded(path);
    const known = WITH_ID.exec(path)?.[1] ?? path;
    if (PROTOCOL.test(plain) && (known !== folded(known) || path.endsWith('/'))) {
      throw new Refusal('missing', 'not_found', 'There is nothing at this address.');
    }
    return next();
  };
}

function folded(path: string): string {
  try {
    return decodeURIComponent(path).toLowerCase();
  } catch {
    return path.toLowerCase();
  }
}

/** Leads what only the engine answers past our own routes, which are many. */
export function pastRoutes(routes: Koa.Middleware): Koa.Middleware {
  return (ctx, next) => (ENGINE_ONLY.test(ctx.path) ? next() : routes(ctx, next));
}
