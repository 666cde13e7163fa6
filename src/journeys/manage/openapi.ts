import type Router from '@koa/router';
import type Koa from 'koa';
import { z } from 'zod';
import { ACCOUNT_SCOPES, type AccountScope, accountApiOf } from '../../domain/resources/resources.js';
import { PROOF_ALGORITHMS } from '../../oidc/bearer-refusal.js';
import type { Parts } from '../journey.js';
import { type ApiOperation, METADATA_PATH } from './api.js';
import { FRESH_SECONDS } from './freshness.js';

/** What each scope of the account API lets an app do, for whoever writes one. */
const SCOPES: Readonly<Record<AccountScope, string>> = {
  'account:overview:read': 'See which ways to sign in are set up, and what needs attention.',
  'account:profile:read': 'See the profile, with the source and the purpose of each value.',
  'account:profile:write': 'Change the profile.',
  'account:contacts:read': 'See the e-mail addresses and telephone numbers.',
  'account:contacts:write': 'Add, prove and remove e-mail addresses and telephone numbers.',
  'account:disclosures:read': 'See which app was told what about the person, when and why.',
  'account:deletion:read': 'See whether the account is to be deleted, and when that begins.',
  'account:deletion:write':
    'Ask for the account to be deleted, while the person is freshly signed in, and call that off.',
  'account:devices:read': 'See where the person is signed in: devices, coarse places and times.',
  'account:devices:write':
    'Sign devices out, while the person is freshly signed in, and forget remembered browsers.',
  'account:history:read': 'See what happened about the account, with time, device and coarse place.',
  'account:history:object':
    'Say that something was not the person, which freezes the account until it is recovered.',
  'account:consents:read': 'See what the person allowed which app, and get receipts of it.',
  'account:consents:write': 'Take back what the person allowed apps, whole or in part; never allow more.',
  'account:exports:read':
    'Get copies of all that is held about the person, while they are freshly signed in.',
  'account:exports:write':
    'Ask for copies of all that is held about the person, while they are freshly signed in, and delete them.',
  'account:rights:read': 'See what the person asked for about their data by law, and what became of it.',
  'account:rights:write':
    'Ask for it in their place, while they are freshly signed in, take it back, and end what holds data back.',
  'account:messages:read': 'See which messages were sent to the person, and why.',
  'account:security:read':
    'See how the person signs in: which ways there are and when each was used, never a secret.',
  'account:security:write': 'Name and take away ways to sign in, while the person is freshly signed in.',
  'account:preferences:read': 'See which topics the person wants to hear about, and by which channel.',
  'account:preferences:write': 'Change which topics the person wants to hear about, and by which channel.',
};

/** A problem document as OpenAPI has it. */
export const PROBLEM = {
  type: 'object',
  description: 'RFC 9457',
  required: ['type', 'title', 'status', 'detail', 'code', 'request_id'],
  properties: {
    type: { type: 'string' },
    title: { type: 'string' },
    status: { type: 'integer' },
    detail: { type: 'string' },
    code: { type: 'string', description: 'A constant word that a program can switch on.' },
    request_id: { type: 'string' },
    errors: {
      type: 'array',
      items: {
        type: 'object',
        required: ['field', 'message'],
        properties: { field: { type: 'string' }, message: { type: 'string' } },
      },
    },
  },
} as const;

const PROBLEMS: Readonly<Record<string, string>> = {
  '400': 'What was sent cannot be used; `errors` says where.',
  '401':
    'No access token, one that is not good here, or one of an authentication that is too old or too weak.',
  '403': 'The access token lacks the scope.',
  '404': 'There is no such thing of this person.',
  '409': 'It does not fit with what happened before.',
  '429': 'Too many tries; `Retry-After` says for how long.',
  '503': 'Busy; `Retry-After` says for how long.',
};

/** Describes the operations as OpenAPI 3.1, from the very schemas that check what is sent. */
export function openApiOf(
  issuer: URL,
  operations: readonly ApiOperation[],
): Readonly<Record<string, unknown>> {
  const paths: Record<string, Record<string, unknown>> = {};
  for (const one of operations) {
    const path = one.path.replace(/:(\w+)/g, '{$1}');
    paths[path] = { ...paths[path], [one.method.toLowerCase()]: described(one) };
  }
  const scopes = Object.fromEntries(scopesOf(operations).map(scope => [scope, SCOPES[scope]]));
  return {
    openapi: '3.1.1',
    info: {
      title: 'Account API',
      version: '1',
      description: `What a person can see and change of their account, for apps that they let. Ask for \`resource=${accountApiOf(issuer)}\` (RFC 8707) and the scopes.`,
    },
    servers: [{ url: issuer.origin }],
    paths,
    components: {
      schemas: { Problem: PROBLEM },
      securitySchemes: {
        account: {
          type: 'oauth2',
          flows: {
            authorizationCode: {
              authorizationUrl: new URL('/authorize', issuer).href,
              tokenUrl: new URL('/token', issuer).href,
              refreshUrl: new URL('/token', issuer).href,
              scopes,
            },
          },
        },
      },
    },
  };
}

const scopesOf = (operations: readonly ApiOperation[]) =>
  ACCOUNT_SCOPES.filter(scope => operations.some(one => one.scope === scope));

function described(one: ApiOperation): Readonly<Record<string, unknown>> {
  const { method, path, summary, scope, sensitive } = one;
  const fresh = `The person must have authenticated within ${FRESH_SECONDS} seconds (RFC 9470).`;
  return {
    operationId: `${method.toLowerCase()}${path.replace(/^\/api\/me/, '').replace(/\W+(\w)/g, (_, first: string) => first.toUpperCase()) || 'Me'}`,
    summary,
    ...(sensitive && { description: fresh }),
    security: [{ account: [scope] }],
    parameters: parametersOf(one),
    ...(one.input && { requestBody: { required: true, content: bodyOf(one, one.input) } }),
    responses: responsesOf(one),
  };
}

function bodyOf({ file }: ApiOperation, input: z.ZodType): Readonly<Record<string, object>> {
  if (!file) return { 'application/json': { schema: schemaOf(input, 'input') } };
  /* OpenAPI 3.1 §4.8.14.1: bytes as they are have no schema. */
  return Object.fromEntries(file.types.map(type => [type, {}]));
}

function responsesOf({ answer, sends, status = 200 }: ApiOperation) {
  const problem = (description: string) => ({
    description,
    content: { 'application/problem+json': { schema: { $ref: '#/components/schemas/Problem' } } },
  });
  const done = sends
    ? { description: 'The file.', content: { [sends]: {} } }
    : answer
      ? { description: 'Done.', content: { 'application/json': { schema: schemaOf(answer, 'output') } } }
      : { description: 'Done.' };
  return {
    [answer || sends ? status : 204]: done,
    ...Object.fromEntries(Object.entries(PROBLEMS).map(([code, words]) => [code, problem(words)])),
  };
}

interface JsonObject {
  readonly properties?: Readonly<Record<string, object>>;
  readonly required?: readonly string[];
}

function parametersOf({ path, query }: ApiOperation): readonly object[] {
  const named = [...path.matchAll(/:(\w+)/g)].map(([, name]) => ({
    name,
    in: 'path',
    required: true,
    schema: { type: 'string' },
  }));
  const { properties = {}, required = [] } = (query ? schemaOf(query, 'input') : {}) as JsonObject;
  const asked = Object.entries(properties).map(([name, schema]) => ({
    name,
    in: 'query',
    required: required.includes(name),
    schema,
  }));
  return [...named, ...asked];
}

/** A schema of ours as OpenAPI has it. */
export function schemaOf(schema: z.ZodType, io: 'input' | 'output'): object {
  const { $schema: _dialect, ...rest } = z.toJSONSchema(schema, {
    target: 'draft-2020-12',
    io,
    unrepresentable: 'any',
  });
  return rest;
}

/** Mounts the description of the API, and where its tokens come from (RFC 9728); both are for everybody. */
export function mountDescription(router: Router, parts: Parts, operations: readonly ApiOperation[]): void {
  const { issuer } = parts;
  const description = () => openApiOf(issuer, operations);
  router.get('/api/me/openapi.json', publish(description));
  router.get(
    METADATA_PATH,
    publish(() => ({
      resource: accountApiOf(issuer),
      resource_name: 'Account API',
      authorization_servers: [issuer.origin],
      scopes_supported: scopesOf(operations),
      bearer_methods_supported: ['header'],
      dpop_signing_alg_values_supported: [...PROOF_ALGORITHMS],
      resource_documentation: new URL('/api/me/openapi.json', issuer).href,
    })),
  );
}

/** Answers everybody with a document that is made once. */
export function publish(make: () => object): (ctx: Koa.Context) => void {
  let body: string | undefined;
  return ctx => {
    body ??= JSON.stringify(make());
    ctx.set('Access-Control-Allow-Origin', '*');
    ctx.set('Cache-Control', 'public, max-age=300');
    ctx.type = 'application/json';
    ctx.body = body;
  };
}
