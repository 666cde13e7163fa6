import Router from '@koa/router';
import { appRoutes } from '../../src/journeys/apps/pages.js';
import { callbackRoutes } from '../../src/journeys/commands/callback.js';
import { deviceRoutes } from '../../src/journeys/device-grant/pages.js';
import { mailboxRoutes } from '../../src/journeys/home/mailbox.js';
import { homeRoutes } from '../../src/journeys/home/pages.js';
import { interactionRoutes } from '../../src/journeys/interaction-routes.js';
import type { Parts } from '../../src/journeys/journey.js';
import { accountRoutes } from '../../src/journeys/manage/routes.js';
import { unsubscribeRoutes } from '../../src/journeys/messages/unsubscribe.js';
import { moveRoutes } from '../../src/journeys/move/pages.js';
import { objectionRoutes } from '../../src/journeys/notices/objection.js';
import { relatedOriginRoutes } from '../../src/journeys/passkey/related-origins.js';
import { deletionRoutes } from '../../src/journeys/privacy/deletion/pages.js';
import { agentRoutes } from '../../src/journeys/privacy/rights/agent.js';
import { receiptRoutes } from '../../src/journeys/receipts/verify.js';
import { recoveryRoutes } from '../../src/journeys/recovery/entry.js';
import { operatorRoutes } from '../../src/journeys/reports/api.js';
import { type AccessParts, accessRoutes } from '../../src/oidc/access.js';

/** A route as it is registered: `POST /interaction/:uid/password`. */
export interface Route {
  readonly method: string;
  readonly path: string;
}

/** The routes of our own pages. Nothing of the parts is touched before a request comes. */
export function ownRoutes(): readonly Route[] {
  const router = new Router();
  interactionRoutes(router, {} as Parts);
  deviceRoutes(router, {} as Parts);
  appRoutes(router, {} as Parts);
  homeRoutes(router, {} as Parts, undefined);
  recoveryRoutes(router, {} as Parts);
  relatedOriginRoutes(router, {} as Parts);
  objectionRoutes(router, {} as Parts);
  moveRoutes(router, {} as Parts);
  unsubscribeRoutes(router, {} as Parts);
  receiptRoutes(router, {} as Parts);
  deletionRoutes(router, {} as Parts);
  agentRoutes(router, {} as Parts);
  accessRoutes(router, {} as AccessParts);
  callbackRoutes(router, {} as Parts);
  agentRoutes(router, {} as Parts);
  mailboxRoutes(router, {} as Parts);
  accountRoutes(router, {} as Parts);
  operatorRoutes(router, {} as Parts);
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
