import type Koa from 'koa';
import { z } from 'zod';
import type { Parts } from '../journey.js';

/** What was typed into a form that came too late, by field. */
export type Draft = Readonly<Record<string, string>>;

const PURPOSE = 'account-draft';
const QUARTER = 900_000;
/* Browsers keep 4096 bytes of a cookie, name and attributes included. */
const LONGEST = 3_800;

/* RFC 6265 §4.1.1 lets no other into a cookie's path. */
const PATH = /^\/[\w\-./~%]+$/;

const schema = z.strictObject({
  accountId: z.string(),
  path: z.string(),
  fields: z.record(z.string(), z.string()),
});

function cookieOf(parts: Parts, path: string) {
  const secure = parts.issuer.protocol === 'https:';
  const name = secure ? '__Secure-keyhold_draft' : 'keyhold_draft';
  return { name, options: { signed: false, httpOnly: true, sameSite: 'lax', secure, path } as const };
}

/**
 * Keeps what was typed while its person proves anew who they are: sealed, in the browser alone, for the form's own page
 * and a quarter of an hour. What does not fit is left out, the longest first.
 */
export function keepDraft(
  ctx: Koa.Context,
  parts: Parts,
  path: string,
  accountId: string,
  fields: Draft,
): void {
  if (!PATH.test(path)) return;
  const kept = Object.entries(fields).sort(([, a], [, b]) => a.length - b.length);
  for (; kept.length > 0; kept.pop()) {
    const text = JSON.stringify({ accountId, path, fields: Object.fromEntries(kept) });
    const value = parts.keyring.seal(PURPOSE, text).toString('base64url');
    if (value.length > LONGEST) continue;
    const { name, options } = cookieOf(parts, path);
    ctx.cookies.set(name, value, { ...options, maxAge: QUARTER });
    return;
  }
}

/** What its person typed into the form of this page before, once. */
export function takeDraft(ctx: Koa.Context, parts: Parts, accountId: string): Draft {
  const { name, options } = cookieOf(parts, ctx.path);
  const value = ctx.cookies.get(name, { signed: false });
  if (value === undefined || !PATH.test(ctx.path)) return {};
  ctx.cookies.set(name, null, options);
  const draft = opened(parts, value);
  return draft?.accountId === accountId && draft.path === ctx.path ? draft.fields : {};
}

function opened(parts: Parts, value: string): z.output<typeof schema> | undefined {
  try {
    return schema.parse(JSON.parse(parts.keyring.open(PURPOSE, Buffer.from(value, 'base64url'))));
  } catch {
    return undefined;
  }
}
