import Router from '@koa/router';
import type Koa from 'koa';

/* Letters match in either case, as they do in the routes themselves. */
const firstSegment = (path: string) => (path.split('/', 2)[1] ?? '').toLowerCase();

/** Serves the routes of a router, trying only those that begin as the request's path does: there are hundreds. */
export function routing(router: Router): Koa.Middleware {
  const parts = new Map<string, Router>();
  for (const layer of router.stack) {
    const segment = firstSegment(String(layer.path));
    if (/[^\w.-]/.test(segment)) throw new Error(`a route must begin with a name: ${layer.path}`);
    const part = parts.get(segment) ?? new Router();
    part.stack.push(layer);
    parts.set(segment, part);
  }
  const routes = new Map([...parts].map(([segment, part]) => [segment, part.routes() as Koa.Middleware]));
  return (ctx, next) => routes.get(firstSegment(ctx.path))?.(ctx, next) ?? next();
}
