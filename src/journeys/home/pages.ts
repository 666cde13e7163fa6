import type Router from '@koa/router';
import type Koa from 'koa';
import { findLogo } from '../../domain/clients/clients.js';
import { isUnclear, peopleHere } from '../../oidc/people.js';
import { requestScope } from '../../oidc/request-scope.js';
import { endSession } from '../../oidc/session.js';
import { Refusal } from '../../platform/errors.js';
import { openWork } from '../../platform/storage/work.js';
import { readForm } from '../../platform/web/input.js';
import { wayByApps } from '../../saml/saml.js';
import { allowSigningOutThere, signOutThere } from '../federated/signing-out.js';
import { type Parts, seeOther, show } from '../journey.js';
import { forget } from '../manage/person.js';
import { shown } from '../people.js';
import { endSessionPath, showWho } from '../sign-out/who.js';
import { TERMS_VERSION } from '../terms.js';

/** `/`, signing out there, the terms, and the pictures of apps. */
export function homeRoutes(router: Router, parts: Parts, tryUrl: string | undefined): void {
  router.get('/', ctx => showHome(ctx, parts, tryUrl));
  router.get('/sign-out', ctx => showSignOut(ctx, parts));
  router.get('/end-session', (ctx, next) => (isUnclear(ctx) ? showWho(ctx, parts) : next()));
  router.post('/sign-out', ctx => signOut(ctx, parts));
  router.get('/terms', ctx => show(ctx, parts, 'terms', { version: TERMS_VERSION, here: '/terms' }));
  router.get('/.well-known/gpc.json', ctx => showGpc(ctx));
  router.get('/clients/:id/logo', ctx => showLogo(ctx, parts));
}

async function showHome(ctx: Koa.Context, parts: Parts, tryUrl: string | undefined): Promise<void> {
  const people = await peopleHere();
  show(ctx, parts, 'home', {
    here: '/',
    people: people.map(shown),
    ...(!parts.production && { mailboxUrl: '/dev/mailbox', ...(tryUrl !== undefined && { tryUrl }) }),
    discoveryUrl: '/.well-known/openid-configuration',
  });
}

async function showSignOut(ctx: Koa.Context, parts: Parts): Promise<void> {
  const [person, ...others] = await peopleHere();
  if (!person) return show(ctx, parts, 'sign-out/done', {});
  if (others.length > 0) return seeOther(ctx, '/');
  await allowSigningOutThere(ctx, parts, person.sessionUid);
  show(ctx, parts, 'sign-out/confirm', { person: shown(person), signOut: { action: '/sign-out' } });
}

/** Signs one person (`account`) or everybody here out of Keyhold and of every app of theirs in this browser. */
async function signOut(ctx: Koa.Context, parts: Parts): Promise<void> {
  const { account, request, who } = await readForm(ctx, parts.csrf);
  if (typeof request === 'string' && who !== undefined) return seeOther(ctx, endSessionPath(request, who));
  const people = await peopleHere();
  const leaving = account === undefined ? people : people.filter(({ accountId }) => accountId === account);
  for (const person of leaving) {
    const actor = { kind: 'person', id: person.accountId } as const;
    await openWork(parts.db, actor, work => endSession(work, person.sessionUid, 'signed-out'));
  }
  forget(ctx, parts);
  const stays = people.length > leaving.length;
  const on = typeof request === 'string' ? endSessionPath(request) : stays ? '/' : undefined;
  const way = (await wayByApps(ctx, parts, leaving, on)) ?? on;
  const [there] = leaving.flatMap(({ sessionUid }) => requestScope().cameBy(sessionUid) ?? []);
  if (await signOutThere(ctx, parts, there, way ?? '/sign-out')) return;
  if (way !== undefined) return seeOther(ctx, way);
  show(ctx, parts, 'sign-out/done', { here: '/sign-out' });
  ctx.status = 200;
}

/* That the signal of a browser is heeded (Global Privacy Control §4.1), and since when it is done so. */
function showGpc(ctx: Koa.Context): void {
  ctx.set('Cache-Control', 'public, max-age=86400');
  ctx.type = 'application/json';
  ctx.body = JSON.stringify({ gpc: true, lastUpdate: '2026-11-22' });
}

async function showLogo(ctx: Koa.Context, parts: Parts): Promise<void> {
  const { id } = ctx['params'] as { readonly id: string };
  const logo = await findLogo(parts.db, id);
  if (!logo) throw new Refusal('missing', 'no_logo', 'This app has no picture.');
  ctx.set('Cache-Control', 'public, max-age=3600');
  ctx.set('Content-Security-Policy', `default-src 'none'; sandbox`);
  ctx.type = logo.type;
  ctx.body = logo.bytes;
}
