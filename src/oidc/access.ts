import type Router from '@koa/router';
import type Koa from 'koa';
import type Provider from 'oidc-provider';
import type { Client } from 'oidc-provider';
import type { z } from 'zod';
import { PROTECTION_FACTS, type Protection } from '../domain/protection/protection.js';
import { Refusal } from '../platform/errors.js';
import type { Db, StatementPool } from '../platform/storage/db.js';
import { openWork } from '../platform/storage/work.js';
import { answerPreflight, hideFromOrigin, letOriginRead } from '../platform/web/cors.js';
import { readApiBody } from '../platform/web/input.js';
import { heldToken } from './bearer.js';
import { BearerRefusal } from './bearer-refusal.js';
import type { Claims } from './claims.js';
import { authenticatedClient, CLIENT_PARAMETERS, ClientRefusal } from './client-authentication.js';
import { type Decision, decide } from './decision.js';
import {
  type Asked,
  answered,
  askedBy,
  evaluationSchema,
  evaluationsSchema,
  keptFor,
  upTo,
} from './evaluation.js';
import { meantBy, readStandings } from './standing.js';
import type { SubjectOf } from './subjects.js';

/** Where apps ask whether they may (AuthZEN Authorization API 1.0). */
export const EVALUATION_PATH = '/access/v1/evaluation';
export const EVALUATIONS_PATH = '/access/v1/evaluations';
const METADATA_PATH = '/.well-known/authzen-configuration';

/** What decisions are made with. */
export interface AccessParts {
  readonly provider: Provider;
  readonly issuer: URL;
  readonly pool: StatementPool;
  readonly db: Db;
  readonly claims: Claims;
  readonly subjectOf: SubjectOf;
  readonly protection: Protection;
}

/** What discovery says of it. */
export const accessMetadata = (issuer: URL) => ({
  access_evaluation_endpoint: new URL(EVALUATION_PATH, issuer).href,
  access_evaluations_endpoint: new URL(EVALUATIONS_PATH, issuer).href,
});

/** Mounts "may I, now, for this purpose?". */
export function accessRoutes(router: Router, parts: AccessParts): void {
  router.get(METADATA_PATH, ctx => {
    ctx.set('Cache-Control', 'public, max-age=3600');
    ctx.set('Access-Control-Allow-Origin', '*');
    ctx.body = { policy_decision_point: parts.issuer.origin, ...accessMetadata(parts.issuer) };
  });
  for (const path of [EVALUATION_PATH, EVALUATIONS_PATH]) {
    router.options(path, ctx => answerPreflight(ctx, ['POST']));
    router.post(path, ctx => serve(ctx, parts, path === EVALUATIONS_PATH));
  }
}

async function serve(ctx: Koa.Context, parts: AccessParts, several: boolean): Promise<void> {
  letOriginRead(ctx);
  ctx.set('Cache-Control', 'no-store');
  const requestId = ctx.get('X-Request-ID');
  if (/^[\x21-\x7e]{1,128}$/.test(requestId)) ctx.set('X-Request-ID', requestId);
  try {
    const body = await readApiBody(ctx);
    const asking = await askingApp(ctx, parts, body);
    ctx.state['clientId'] = asking.client.clientId;
    const { asked, semantic } = several ? questionsIn(body) : { asked: [oneIn(body)], semantic: undefined };
    const decisions = await decisionsOn(parts, asking, asked);
    const told = upTo(semantic, decisions);
    present(ctx, told, several && 'evaluations' in body);
  } catch (error) {
    if (error instanceof ClientRefusal) {
      ctx.status = error.status;
      ctx.body = { error: error.error, error_description: error.message };
      return;
    }
    if (error instanceof BearerRefusal) ctx.append('WWW-Authenticate', `Bearer error="${error.code}"`);
    throw error;
  }
}

interface AskingApp {
  readonly client: Client;
  /** Whose token it came with; an app that proved itself asks about anybody it is connected with. */
  readonly only: string | undefined;
}

/* An app that can keep no secret asks with the token that it has of the person, and about nobody else. */
async function askingApp(
  ctx: Koa.Context,
  { provider }: AccessParts,
  body: Readonly<Record<string, unknown>>,
): Promise<AskingApp> {
  if (/^(Bearer|DPoP) /i.test(ctx.get('Authorization'))) {
    const { accountId, client, token } = await heldToken(ctx, provider, undefined, one => ofApp(ctx, one));
    if (!token.scopes.has('openid')) throw new BearerRefusal('insufficient_scope', 'This takes openid.');
    return { client, only: accountId };
  }
  const sent = CLIENT_PARAMETERS.flatMap(key => (key in body ? [[key, body[key]]] : []));
  const text = sent.filter(([, value]) => typeof value === 'string');
  const client = await authenticatedClient(ctx, provider, Object.fromEntries(text));
  ofApp(ctx, client);
  if (client.clientAuthMethod === 'none') {
    throw new BearerRefusal(undefined, 'An app that keeps no secret comes with a token of the person.');
  }
  return { client, only: undefined };
}

function ofApp(ctx: Koa.Context, client: { readonly [property: string]: unknown }): void {
  const origin = ctx.get('Origin');
  const allowed = (client['allowed_origins'] as readonly string[] | undefined) ?? [];
  if (origin === '' || allowed.includes(origin)) return;
  hideFromOrigin(ctx);
  throw new BearerRefusal('invalid_request', 'This origin is none of the app.');
}

const parsed = <Schema extends z.ZodType>(schema: Schema, sent: unknown): z.output<Schema> => {
  const checked = schema.safeParse(sent);
  if (checked.success) return checked.data;
  const fields = checked.error.issues.map(({ path, message }) => ({
    field: ['body', ...path.map(String)].join('.'),
    message,
  }));
  throw new Refusal('invalid', 'invalid_input', 'Some of what was sent cannot be used.', { fields });
};

const oneIn = (body: unknown): Asked => askedBy(parsed(evaluationSchema, body));

function questionsIn(body: Readonly<Record<string, unknown>>) {
  const { evaluations = [], options, subject, action, resource } = parsed(evaluationsSchema, body);
  /* Without a list it is one question (§7.1). */
  if (evaluations.length === 0) return { asked: [oneIn(body)], semantic: undefined };
  const asked = evaluations.map(one => oneIn({ subject, action, resource, ...one }));
  return { asked, semantic: options?.evaluations_semantic };
}

const HOUR = 3_600;
const UNKNOWN = { name: 'decision', per: 'app', max: 600, window: HOUR, readable: true } as const;

async function decisionsOn(
  parts: AccessParts,
  { client, only }: AskingApp,
  asked: readonly Asked[],
): Promise<readonly Decision[]> {
  const { pool, claims, subjectOf } = parts;
  const pairwise = client.subjectType === 'pairwise';
  const knows = (accountId: string) => subjectOf(accountId, client);
  const mine = only === undefined ? undefined : knows(only);
  const meant = asked.map(({ subject }) => {
    if (mine === undefined) return meantBy(subject, pairwise);
    return subject === mine && only !== undefined ? { accountId: only } : undefined;
  });
  const purposes = asked.map(({ purpose }) => purpose);
  const standings = await readStandings(pool, { clientId: client.clientId, knows }, meant, purposes);
  const decisions = standings.map((standing, at) => decide(client, standing, asked[at] as Asked, claims));
  if (decisions.some(({ reason }) => reason === 'not_connected')) await countUnknown(parts, client.clientId);
  return decisions;
}

/* Whoever asks about people that they are not connected with is guessing, or has lost count. */
async function countUnknown({ protection, db }: AccessParts, clientId: string): Promise<void> {
  const verdict = await protection.count([{ ...UNKNOWN, subject: clientId }]);
  if (verdict.allowed) return;
  if (verdict.reached) {
    const { name, per } = verdict.reached;
    await openWork(db, { kind: 'client', id: clientId }, async work =>
      work.record({ type: PROTECTION_FACTS[0], clientId, detail: { limit: name, per } }),
    );
  }
  throw new Refusal('limited', 'too_many_unknown', 'Too many questions about people unknown to the app.', {
    retryAfter: verdict.retryAfter,
  });
}

function present(ctx: Koa.Context, decisions: readonly Decision[], several: boolean): void {
  const at = new Date();
  const kept = Math.min(...decisions.map(one => keptFor(one, at)));
  if (kept > 0) ctx.set('Cache-Control', `private, max-age=${kept}`);
  const answers = decisions.map(one => answered(one, at));
  ctx.status = 200;
  ctx.body = several ? { evaluations: answers } : answers[0];
}
