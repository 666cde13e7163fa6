import type Router from '@koa/router';
import type Koa from 'koa';
import { PROVIDER_ID, type UpstreamAnswer } from '../../domain/federation/federation.js';
import { Refusal } from '../../platform/errors.js';
import { readForeignForm } from '../../platform/web/input.js';
import { noteReplay, type Parts, seeOther } from '../journey.js';

/* An assertion with its signatures, as base64. */
const LARGEST = '512kb';

/**
 * Where identity providers send people back to. What came is kept with its trip, once, and its person goes on by GET: a post
 * from elsewhere brings no cookie (RFC 6265bis §5.2), so which browser it is is looked at there.
 */
export function federationRoutes(router: Router, parts: Parts): void {
  const path = '/federation/:provider/callback';
  router.get(path, ctx => comeBack(ctx, parts, { method: 'GET', parameters: single(ctx.query) }));
  router.post(path, async ctx => {
    const parameters = single(await readForeignForm(ctx, LARGEST));
    await comeBack(ctx, parts, { method: 'POST', parameters });
  });
}

async function comeBack(ctx: Koa.Context, parts: Parts, answer: UpstreamAnswer): Promise<void> {
  const { provider } = ctx['params'] as { readonly provider: string };
  const browser = answer.method === 'GET' ? (parts.csrf.browser(ctx) ?? '') : undefined;
  const on = PROVIDER_ID.test(provider)
    ? await parts.federation.keepAnswer(provider, answer, browser)
    : undefined;
  if (on === undefined) {
    await noteReplay(ctx, parts, 'federated_answer');
    throw new Refusal('missing', 'request_gone', 'This way back was used before, or it has ended.');
  }
  seeOther(ctx, on);
}

/* What comes twice is understood by one reader as the first and by another as the last. */
function single(sent: Readonly<Record<string, unknown>>): Readonly<Record<string, string>> {
  const entries = Object.entries(sent).map(([name, value]) => {
    if (typeof value === 'string') return [name, value] as const;
    throw new Refusal('invalid', 'twice', 'A parameter came more than once.');
  });
  return Object.fromEntries(entries);
}
