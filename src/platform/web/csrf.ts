import type Koa from 'koa';
import type { Keyring } from '../crypto/keyring.js';
import { randomToken, sameText } from '../crypto/tokens.js';
import { Refusal } from '../errors.js';

/** Ties forms to the browser they were shown in. */
export interface Csrf {
  /** What this browser is known by: the value of its cookie. */
  browser(ctx: Koa.Context): string | undefined;
  /** The same; a browser that comes for the first time gets its cookie. */
  openBrowser(ctx: Koa.Context): string;
  /** The token for forms in this browser; sets the browser's cookie where there is none yet. */
  token(ctx: Koa.Context): string;
  /** Refuses a post that did not come from a page of ours in this browser. */
  check(ctx: Koa.Context, presented: unknown): void;
}

const SHAPE = /^[\w-]{43}$/;

/** Opens the protection for one issuer; behind https the cookie carries the `__Host-` prefix. */
export function openCsrf(keyring: Keyring, issuer: URL): Csrf {
  const https = issuer.protocol === 'https:';
  const cookie = https ? '__Host-keyhold_browser' : 'keyhold_browser';
  const tokenOf = (browser: string) => keyring.mac('csrf', browser).toString('base64url');
  const current = (ctx: Koa.Context) => {
    const value = ctx.cookies.get(cookie, { signed: false }) ?? (ctx.state.browser as string | undefined);
    return value !== undefined && SHAPE.test(value) ? value : undefined;
  };
  const open = (ctx: Koa.Context) => {
    const known = current(ctx);
    if (known) return known;
    const browser = randomToken();
    ctx.state.browser = browser;
    ctx.cookies.set(cookie, browser, {
      signed: false,
      httpOnly: true,
      sameSite: 'lax',
      secure: https,
      maxAge: 365 * 86_400_000,
    });
    return browser;
  };
  return {
    browser: current,
    openBrowser: open,
    token: ctx => tokenOf(open(ctx)),
    check: (ctx, presented) => {
      const browser = current(ctx);
      const site = ctx.get('Sec-Fetch-Site');
      const origin = ctx.get('Origin');
      /* Pages that send no referrer send the origin "null" (Fetch §3.2), so that one says nothing. */
      const elsewhere = origin !== '' && origin !== 'null' && origin !== issuer.origin;
      const foreign = elsewhere || (site !== '' && site !== 'same-origin');
      if (foreign || !browser || typeof presented !== 'string' || !sameText(presented, tokenOf(browser))) {
        throw new Refusal('forbidden', 'csrf', 'This form was not sent from a page of ours in this browser.');
      }
    },
  };
}
