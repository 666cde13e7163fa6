import type Koa from 'koa';
import { peopleHere } from '../../oidc/people.js';
import { type Parts, show } from '../journey.js';
import { shown } from '../people.js';

/** The sign-out request of an app with these parameters, about this person if anybody was chosen. */
export function endSessionPath(request: string, who?: unknown): string {
  const parameters = new URLSearchParams(request);
  if (typeof who === 'string') parameters.set('logout_hint', who);
  return `/end-session?${parameters}`;
}

/** An app wants somebody signed out and does not say who of several: the person does (RP-Initiated Logout 1.0 §2). */
export async function showWho(ctx: Koa.Context, parts: Parts): Promise<void> {
  const people = await peopleHere();
  const asked = [...new URLSearchParams(ctx.querystring)].filter(([name]) => name !== 'logout_hint');
  const clientId = ctx.query['client_id'];
  const client =
    typeof clientId === 'string'
      ? await parts.provider.Client.find(clientId).catch(() => undefined)
      : undefined;
  show(ctx, parts, 'sign-out/who', {
    people: people.map(shown),
    ...(client && { app: { name: client.clientName ?? client.clientId } }),
    request: new URLSearchParams(asked).toString(),
    here: endSessionPath(new URLSearchParams(asked.filter(([name]) => name !== 'ui_locales')).toString()),
  });
}
