import parse from 'co-body';
import type Koa from 'koa';
import { Refusal } from '../errors.js';
import type { Csrf } from './csrf.js';

const FORM_LIMIT = '32kb';
const JSON_LIMIT = '64kb';

/** The fields of a posted form, after its CSRF token was checked. A field sent twice is a list. */
export async function readForm(ctx: Koa.Context, csrf: Csrf): Promise<Readonly<Record<string, unknown>>> {
  if (!ctx.is('application/x-www-form-urlencoded')) {
    throw new Refusal('invalid', 'unsupported_media_type', 'Send this as an HTML form does.');
  }
  const form = await bodyOf(() =>
    parse.form(ctx, { limit: FORM_LIMIT, queryString: { arrayLimit: 200, depth: 0 } }),
  );
  csrf.check(ctx, form['csrf']);
  return form;
}

/** The fields of a form that another site's page posts here, such as an identity provider's: nothing says that it is ours. */
export function readForeignForm(ctx: Koa.Context, limit: string): Promise<Readonly<Record<string, unknown>>> {
  if (!ctx.is('application/x-www-form-urlencoded')) {
    throw new Refusal('invalid', 'unsupported_media_type', 'Send this as an HTML form does.');
  }
  return bodyOf(() => parse.form(ctx, { limit, queryString: { arrayLimit: 20, depth: 0 } }));
}

/** The JSON object a page's own script posted, after the CSRF token in `X-CSRF-Token` was checked. */
export async function readJson(ctx: Koa.Context, csrf: Csrf): Promise<Readonly<Record<string, unknown>>> {
  csrf.check(ctx, ctx.get('X-CSRF-Token'));
  return jsonOf(ctx);
}

/** The JSON object an app sent to an API, where its token alone says who it is. */
export function readApiBody(ctx: Koa.Context): Promise<Readonly<Record<string, unknown>>> {
  return jsonOf(ctx);
}

async function jsonOf(ctx: Koa.Context): Promise<Readonly<Record<string, unknown>>> {
  if (!ctx.is('application/json', 'application/merge-patch+json')) {
    throw new Refusal('invalid', 'unsupported_media_type', 'Send this as application/json.');
  }
  const body: unknown = await bodyOf(() => parse.json(ctx, { limit: JSON_LIMIT, strict: true }));
  if (typeof body !== 'object' || body === null || Array.isArray(body)) {
    throw new Refusal('invalid', 'invalid_json', 'An object was expected.');
  }
  return body as Record<string, unknown>;
}

async function bodyOf(read: () => Promise<unknown>): Promise<Record<string, unknown>> {
  try {
    return (await read()) as Record<string, unknown>;
  } catch (cause) {
    const status = (cause as { status?: number }).status;
    if (status === 413)
      throw new Refusal('invalid', 'too_large', 'That was more than fits into this form.', { cause });
    throw new Refusal('invalid', 'malformed', 'What was sent could not be read.', { cause });
  }
}
