import type { Readable } from 'node:stream';
import type Router from '@koa/router';
import type Koa from 'koa';
import { z } from 'zod';
import type { Told } from '../../domain/disclosures/disclosures.js';
import { type AccountScope, accountApiOf } from '../../domain/resources/resources.js';
import { type Caller, callerOf } from '../../oidc/bearer.js';
import { BearerRefusal, challenge } from '../../oidc/bearer-refusal.js';
import { Refusal } from '../../platform/errors.js';
import type { Actor } from '../../platform/storage/work.js';
import { answerPreflight, hideFromOrigin, letOriginRead } from '../../platform/web/cors.js';
import { readApiBody } from '../../platform/web/input.js';
import { readFile } from '../../platform/web/upload.js';
import type { Parts } from '../journey.js';
import { demandOf, FRESH_SECONDS, meets } from './freshness.js';
import { type Me, secondFactorOf } from './person.js';
import { isRestricted } from './restricted.js';
import { topicOf } from './topics.js';

/** What an app asked, checked: a token of this person with the scope, fresh enough, and nothing unknown in what it sent. */
export interface ApiCall<Query = unknown, Input = unknown> {
  readonly ctx: Koa.Context;
  readonly parts: Parts;
  readonly me: Me;
  /** The app that acts for the person, for `openWork`. */
  readonly actor: Actor;
  readonly caller: Caller;
  readonly params: Readonly<Record<string, string>>;
  readonly query: Query;
  readonly input: Input;
}

interface Operation<Query extends z.ZodType, Input extends z.ZodType, Answer extends z.ZodType> {
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  /** `/api/me/contacts/:id`; a parameter names a thing and never whose it is: that is `call.me.accountId`. */
  readonly path: `/api/me${string}`;
  readonly scope: AccountScope;
  /** What it changes matters so much that its person must have authenticated within five minutes (RFC 9470). */
  readonly sensitive?: true;
  /** What it does, in one sentence for whoever writes an app. */
  readonly summary: string;
  /** Strict objects: what they do not name is refused. */
  readonly query?: Query;
  readonly input?: Input;
  /** The body is a file of one of these types, and `input` is its bytes. */
  readonly file?: { readonly types: readonly string[]; readonly megabytes: number };
  /** All that the answer may hold; 204 without one. */
  readonly answer?: Answer;
  readonly status?: 200 | 201 | 202;
  /** What the answer tells about the person, by attribute or topic; without it, all of it as the topic of its path. */
  readonly tells?: (answer: z.output<Answer>) => Told;
  /** The answer is a file of this type, which `run` gives as it is sent; it counts as told once for each. */
  readonly sends?: string;
  run(call: ApiCall<z.output<Query>, z.output<Input>>): Promise<z.input<Answer>>;
}

/** A file that is sent as it is made. */
export interface SentFile {
  /** Names what is in it, where it is put on record that it was told. */
  readonly id: string;
  readonly name: string;
  readonly stream: Readable;
}

/** One operation under `/api/me`, as a topic lists it in its `api.ts`. */
export type ApiOperation = Operation<z.ZodType, z.ZodType, z.ZodType>;

/** Holds what an operation does against its schemas. */
export function operation<
  Query extends z.ZodType = z.ZodUndefined,
  Input extends z.ZodType = z.ZodUndefined,
  Answer extends z.ZodType = z.ZodVoid,
>(defined: Operation<Query, Input, Answer>): ApiOperation {
  return defined as unknown as ApiOperation;
}

/** The same of one that answers with a file. */
export function fileOperation(
  defined: Pick<ApiOperation, 'method' | 'path' | 'scope' | 'sensitive' | 'summary'> & {
    readonly sends: string;
    run(call: ApiCall): Promise<SentFile>;
  },
): ApiOperation {
  return defined as unknown as ApiOperation;
}

/** Mounts the operations, each behind the one check, and what belongs to their addresses. */
export function mountApi(router: Router, parts: Parts, operations: readonly ApiOperation[]): void {
  for (const one of operations) router.register(one.path, [one.method], ctx => serve(ctx, parts, one));
  router.register('/api/me{/*rest}', ['OPTIONS', 'GET', 'POST', 'PUT', 'PATCH', 'DELETE'], (ctx, next) => {
    const methods = methodsOf(router, ctx.path, operations);
    if (methods.length === 0) return next();
    if (ctx.method === 'OPTIONS') return answerPreflight(ctx, methods);
    ctx.set('Allow', methods.join(', '));
    throw new Refusal('unsupported', 'method_not_allowed', `Only ${methods.join(', ')} can be done here.`);
  });
}

function methodsOf(router: Router, path: string, operations: readonly ApiOperation[]): readonly string[] {
  const here = new Set(router.match(path, 'GET').path.map(layer => layer.path));
  return operations.filter(one => here.has(one.path)).map(({ method }) => method);
}

const restricted = () =>
  new Refusal('forbidden', 'processing_restricted', 'The person has had the use of this restricted.');

/** Where the API says what it takes (RFC 9728 §3). */
export const METADATA_PATH = '/.well-known/oauth-protected-resource/api/me';

async function serve(ctx: Koa.Context, parts: Parts, one: ApiOperation): Promise<void> {
  letOriginRead(ctx);
  ctx.state['route'] = one.path;
  try {
    const caller = await callerFor(ctx, parts, one);
    ctx.state['clientId'] = caller.clientId;
    if (isRestricted(parts, caller, one.scope)) throw restricted();
    const { accountId, sessionUid, authenticatedAt, acr, secondStep } = caller;
    const answer = await one.run({
      ctx,
      parts,
      caller,
      me: { accountId, sessionUid, authenticatedAt, acr, secondStep },
      actor: { kind: 'client', id: caller.clientId },
      params: ctx['params'] as ApiCall['params'],
      query: parsed('query', one.query ?? z.strictObject({}), { ...ctx.query }),
      input:
        one.input && parsed('body', one.input, await (one.file ? readFile(ctx, one.file) : readApiBody(ctx))),
    });
    await present(ctx, one, answer, told =>
      parts.disclosing.leaving({ accountId, clientId: caller.clientId, told: { api: told } }),
    );
  } catch (error) {
    if (error instanceof BearerRefusal) challenge(ctx, error, new URL(METADATA_PATH, parts.issuer).href);
    throw error;
  }
}

async function callerFor(ctx: Koa.Context, parts: Parts, one: ApiOperation): Promise<Caller> {
  const caller = await callerOf(ctx, parts.provider, accountApiOf(parts.issuer), client => {
    const origin = ctx.get('Origin');
    const allowed = (client['allowed_origins'] as readonly string[] | undefined) ?? [];
    if (origin === '' || allowed.includes(origin)) return;
    hideFromOrigin(ctx);
    throw new BearerRefusal('invalid_request', 'This origin is none of the app.');
  });
  if (!caller.scopes.has(one.scope)) {
    throw new BearerRefusal('insufficient_scope', `This takes the scope ${one.scope}.`, { scope: one.scope });
  }
  const demand = demandOf({
    sensitive: one.sensitive === true,
    showing: false,
    secondFactor: secondFactorOf(caller),
  });
  if (meets(caller, demand, new Date())) return caller;
  throw new BearerRefusal('insufficient_user_authentication', 'The person must sign in again for this.', {
    ...(demand?.strengths && { acr_values: demand.strengths.join(' ') }),
    max_age: String(FRESH_SECONDS),
  });
}

function parsed(where: 'query' | 'body', schema: z.ZodType, sent: unknown): unknown {
  const checked = schema.safeParse(sent);
  if (checked.success) return checked.data;
  const fields = checked.error.issues.map(issue => ({
    field: [where, ...issue.path.map(String)].join('.'),
    message: issue.message,
  }));
  throw new Refusal('invalid', 'invalid_input', 'Some of what was sent cannot be used.', { fields });
}

/* What the schema does not name is a mistake of ours, and never leaves; the rest is on record before it does. */
async function present(
  ctx: Koa.Context,
  one: ApiOperation,
  answer: unknown,
  leaving: (told: Told) => Promise<void>,
): Promise<void> {
  const { answer: schema, status = 200, sends } = one;
  if (sends !== undefined) {
    const { id, name, stream } = answer as SentFile;
    await leaving({ [topicOf(one)]: id });
    ctx.attachment(name);
    ctx.type = sends;
    ctx.body = stream;
    return;
  }
  if (!schema) {
    ctx.status = 204;
    return;
  }
  const finished = schema.parse(answer);
  await leaving(one.tells ? one.tells(finished) : { [topicOf(one)]: finished });
  ctx.status = status;
  ctx.type = 'application/json';
  ctx.body = JSON.stringify(finished);
}
