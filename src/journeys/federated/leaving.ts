import type Koa from 'koa';
import type { SentTo } from '../../domain/federation/federation.js';
import { allowFormTarget } from '../../platform/web/headers.js';
import { type Parts, seeOther, show } from '../journey.js';
import { providerName } from './buttons.js';
import type { FederatedLeavingPage } from './models.js';

/**
 * Sends somebody to a provider. A page says so first where their browser was not told of that address with the form that leads
 * there (CSP3 §6.4.2), and where it has something to post there.
 */
export async function sendThere(
  ctx: Koa.Context,
  parts: Parts,
  { providerId, to, known, form }: SentTo & { readonly providerId: string },
  asking: Pick<FederatedLeavingPage, 'uid' | 'app'> = {},
): Promise<void> {
  if (known && !form) return seeOther(ctx, to.href);
  if (form) allowFormTarget(ctx, to.href);
  show(ctx, parts, 'federated/leaving', {
    ...asking,
    provider: await providerName({ parts }, providerId),
    to: to.href,
    host: to.host,
    ...(form && { fields: Object.entries(form).map(([name, value]) => ({ name, value })) }),
  });
  ctx.status = 200;
}
