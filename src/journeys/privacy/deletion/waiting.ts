import type Router from '@koa/router';
import type Koa from 'koa';
import { z } from 'zod';
import { findDeletionOf } from '../../../domain/deletions/deletions.js';
import { digest } from '../../../platform/crypto/tokens.js';
import { openWork } from '../../../platform/storage/work.js';
import { readForm } from '../../../platform/web/input.js';
import { askedFrom } from '../../../platform/web/origin.js';
import { type Parts, seeOther, show } from '../../journey.js';
import { undo } from './ask.js';

const PURPOSE = 'deletion-waiting';
const LASTS = 3_600_000;

const schema = z.strictObject({
  accountId: z.uuid(),
  browser: z.string(),
  to: z.string(),
  at: z.number(),
});

const browserOf = (ctx: Koa.Context, parts: Parts) =>
  digest(parts.csrf.openBrowser(ctx)).toString('base64url');

/** Where whoever has just signed in is shown that their account is about to go, before their sign-in goes on at `to`. */
export function waitingUrl(ctx: Koa.Context, parts: Parts, accountId: string, to: string): string {
  const sealed = { accountId, browser: browserOf(ctx, parts), to, at: Date.now() };
  return `/deletion/waiting/${parts.keyring.seal(PURPOSE, JSON.stringify(sealed)).toString('base64url')}`;
}

function opened(ctx: Koa.Context, parts: Parts): z.output<typeof schema> | undefined {
  const { sealed } = ctx['params'] as { readonly sealed: string };
  if (sealed.length > 4_096) return undefined;
  try {
    const text = parts.keyring.open(PURPOSE, Buffer.from(sealed, 'base64url'));
    const shown = schema.parse(JSON.parse(text));
    return shown.browser === browserOf(ctx, parts) && Date.now() - shown.at < LASTS ? shown : undefined;
  } catch {
    return undefined;
  }
}

/** The page between a sign-in and where it goes on; good in the browser that signed in, for an hour. */
export function waitingRoutes(router: Router, parts: Parts): void {
  router.get('/deletion/waiting/:sealed', ctx => look(ctx, parts));
  router.post('/deletion/waiting/:sealed', ctx => keep(ctx, parts));
}

function lost(ctx: Koa.Context, parts: Parts): void {
  show(ctx, parts, 'deletion/unknown', {});
  ctx.status = 404;
}

async function look(ctx: Koa.Context, parts: Parts): Promise<void> {
  const shown = opened(ctx, parts);
  if (!shown) return lost(ctx, parts);
  const deletion = await findDeletionOf(parts.db, shown.accountId);
  const beginsAt = deletion?.state === 'waiting' ? deletion.beginsAt : undefined;
  show(ctx, parts, 'deletion/waiting', {
    ...(beginsAt && { beginsAt }),
    keepUrl: ctx.path,
    onUrl: shown.to,
    here: ctx.path,
  });
}

async function keep(ctx: Koa.Context, parts: Parts): Promise<void> {
  await readForm(ctx, parts.csrf);
  const shown = opened(ctx, parts);
  if (!shown) return lost(ctx, parts);
  const { accountId } = shown;
  const deletion = await findDeletionOf(parts.db, accountId);
  const asked = { at: new Date(), ...askedFrom(ctx) };
  if (deletion) {
    await openWork(parts.db, { kind: 'person', id: accountId }, work =>
      undo(work, parts, { id: deletion.id, accountId, by: 'sign_in', asked }),
    );
  }
  /* To this page once more, and on by its link: a form may not be answered by leading to an app (CSP form-action). */
  seeOther(ctx, ctx.path);
}
