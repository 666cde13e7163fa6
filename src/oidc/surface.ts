import { createHash } from 'node:crypto';
import type Koa from 'koa';
import type Provider from 'oidc-provider';
import type { NoteReplay } from '../domain/protection/protection.js';
import type { Keyring } from '../platform/crypto/keyring.js';
import { Refusal } from '../platform/errors.js';
import type { StatementPool } from '../platform/storage/db.js';
import { allowFormTarget } from '../platform/web/headers.js';
import { isUnavailable } from '../platform/web/problems.js';
import { answerConflict } from './conflicts.js';
import { paceDevice } from './device-codes.js';
import type { Disclosing } from './disclosing.js';
import { JWKS_MAX_AGE } from './keys.js';
import { notePushedAgain } from './noted-replays.js';
import { FlushConflict, openScope, type RequestScope, withinScope } from './request-scope.js';
import { endReusedFamily } from './reuse.js';
import { remembersSubject } from './standing.js';
import type { SubjectClient, SubjectOf } from './subjects.js';

/* A NUL or half a surrogate pair, which Postgres keeps neither as text nor as JSON. */
const UNSTORABLE = new Set(['22021', '22P05', '22P02']);
const malformed = (cause?: unknown) =>
  new Refusal('invalid', 'malformed', 'What was sent has a character that no text may have.', { cause });

interface FlushParts {
  readonly disclosing: Disclosing;
  readonly subjectOf: SubjectOf;
  readonly log: FlushLog;
}

/**
 * Serves each request within a scope and flushes what it left before the answer goes out. A failed flush lets no cookie
 * and no body leave: the caller's error handling answers instead, a lost race with the error of the artefact.
 */
export function flushing(
  pool: StatementPool,
  keyring: Keyring,
  noteReplay: NoteReplay,
  { disclosing, subjectOf, log }: FlushParts,
): Koa.Middleware {
  return async (ctx, next) => {
    if (/%00/.test(ctx.url)) throw malformed();
    const clientId = ctx.query['client_id'];
    const scope = openScope(pool, keyring, {
      clientId: typeof clientId === 'string' ? clientId : undefined,
    });
    await withinScope(scope, async () => {
      await next();
      if (ctx.status >= 500) scope.discard();
      else await endReusedFamily(ctx, scope, 'found');
      await notePushedAgain(ctx, scope, noteReplay);
      await paceDevice(ctx, pool);
      widenFormTarget(ctx);
      await disclosing.finished(ctx);
      rememberSubject(ctx, scope, subjectOf);
      try {
        await flushed(scope, log);
      } catch (error) {
        if (UNSTORABLE.has(String((error as { code?: unknown }).code))) throw malformed(error);
        if (!(error instanceof FlushConflict)) throw error;
        await answerConflict(ctx, scope, error, noteReplay);
      }
    });
  };
}

/*
 * What was tried along and could not be written is left to the next request, which tells of it if it cannot write it either. A
 * request that was finished or given up meanwhile is so for all of what was tried.
 */
async function flushed(scope: RequestScope, log: FlushLog): Promise<void> {
  try {
    await scope.flush();
  } catch (error) {
    const lost = error instanceof FlushConflict;
    if (lost ? error.model === 'Interaction' : isUnavailable(error)) throw error;
    if (!scope.takeBack()) throw error;
    if (!lost) log.warn({ err: error }, 'a request could not go on at once');
    await scope.flush();
  }
}

/** Where it is noted that something was done in two requests that should have been done in one. */
interface FlushLog {
  warn(about: object, message: string): void;
}

/**
 * Throws what the engine answered as a failure of its own though only the database could not be had, so that it is told
 * as what it is: come back in a moment.
 */
export function unavailability(provider: Provider): Koa.Middleware {
  const failures = new WeakMap<object, unknown>();
  provider.on('server_error', (ctx, error) => void failures.set(ctx.req, error));
  return async (ctx, next) => {
    await next();
    /* Where the engine's answer was taken back, nothing of it is left in the request. */
    const failure = (ctx as unknown as EngineContext).oidc && failures.get(ctx.req);
    if (isUnavailable(failure)) throw failure;
  };
}

/* An app that asks whether it may names people as it knows them: the way back from such a name is kept as it gets it. */
function rememberSubject(ctx: Koa.Context, scope: RequestScope, subjectOf: SubjectOf): void {
  const { route, client, entities } = (ctx as unknown as EngineContext).oidc ?? {};
  const accountId = entities?.Account?.accountId;
  if (route !== 'token' || ctx.status !== 200 || client?.subjectType !== 'pairwise' || !accountId) return;
  scope.writes.along(remembersSubject(subjectOf(accountId, client), accountId));
}

interface EngineContext {
  readonly oidc?: {
    readonly route?: string;
    readonly client?: SubjectClient;
    readonly redirectUriCheckPerformed?: boolean;
    readonly params?: Readonly<Record<string, unknown>>;
    readonly entities?: {
      readonly Interaction?: { readonly params: Readonly<Record<string, unknown>> };
      readonly Account?: { readonly accountId: string };
    };
  };
}

/*
 * Where a form of the engine's may lead, through whatever redirects: the form_post page to the app, and the pages that
 * submit themselves to sign somebody out on to the app that asked for it, or that somebody else signs in to.
 */
function formTarget(ctx: Koa.Context): unknown {
  const { oidc } = ctx as unknown as EngineContext;
  if (oidc?.redirectUriCheckPerformed) return oidc.params?.['redirect_uri'];
  if (ctx.status !== 200) return undefined;
  if (oidc?.route === 'end_session') return oidc.params?.['post_logout_redirect_uri'];
  if (oidc?.route === 'resume') return oidc.entities?.Interaction?.params['redirect_uri'];
  return undefined;
}

function widenFormTarget(ctx: Koa.Context): void {
  const target = ctx.response.is('html') ? formTarget(ctx) : undefined;
  if (typeof target === 'string') allowFormTarget(ctx, target);
}

const PREPARED = new Set([
  '/.well-known/openid-configuration',
  '/.well-known/oauth-authorization-server',
  '/jwks',
]);

interface Prepared {
  readonly body: Buffer;
  readonly etag: string;
}

/** Answers discovery and JWKS with bodies made once for this provider; a key rotation builds a new one. */
export function preparedMetadata(): Koa.Middleware {
  const prepared = new Map<string, Prepared>();
  const answer: Koa.Middleware = async (ctx, next) => {
    let entry = prepared.get(ctx.path);
    if (!entry) {
      await next();
      if (ctx.status !== 200) return undefined;
      const body = Buffer.from(JSON.stringify(ctx.body));
      entry = { body, etag: `"${createHash('sha256').update(body).digest('base64url').slice(0, 27)}"` };
      prepared.set(ctx.path, entry);
    }
    ctx.set('Access-Control-Allow-Origin', '*');
    ctx.vary('Origin');
    ctx.set('Cache-Control', `public, max-age=${JWKS_MAX_AGE}`);
    ctx.set('ETag', entry.etag);
    ctx.status = 200;
    ctx.type = ctx.path === '/jwks' ? 'application/jwk-set+json' : 'application/json; charset=utf-8';
    if (ctx.fresh) ctx.status = 304;
    else ctx.body = entry.body;
    return undefined;
  };
  return (ctx, next) =>
    PREPARED.has(ctx.path) && (ctx.method === 'GET' || ctx.method === 'HEAD') ? answer(ctx, next) : next();
}

/** What the engine calls the request that is being served, and the client it recognized. */
export function protocolNames(ctx: Koa.Context): { readonly route?: string; readonly client?: string } {
  const { oidc } = ctx as unknown as EngineContext;
  const route = PREPARED.has(ctx.path) ? ctx.path : oidc?.route;
  const client = oidc?.client?.clientId;
  return { ...(route === undefined ? {} : { route }), ...(client === undefined ? {} : { client }) };
}
