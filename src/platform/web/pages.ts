import type Koa from 'koa';
import type { Csrf } from './csrf.js';
import type { Renderer } from './render.js';
import { visitOf } from './surface.js';
import type { Words } from './words.js';

/** Shows pages in the language of whoever asks. */
export interface Pages {
  /** Answers with a page; `status` is kept when it was set before. */
  show(ctx: Koa.Context, template: string, model: object): void;
  /** The languages there are, each by its own name. */
  readonly languages: readonly { readonly code: string; readonly name: string }[];
  /** The language to speak in this request. */
  language(ctx: Koa.Context): string;
  /** The name of a country in that language, by its two letters. */
  country(ctx: Koa.Context, code: string): string;
  /** A word of the locales in that language. */
  say(ctx: Koa.Context, key: string, vars?: Readonly<Record<string, unknown>>): string;
}

const LANGUAGE_COOKIE = 'keyhold_language';

/** Opens the pages of one issuer. */
export function openPages(renderer: Renderer, words: Words, csrf: Csrf, issuer: URL): Pages {
  const https = issuer.protocol === 'https:';
  const cookieName = https ? `__Host-${LANGUAGE_COOKIE}` : LANGUAGE_COOKIE;
  const language = (ctx: Koa.Context): string => {
    const asked = first(ctx.query['ui_locales']);
    const cookie = ctx.cookies.get(cookieName, { signed: false });
    const chosen = words.choose({
      uiLocales: asked ?? (cookie === undefined ? (ctx.state['uiLocales'] as string | undefined) : undefined),
      cookie,
      acceptLanguage: ctx.get('Accept-Language'),
    });
    return chosen;
  };
  return {
    languages: words.languages.map(code => ({ code, name: words.translator(code)('language.name') })),
    language,
    country: (ctx, code) => words.values(language(ctx)).country(code),
    say: (ctx, key, vars) => words.translator(language(ctx))(key, vars),
    show: (ctx, template, model) => {
      const chosen = language(ctx);
      if (
        ctx.method === 'GET' &&
        typeof ctx.query['ui_locales'] === 'string' &&
        !ctx.path.startsWith('/authorize')
      ) {
        const year = 365 * 86_400_000;
        ctx.cookies.set(cookieName, chosen, {
          signed: false,
          httpOnly: true,
          sameSite: 'lax',
          secure: https,
          maxAge: year,
        });
      }
      const { nonce } = visitOf(ctx);
      const frame = {
        language: chosen,
        csrf: csrf.token(ctx),
        issuerName: 'Keyhold',
        nonce,
        // A form's answer cannot be asked for once more: from there, another language begins at the start.
        ...(!('uid' in model) && { here: hereOf(ctx) ?? '/' }),
      };
      const body = renderer.page(template, { ...frame, ...model });
      if (ctx.status === 404) ctx.status = 200;
      ctx.type = 'text/html; charset=utf-8';
      ctx.body = body;
    },
  };
}

/** The address of a page that was asked for, without the language it was asked in. */
function hereOf(ctx: Koa.Context): string | undefined {
  if (ctx.method !== 'GET' || !/^\/(?![/\\])/.test(ctx.path)) return undefined;
  const query = ctx.querystring.split('&').filter(part => part !== '' && !part.startsWith('ui_locales='));
  return query.length > 0 ? `${ctx.path}?${query.join('&')}` : ctx.path;
}

function first(value: string | string[] | undefined): string | undefined {
  return Array.isArray(value) ? value[0] : value;
}
