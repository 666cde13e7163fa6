import type Koa from 'koa';
import type Provider from 'oidc-provider';
import { STILL_NAMED } from '../domain/protection/protection.js';
import { Refusal } from '../platform/errors.js';
import type { Clause } from '../platform/storage/db.js';
import type { Payload } from './artefacts.js';
import { resumeAs } from './people.js';
import { mustStillBePushed } from './pushed-requests.js';
import { type AccountSnapshot, requestScope } from './request-scope.js';

/**
 * Serves our own routes, and where one has just signed somebody in, goes on with their request at once: the engine resumes it
 * within the very request, so that the answer leads to the app (docs/decisions/0044). Only where nobody else is signed in in the
 * browser, and all that the resumption reads was read along. If it comes to anything but leading on, or loses a race, nothing
 * of it is kept, and the browser is led to the resumption as it would be without this.
 */
export function straightOn(provider: Provider, issuer: URL, routes: Koa.Middleware): Koa.Middleware {
  return async (ctx, next) => {
    await routes(ctx, next);
    const answered = await answeredIn(ctx);
    if (!answered) return;
    const scope = requestScope();
    scope.attempt(answerAgain(ctx));
    scope.browser.arriving = true;
    scope.writes.along(stillAsRead(answered.account));
    if (answered.named) scope.writes.along(stillNamed);
    try {
      await mustStillBePushed(answered.interaction);
      await resumeAs(ctx, issuer, answered);
      await resume(ctx, {
        next,
        interactionId: answered.interactionId,
        cookie: provider.cookieName('resume'),
      });
      /* A page is no answer to a form: a reload would send it again. */
      if (ctx.status !== 303) scope.takeBack();
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      scope.takeBack();
    }
  };
}

interface Answered {
  readonly interactionId: string;
  readonly interaction: Payload;
  readonly account: AccountSnapshot;
  readonly named: boolean;
}

/* The request that the browser is about to be led on with, and who has answered it; only where nobody is signed in there. */
async function answeredIn(ctx: Koa.Context): Promise<Answered | undefined> {
  const scope = requestScope();
  const { goesOn, browser } = scope;
  if (!goesOn || browser.crowd !== 0 || ctx.response.get('Location') !== goesOn.to) return undefined;
  const { interactionId, accountId, named } = goesOn;
  const interaction = await scope.find('Interaction', interactionId);
  const account = await scope.account(accountId);
  if (!interaction || interaction['session'] || interaction['deviceCode'] || !account) return undefined;
  return { interactionId, interaction, account, named };
}

interface Resumption {
  readonly next: Koa.Next;
  readonly interactionId: string;
  /** What the engine finds the request by: the browser has it for the resumption's own address. */
  readonly cookie: string;
}

/* The engine sees the request that the browser would send next. */
async function resume(ctx: Koa.Context, { next, interactionId, cookie }: Resumption): Promise<void> {
  const { method, url, cookies } = ctx;
  ctx.state['route'] = (ctx as { readonly _matchedRoute?: unknown })._matchedRoute;
  ctx.res.removeHeader('Location');
  ctx.body = null;
  ctx.status = 404;
  const get: typeof cookies.get = (name, options) =>
    name === cookie ? interactionId : cookies.get(name, options);
  try {
    ctx.method = 'GET';
    ctx.url = `/authorize/${interactionId}`;
    ctx.cookies = Object.create(cookies, { get: { value: get } }) as typeof cookies;
    await next();
  } finally {
    Object.assign(ctx, { method, url, cookies });
  }
}

/*
 * A password takes a while to check: whoever was turned off meanwhile, or signed out everywhere, or must show more from now on,
 * does not come to live here.
 */
function stillAsRead(account: AccountSnapshot): Clause {
  const { account_id, state, proofs_from, signed_out_before, second_step, roles } = account;
  return bind => {
    const unchanged = `SELECT FROM account_snapshots WHERE account_id = ${bind(account_id, 'uuid')}
      AND state = ${bind(state, 'text')} AND proofs_from IS NOT DISTINCT FROM ${bind(proofs_from, 'bigint')}
      AND signed_out_before IS NOT DISTINCT FROM ${bind(signed_out_before, 'bigint')}
      AND second_step = ${bind(second_step, 'boolean')} AND roles = ${bind(roles, 'text[]')}`;
    return { parts: [], selected: [`keyhold_require(EXISTS (${unchanged}), 'Account')`] };
  };
}

/* Nobody signed in in another tab meanwhile: their session would be left without a browser. */
const stillNamed: Clause = () => ({
  parts: [],
  selected: [`keyhold_require(${STILL_NAMED}, 'Browser')`],
});

/* Puts an answer back as it stands now. */
function answerAgain(ctx: Koa.Context): () => void {
  const location = ctx.response.get('Location') as string;
  /* A copy: whoever sets a cookie adds to the very list. */
  const cookies = [ctx.res.getHeader('Set-Cookie') ?? []].flat().map(String);
  return () => {
    /* Nothing that comes later takes it for the resumption. */
    Object.defineProperty(ctx, 'oidc', { value: undefined });
    ctx.body = null;
    ctx.status = 303;
    ctx.redirect(location);
    ctx.res.removeHeader('Set-Cookie');
    if (cookies.length > 0) ctx.res.setHeader('Set-Cookie', cookies);
  };
}
