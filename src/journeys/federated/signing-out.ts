import type Router from '@koa/router';
import type Koa from 'koa';
import {
  type LogoutAsked,
  type NamedSession,
  PROVIDER_ID,
  UpstreamTrouble,
} from '../../domain/federation/federation.js';
import { requestScope } from '../../oidc/request-scope.js';
import { endSessionsCameBy } from '../../oidc/session.js';
import { Refusal } from '../../platform/errors.js';
import { openWork } from '../../platform/storage/work.js';
import { allowFormTarget } from '../../platform/web/headers.js';
import { readForeignForm } from '../../platform/web/input.js';
import { type Parts, seeOther, show } from '../journey.js';
import { countTry, LOGOUTS } from '../limits.js';

/* A name, an index and a signature, as base64. */
const LARGEST = '32kb';

type Sent = Parameters<Parts['federation']['saml']['read']>[1];
type Departure = NonNullable<Awaited<ReturnType<Parts['federation']['saml']['leave']>>>;

/** What a company that speaks SAML reads about us, and where it asks for, and answers, signing out. */
export function samlRoutes(router: Router, parts: Parts): void {
  router.get('/federation/:provider/metadata', ctx => showMetadata(ctx, parts));
  const path = '/federation/:provider/logout';
  router.get(path, ctx => hear(ctx, parts, { by: 'redirect', query: ctx.querystring }));
  router.post(path, async ctx =>
    hear(ctx, parts, { by: 'post', fields: await readForeignForm(ctx, LARGEST) }),
  );
}

function providerIn(ctx: Koa.Context): string {
  const { provider } = ctx['params'] as { readonly provider: string };
  if (!PROVIDER_ID.test(provider))
    throw new Refusal('missing', 'not_found', 'There is nothing at this address.');
  return provider;
}

async function showMetadata(ctx: Koa.Context, parts: Parts): Promise<void> {
  const metadata = await parts.federation.saml.metadata(providerIn(ctx));
  ctx.set('Cache-Control', 'public, max-age=300');
  ctx.type = 'application/samlmetadata+xml';
  ctx.body = metadata;
}

/* It comes from another site, so it brings no cookie and needs none: who is meant is said, and signed, by the provider. */
async function hear(ctx: Koa.Context, parts: Parts, sent: Sent): Promise<void> {
  const providerId = providerIn(ctx);
  const { saml } = parts.federation;
  try {
    const message = await saml.read(providerId, sent);
    if (message.kind === 'asked') return await heed(ctx, parts, providerId, message);
    const on = await saml.comeBack(providerId, message);
    if (on !== undefined) return seeOther(ctx, on);
  } catch (error) {
    await refuse(ctx, parts, providerId, error);
  }
  show(ctx, parts, 'sign-out/done', {});
}

async function heed(ctx: Koa.Context, parts: Parts, providerId: string, asked: LogoutAsked): Promise<void> {
  await openWork(parts.db, { kind: 'person' }, async work => {
    const named = await parts.federation.saml.heed(work, providerId, asked);
    for (const [accountId, theirs] of Map.groupBy(named, session => session.accountId)) {
      const ids = theirs.map(({ id }) => id);
      const sessions = await endSessionsCameBy(work, accountId, ids, 'signed-out');
      work.record({ type: 'federated_session.ended', accountId, detail: { provider: providerId, sessions } });
    }
  });
  const answer = await parts.federation.saml.answer(providerId, asked);
  if (answer) await leave(ctx, parts, answer);
  else show(ctx, parts, 'sign-out/done', {});
}

/* Those that are believed are not counted: a whole company may sign out behind one address. */
async function refuse(ctx: Koa.Context, parts: Parts, provider: string, error: unknown): Promise<never> {
  if (!(error instanceof UpstreamTrouble)) throw error;
  await countTry({ ctx, parts }, LOGOUTS);
  const { kind, reason } = error;
  await openWork(parts.db, { kind: 'person' }, async work =>
    work.record({ type: 'identity_provider.failed', detail: { provider, kind, reason } }),
  );
  throw new Refusal(
    'invalid',
    'sign_out_not_confirmed',
    'This wish to sign somebody out could not be checked.',
    {
      cause: error,
    },
  );
}

async function leave(ctx: Koa.Context, parts: Pick<Parts, 'pages'>, { to, form }: Departure): Promise<void> {
  if (!form) return seeOther(ctx, to.href);
  allowFormTarget(ctx, to.href);
  const fields = Object.entries(form).map(([name, value]) => ({ name, value }));
  ctx.status = 200;
  ctx.remove('Location');
  show(ctx, parts, 'sign-out/there', { host: to.host, to: to.href, fields });
}

/** Lets the form that signs this session out end at the provider that it came from, where that takes part. */
export async function allowSigningOutThere(
  ctx: Koa.Context,
  parts: Pick<Parts, 'federation'>,
  uid: string,
): Promise<void> {
  const session = requestScope().cameBy(uid);
  if (!session) return;
  const origins = await parts.federation.saml.origins(session).catch(() => []);
  for (const origin of origins) allowFormTarget(ctx, origin);
}

/** Sends somebody who signs out here to sign out where they came from as well, and then on; says whether it does. */
export async function signOutThere(
  ctx: Koa.Context,
  parts: Pick<Parts, 'federation' | 'pages'>,
  session: NamedSession | undefined,
  returnTo: string,
): Promise<boolean> {
  if (!session) return false;
  /* They are signed out here, whatever becomes of it there. */
  const departure = await parts.federation.saml.leave(session, returnTo).catch(() => undefined);
  if (departure) await leave(ctx, parts, departure);
  return departure !== undefined;
}

/** Watches the engine sign somebody out for an app: before they go back to that, they sign out where they came from. */
export function signingOutThere(parts: Pick<Parts, 'federation' | 'pages'>): Koa.Middleware {
  const after: Koa.Middleware = async (ctx, next) => {
    await next();
    if (ctx.status !== 303) return;
    const scope = requestScope();
    const [session] = scope.writes.ending().flatMap(uid => scope.cameBy(uid) ?? []);
    await signOutThere(ctx, parts, session, ctx.response.get('Location'));
  };
  return (ctx, next) => (ctx.path === '/end-session/confirm' ? after(ctx, next) : next());
}
