import type Koa from 'koa';
import { findClients } from '../domain/clients/clients.js';
import { mayAct } from '../oidc/acting.js';
import { type Person, peopleHere } from '../oidc/people.js';
import { requestScope } from '../oidc/request-scope.js';
import { samlAppOf } from './app.js';
import {
  hearsByBrowser,
  keepLeaving,
  type Leaving,
  type LeavingParts,
  NEXT_PATH,
  sharesAbout,
} from './leaving.js';
import { type Share, sharesOf } from './shares.js';
import { leadOn } from './sign-on.js';

/**
 * Where the browser goes on when these people have signed out here, so that the apps hear of it that hear by the browser
 * alone (Profiles §4.4), and from there to `to`, or to the page that says so; undefined where there is no such app.
 */
export async function wayByApps(
  ctx: Koa.Context,
  parts: LeavingParts,
  people: readonly Person[],
  to: string | undefined,
): Promise<string | undefined> {
  const left: Leaving['left'] = [];
  for (const person of people)
    left.push(...sharesAbout(person, await hearing(parts, await sharesOf(person))));
  const finish = to === undefined ? ({ kind: 'page' } as const) : ({ kind: 'to', url: to } as const);
  return left.length > 0 && keepLeaving(ctx, parts, { left, untold: [], finish }) ? NEXT_PATH : undefined;
}

/** Watches the engine sign somebody out: before their browser goes where it was to go, it goes round by these apps. */
export function tellByBrowser(parts: LeavingParts): Koa.Middleware {
  const tell: Koa.Middleware = async (ctx, next) => {
    const people = await peopleHere();
    await next();
    const ending = requestScope().writes.ending();
    const leaving = people.filter(({ sessionUid }) => ending.includes(sessionUid));
    const way = await wayByApps(ctx, parts, leaving, ctx.response.get('Location') || undefined);
    if (way !== undefined) leadOn(ctx, way);
  };
  return (ctx, next) =>
    ctx.method === 'POST' && ctx.path === '/end-session/confirm' ? tell(ctx, next) : next();
}

async function hearing({ db }: LeavingParts, shares: readonly Share[]): Promise<readonly Share[]> {
  if (shares.length === 0) return [];
  const clients = await findClients(db, [...new Set(shares.map(({ clientId }) => clientId))]);
  return shares.filter(({ clientId }) => {
    const client = clients.get(clientId);
    const app = client && mayAct({ client }) ? samlAppOf(client) : undefined;
    return app !== undefined && hearsByBrowser(app);
  });
}
