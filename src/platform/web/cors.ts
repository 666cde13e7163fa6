import type Koa from 'koa';

const HEADERS = 'Authorization, Content-Type, DPoP';
const READABLE = 'WWW-Authenticate, Retry-After, X-Request-Id';

/** Answers whether a page elsewhere may ask with a token; who may is decided when it does (Fetch §3.2.2). */
export function answerPreflight(ctx: Koa.Context, methods: readonly string[]): void {
  ctx.set('Access-Control-Allow-Origin', ctx.get('Origin') || '*');
  ctx.vary('Origin');
  ctx.set('Access-Control-Allow-Methods', methods.join(', '));
  ctx.set('Access-Control-Allow-Headers', HEADERS);
  ctx.set('Access-Control-Max-Age', '600');
  ctx.set('Allow', methods.join(', '));
  ctx.status = 204;
}

/** Lets the page that asks read the answer; never with cookies. */
export function letOriginRead(ctx: Koa.Context): void {
  const origin = ctx.get('Origin');
  ctx.vary('Origin');
  if (origin === '') return;
  ctx.set('Access-Control-Allow-Origin', origin);
  ctx.set('Access-Control-Expose-Headers', READABLE);
}

/** Takes that back: the page is none of the app's. */
export function hideFromOrigin(ctx: Koa.Context): void {
  ctx.remove('Access-Control-Allow-Origin');
  ctx.remove('Access-Control-Expose-Headers');
}
