import type Router from '@koa/router';
import { listPasskeyOrigins } from '../../domain/clients/clients.js';
import { digest } from '../../platform/crypto/tokens.js';
import type { Db } from '../../platform/storage/db.js';

const HELD_MS = 60_000;
const PATH = '/.well-known/webauthn';

/**
 * `/.well-known/webauthn` (WebAuthn Level 3 §5.11): on which other pages of the house a browser may use its passkeys. What
 * such a page makes of one signs nobody in here (docs/decisions/0018); without such pages there is no such file.
 */
export function relatedOriginRoutes(router: Router, { db }: { readonly db: Db }): void {
  const read = rememberedFor(HELD_MS, () => listPasskeyOrigins(db));
  router.get(PATH, async ctx => {
    const origins = await read();
    if (origins.length === 0) return;
    const body = JSON.stringify({ origins });
    ctx.status = 200;
    ctx.type = 'application/json';
    ctx.set('Cache-Control', 'public, max-age=300');
    ctx.etag = digest(body).toString('base64url').slice(0, 22);
    if (ctx.fresh) ctx.status = 304;
    else ctx.body = body;
  });
}

/* Anybody may ask, so that the database is asked once a minute and not each time. */
function rememberedFor<T>(lasts: number, read: () => Promise<T>): () => Promise<T> {
  let held: { readonly value: Promise<T>; readonly until: number } | undefined;
  return () => {
    if (!held || held.until < performance.now()) {
      const value = read();
      held = { value, until: performance.now() + lasts };
      value.catch(() => {
        held = undefined;
      });
    }
    return held.value;
  };
}
