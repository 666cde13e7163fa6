import type Koa from 'koa';
import { type EnginePages, engineForm, type ProtocolProblem } from '../../oidc/error-page.js';
import { requestScope } from '../../oidc/request-scope.js';
import type { Refusal } from '../../platform/errors.js';
import { allowFormTarget } from '../../platform/web/headers.js';
import type { Pages } from '../../platform/web/pages.js';
import { visitOf } from '../../platform/web/surface.js';
import { show } from '../journey.js';
import type { ErrorPage } from '../page-models.js';

/** The engine's pages of signing out (OpenID Connect RP-Initiated Logout 1.0 §2), in our words. */
export function signOutPages(
  pages: Pages,
  allowMore: (ctx: Koa.Context, sessionUid: string) => Promise<void>,
): Pick<EnginePages, 'signOut' | 'signedOut'> {
  const parts = { pages };
  return {
    signOut: async (ctx, html) => {
      const { session, client, params } = ctx.oidc;
      const account = session?.accountId ? await requestScope().account(session.accountId) : undefined;
      const name = account?.profile?.['name'];
      const { action, xsrf } = engineForm(html);
      const target = params?.['post_logout_redirect_uri'];
      if (typeof target === 'string') allowFormTarget(ctx, target);
      if (session) await allowMore(ctx, session.uid);
      const form = { action, fields: [{ name: 'xsrf', value: xsrf }] };
      show(ctx, parts, 'sign-out/confirm', {
        person: { email: account?.email?.address ?? '', ...(typeof name === 'string' && { name }) },
        ...(client && { app: { name: client.clientName ?? client.clientId } }),
        signOut: { ...form, fields: [...form.fields, { name: 'logout', value: 'yes' }] },
        stay: form,
      });
    },
    signedOut: async ctx => {
      const { client } = ctx.oidc;
      const app = client && {
        name: client.clientName ?? client.clientId,
        ...(client.clientUri && { url: client.clientUri }),
      };
      show(ctx, parts, 'sign-out/done', app ? { app } : {});
    },
  };
}

/** The page of a protocol request that cannot go on: for the person, and for the developer beside them. */
export function showProtocolProblem(ctx: Koa.Context, pages: Pages, problem: ProtocolProblem): void {
  show(ctx, { pages }, 'error', {
    word: problem.kind,
    error: problem.error,
    ...(problem.description !== undefined && { description: problem.description }),
    ...(problem.kind === 'redirect' && problem.sent !== undefined && { sent: problem.sent }),
    ...(problem.clientId !== undefined && { clientId: problem.clientId }),
    requestId: visitOf(ctx).requestId,
    homeUrl: '/',
  });
}

const WORDS: Readonly<Record<string, ErrorPage['word']>> = {
  csrf: 'csrf',
  request_gone: 'expired',
  account_unavailable: 'account',
  account_frozen: 'frozen',
  address_too_new: 'new_address',
  client_unavailable: 'client',
  browser_full: 'full',
};

const AGAIN: Readonly<Record<string, true>> = { csrf: true, browser_full: true };

/* A post that failed changed nothing: its step can be shown again. A page that failed can be asked for again. */
function retryUrlOf(ctx: Koa.Context): string | undefined {
  if (ctx.method === 'GET') return /^\/(?![/\\])/.test(ctx.url) ? ctx.url : undefined;
  if (typeof ctx.state['formUrl'] === 'string') return ctx.state['formUrl'];
  return /^\/interaction\/[\w-]+(?=\/)|^\/sign-out$/.exec(ctx.path)?.[0];
}

/** The page of a refusal, or of a failure that is ours: it always says what to do next. */
export function showRefusal(ctx: Koa.Context, pages: Pages, refusal: Refusal | undefined): void {
  const { status } = ctx;
  const retryUrl = retryUrlOf(ctx);
  const retry = retryUrl === undefined ? {} : { retryUrl };
  if (refusal?.kind === 'limited' || refusal?.kind === 'busy') {
    const name = refusal.kind === 'limited' ? 'too-many' : 'busy';
    show(ctx, { pages }, name, { seconds: refusal.retryAfter ?? 5, ...retry });
  } else if (refusal?.code === 'finished') {
    show(ctx, { pages }, 'finished', {});
  } else if (refusal?.kind === 'missing' && refusal.code !== 'request_gone') {
    show(ctx, { pages }, 'not-found', {});
  } else {
    const again = !refusal || refusal.kind === 'invalid' || refusal.code in AGAIN;
    show(ctx, { pages }, 'error', {
      word: wordOf(refusal),
      error: refusal?.code ?? 'server_error',
      ...(refusal && { description: refusal.message }),
      ...(again && retry),
      requestId: visitOf(ctx).requestId,
      homeUrl: '/',
    });
  }
  ctx.status = status;
}

function wordOf(refusal: Refusal | undefined): ErrorPage['word'] {
  if (!refusal) return 'internal';
  return WORDS[refusal.code] ?? (refusal.kind === 'invalid' ? 'input' : 'generic');
}
