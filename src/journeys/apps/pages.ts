import type Router from '@koa/router';
import type Koa from 'koa';
import { type Client, listStartableClients } from '../../domain/clients/clients.js';
import { type Parts, show } from '../journey.js';

/** `/apps`: the apps that a person can start here. */
export function appRoutes(router: Router, parts: Parts): void {
  router.get('/apps', ctx => showApps(ctx, parts));
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

/* OpenID Connect Core §4: the app is told who sends the person, and asks for the sign-in itself. */
function appOf({ id, metadata, logoType }: Client, issuer: URL) {
  const url = new URL(metadata.initiate_login_uri ?? '');
  url.searchParams.set('iss', issuer.origin);
  const logo = logoType === undefined ? {} : { logo: `/clients/${encodeURIComponent(id)}/logo` };
  return { name: metadata.client_name ?? id, url: url.href, ...logo };
}
