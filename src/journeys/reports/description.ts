import { OPERATOR_SCOPES, type OperatorScope, operatorApiOf } from '../../domain/resources/resources.js';
import { PROOF_ALGORITHMS } from '../../oidc/bearer-refusal.js';
import { PROBLEM, schemaOf } from '../manage/openapi.js';
import { REPORT_DAYS } from './minimisation.js';
import { MINIMISATION_PATH, minimisationSchema } from './schema.js';

/** Where the operators' API is described. */
export const OPENAPI_PATH = '/api/v1/openapi.json';
/** Where it says what it takes (RFC 9728 §3). */
export const METADATA_PATH = '/.well-known/oauth-protected-resource/api/v1';

const SCOPES: Readonly<Record<OperatorScope, string>> = {
  'operator:report:read': 'See what there may be too much of, counted without anybody in it.',
};

const PROBLEMS: Readonly<Record<string, string>> = {
  '400': 'What was sent cannot be used; `errors` says where.',
  '401': 'No access token, or one that is not good here.',
  '403': 'The access token lacks the scope.',
  '429': 'Too many reports; `Retry-After` says for how long.',
  '503': 'Busy, or a report is being made; `Retry-After` says for how long.',
};

/** What the operators' API takes (RFC 9728 §2). */
export const metadataOf = (issuer: URL) => ({
  resource: operatorApiOf(issuer),
  resource_name: 'Operator API',
  authorization_servers: [issuer.origin],
  scopes_supported: [...OPERATOR_SCOPES],
  bearer_methods_supported: ['header'],
  dpop_signing_alg_values_supported: [...PROOF_ALGORITHMS],
  resource_documentation: new URL(OPENAPI_PATH, issuer).href,
});

/** Describes it as OpenAPI 3.1. */
export function openApiOf(issuer: URL): object {
  return {
    openapi: '3.1.1',
    info: {
      title: 'Operator API',
      version: '1',
      description: `For programs of whoever runs this installation. Ask for \`resource=${operatorApiOf(issuer)}\` (RFC 8707) and the scopes with the grant client_credentials.`,
    },
    servers: [{ url: issuer.origin }],
    paths: { [MINIMISATION_PATH]: { get: REPORT } },
    components: {
      schemas: { Problem: PROBLEM },
      securitySchemes: {
        operator: {
          type: 'oauth2',
          flows: { clientCredentials: { tokenUrl: new URL('/token', issuer).href, scopes: SCOPES } },
        },
      },
    },
  };
}

const problem = (description: string) => ({
  description,
  content: { 'application/problem+json': { schema: { $ref: '#/components/schemas/Problem' } } },
});

const REPORT = {
  operationId: 'getMinimisationReport',
  summary: 'Counts what there may be too much of; nothing in it is about anybody.',
  security: [{ operator: ['operator:report:read' satisfies OperatorScope] }],
  parameters: [
    {
      name: 'days',
      in: 'query',
      required: false,
      description: 'Over how many days what has a time is counted.',
      schema: { type: 'integer', minimum: 1, maximum: REPORT_DAYS.most, default: REPORT_DAYS.usual },
    },
  ],
  responses: {
    '200': {
      description: 'Done.',
      content: { 'application/json': { schema: schemaOf(minimisationSchema, 'output') } },
    },
    ...Object.fromEntries(Object.entries(PROBLEMS).map(([code, words]) => [code, problem(words)])),
  },
};
