import type Router from '@koa/router';
import { posted, redirected } from './incoming.js';
import { NEXT_PATH } from './leaving.js';
import { ASKED_PATH, endAsked, goOnLeaving, takeLogout } from './logout.js';
import type { SamlParts } from './parts.js';
import { ANSWER_PATH, LOGOUT_PATH, METADATA_PATH, SIGN_ON_PATH, samlPlaces } from './places.js';
import { ourMetadata } from './response.js';
import { goOn, takeEngineAnswer, takeRequest } from './sign-on.js';

/* Far shorter than a key is published for before it signs. */
const METADATA_SECONDS = 3_600;

/** Mounts the identity provider of SAML 2.0, for apps that speak nothing else. */
export function signOnRoutes(router: Router, parts: SamlParts): void {
  router.get(METADATA_PATH, async ctx => {
    const metadata = ourMetadata(samlPlaces(parts.issuer), await parts.samlKeys.published());
    ctx.set('Cache-Control', `public, max-age=${METADATA_SECONDS}`);
    ctx.type = 'application/samlmetadata+xml';
    ctx.body = metadata.xml;
  });
  router.get(SIGN_ON_PATH, ctx => takeRequest(ctx, parts, redirected(ctx)));
  router.post(SIGN_ON_PATH, async ctx => takeRequest(ctx, parts, await posted(ctx)));
  router.get(`${SIGN_ON_PATH}/:id`, ctx => goOn(ctx, parts, ctx['params'].id));
  router.get(ANSWER_PATH, ctx => takeEngineAnswer(ctx, parts));
  router.get(LOGOUT_PATH, ctx => takeLogout(ctx, parts, redirected(ctx)));
  router.post(LOGOUT_PATH, async ctx => takeLogout(ctx, parts, await posted(ctx)));
  router.get(ASKED_PATH, ctx => endAsked(ctx, parts));
  router.get(NEXT_PATH, ctx => goOnLeaving(ctx, parts));
}
