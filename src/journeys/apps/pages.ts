import type Router from '@koa/router';
import type Koa from 'koa';
import { type Client, listStartableClients } from '../../domain/clients/clients.js';
import { readForm } from '../../platform/web/input.js';
import { startApp } from '../../saml/sign-on.js';
import { type Parts, seeOther, show } from '../journey.js';

/** `/apps`: the apps that a person can start here. */
export function appRoutes(router: Router, parts: Parts): void {
  router.get('/apps', ctx => showApps(ctx, parts));
  router.post('/apps/:id/start', ctx => start(ctx, parts));
}

async function showApps(ctx: Koa.Context, parts: Parts): Promise<void> {
  const { after } = ctx.query;
  const page = await listStartableClients(parts.db, typeof after === 'string' ? { after } : {});
  show(ctx, parts, 'apps', {
    here: '/apps',
    apps: page.clients.map(client => appOf(client, parts.issuer)),
    ...(page.after !== undefined && { nextUrl: `/apps?after=${encodeURIComponent(page.after)}` }),
  });
}

/* Only from our own page: else anybody could sign somebody in to an app as they please. */
async function start(ctx: Koa.Context, parts: Parts): Promise<void> {
  const { id } = ctx['params'] as { readonly id: string };
  ctx.state['formUrl'] = '/apps';
  await readForm(ctx, parts.csrf);
  seeOther(ctx, await startApp(ctx, parts, id));
}

/* OpenID Connect Core §4: the app is told who sends the person, and asks for the sign-in itself. */
function appOf({ id, metadata, logoType }: Client, issuer: URL) {
  const logo = logoType === undefined ? {} : { logo: `/clients/${encodeURIComponent(id)}/logo` };
  const shown = { name: metadata.client_name ?? id, ...logo };
  if (metadata.saml) return { ...shown, start: `/apps/${encodeURIComponent(id)}/start` };
  const url = new URL(metadata.initiate_login_uri ?? '');
  url.searchParams.set('iss', issuer.origin);
  return { ...shown, url: url.href };
}
