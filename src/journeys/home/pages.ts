import type Router from '@koa/router';
import type Koa from 'koa';
import { findLogo } from '../../domain/clients/clients.js';
import { peopleHere } from '../../oidc/people.js';
import { endSession } from '../../oidc/session.js';
import { Refusal } from '../../platform/errors.js';
import { openWork } from '../../platform/storage/work.js';
import { readForm } from '../../platform/web/input.js';
import { type Parts, show } from '../journey.js';
import { TERMS_VERSION } from '../terms.js';

/** `/`, signing out there, the terms, and the pictures of apps. */
export function homeRoutes(router: Router, parts: Parts, tryUrl: string | undefined): void {
  router.get('/', ctx => showHome(ctx, parts, tryUrl));
  router.get('/sign-out', ctx => showSignOut(ctx, parts));
  router.post('/sign-out', ctx => signOut(ctx, parts));
  router.get('/terms', ctx => show(ctx, parts, 'terms', { version: TERMS_VERSION, here: '/terms' }));
  router.get('/clients/:id/logo', ctx => showLogo(ctx, parts));
}

async function personHere() {
  const [person] = await peopleHere();
  if (!person) return undefined;
  const name = person.account.profile?.['name'];
  const email = person.account.email?.address ?? '';
  return { ...person, shown: { email, ...(typeof name === 'string' && { name }) } };
}

async function showHome(ctx: Koa.Context, parts: Parts, tryUrl: string | undefined): Promise<void> {
  const person = await personHere();
  show(ctx, parts, 'home', {
    here: '/',
    ...(person && { person: person.shown }),
    ...(!parts.production && { mailboxUrl: '/dev/mailbox', ...(tryUrl !== undefined && { tryUrl }) }),
    discoveryUrl: '/.well-known/openid-configuration',
  });
}

async function showSignOut(ctx: Koa.Context, parts: Parts): Promise<void> {
  const person = await personHere();
  if (!person) return show(ctx, parts, 'sign-out/done', {});
  show(ctx, parts, 'sign-out/confirm', { person: person.shown, signOut: { action: '/sign-out' } });
}

/** Signs out of Keyhold and of every app of this session. */
async function signOut(ctx: Koa.Context, parts: Parts): Promise<void> {
  await readForm(ctx, parts.csrf);
  for (const person of await peopleHere()) {
    const actor = { kind: 'person', id: person.accountId } as const;
    await openWork(parts.db, actor, work => endSession(work, person.sessionUid, 'signed-out'));
  }
  show(ctx, parts, 'sign-out/done', {});
  ctx.status = 200;
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
