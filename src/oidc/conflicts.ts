import type Koa from 'koa';
import type { NoteReplay } from '../domain/protection/protection.js';
import { Refusal } from '../platform/errors.js';
import { noteRefusedReplay } from './noted-replays.js';
import type { FlushConflict, RequestScope } from './request-scope.js';
import { endReusedFamily } from './reuse.js';

interface EngineContext {
  readonly oidc?: { readonly route?: string };
}

interface OAuthError {
  readonly status: number;
  readonly error: string;
  readonly description: string;
}

const said = (status: number, error: string, description: string): OAuthError => ({
  status,
  error,
  description,
});

const OAUTH_ERROR: Readonly<Record<string, OAuthError>> = {
  AuthorizationCode: said(400, 'invalid_grant', 'authorization code already used'),
  RefreshToken: said(400, 'invalid_grant', 'refresh token already used'),
  DeviceCode: said(400, 'invalid_grant', 'device code already used'),
  Grant: said(400, 'invalid_grant', 'grant was revoked'),
  PushedAuthorizationRequest: said(400, 'invalid_request_uri', 'request_uri was already used'),
  ClientAssertion: said(401, 'invalid_client', 'client assertion was already used'),
  UserCode: said(503, 'temporarily_unavailable', 'try again'),
  DpopProof: said(400, 'invalid_dpop_proof', 'DPoP proof was already used'),
};

/* A grant that is gone was revoked, and two devices that got the same code have done nothing. */
const USED_ONCE: ReadonlySet<string> = new Set(
  Object.keys(OAUTH_ERROR).filter(model => model !== 'Grant' && model !== 'UserCode'),
);

/** The endpoints that apps call themselves: they are answered as OAuth says, people with a page. */
const BACK_CHANNEL: ReadonlySet<string> = new Set([
  'token',
  'pushed_authorization_request',
  'device_authorization',
  'introspection',
  'revocation',
  'userinfo',
  'access_evaluation',
]);

/* Somebody came or went in another tab meanwhile: asked again, the same request sees who is here now. */
const WHO_IS_HERE: ReadonlySet<string> = new Set(['Session', 'Browser', 'Grant']);

/** Answers a request that lost a race for something that is used once; nothing of it was written. */
export async function answerConflict(
  ctx: Koa.Context,
  scope: RequestScope,
  conflict: FlushConflict,
  note: NoteReplay,
): Promise<void> {
  const route = (ctx as unknown as EngineContext).oidc?.route ?? '';
  ctx.res.removeHeader('Set-Cookie');
  ctx.res.removeHeader('Location');
  if (WHO_IS_HERE.has(conflict.model) && (route === 'authorization' || route === 'resume')) {
    ctx.redirect(ctx.url);
    ctx.status = 303;
    return;
  }
  const known = OAUTH_ERROR[conflict.model];
  if (USED_ONCE.has(conflict.model)) {
    /* A second use of a code or refresh token: the family dies as it would had it been found used. */
    if (!(await endReusedFamily(ctx, scope, 'lost'))) {
      await noteRefusedReplay(ctx, scope, note, conflict.model);
    }
    await scope.flush();
  }
  if (!known || !BACK_CHANNEL.has(route)) throw refusalOf(conflict, known);
  const { status, error, description } = known;
  ctx.status = route === 'userinfo' ? 401 : status;
  if (route === 'userinfo') {
    /* RFC 9449 §7.1 */
    ctx.set('WWW-Authenticate', `DPoP error="${error}", error_description="${description}"`);
  }
  ctx.set('Cache-Control', 'no-store');
  ctx.body = { error, error_description: description };
}

function refusalOf(cause: FlushConflict, known: OAuthError | undefined): Refusal {
  if (known && cause.model === 'PushedAuthorizationRequest') {
    return new Refusal('invalid', known.error, 'This request was used already. Start again from the app.', {
      cause,
    });
  }
  return new Refusal('conflict', 'finished', 'This was done already, here or in another tab.', { cause });
}
