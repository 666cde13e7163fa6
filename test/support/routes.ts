import Router from '@koa/router';
import type { Parts } from '../../src/journeys/journey.js';
import { mountRoutes, type RouteParts } from '../../src/routes.js';

/** A route as it is registered: `POST /interaction/:uid/password`. */
export interface Route {
  readonly method: string;
  readonly path: string;
}

/** The routes of our own pages. Nothing of the parts is touched before a request comes. */
export function ownRoutes(): readonly Route[] {
  const router = new Router();
  mountRoutes(router, {} as Parts, {} as RouteParts);
  /* What answers wherever nothing else does is no route of its own. */
  const named = router.stack.filter(({ path }) => !String(path).includes('*'));
  return named.flatMap(({ path, methods }) =>
    methods.filter(method => method !== 'HEAD').map(method => ({ method, path: String(path) })),
  );
}

type Register = (name: string, path: string, ...middleware: unknown[]) => unknown;
const METHODS = ['get', 'post', 'put', 'delete'] as const;

/** The routes of the engine, as it registers them from now on: to be called before a Keyhold is started. */
export async function engineRoutes(): Promise<readonly Route[]> {
  const file = new URL('../../../node_modules/oidc-provider/lib/helpers/router.js', import.meta.url);
  const loaded = (await import(file.href)) as { default: { prototype: Record<string, Register> } };
  const { prototype } = loaded.default;
  const routes: Route[] = [];
  for (const name of METHODS) {
    const original = prototype[name];
    prototype[name] = function register(this: unknown, called: string, path: string, ...rest: unknown[]) {
      const method = name.toUpperCase();
      if (!routes.some(route => route.method === method && route.path === path))
        routes.push({ method, path });
      return original?.call(this, called, path, ...rest);
    };
  }
  return routes;
}
