import type { z } from 'zod';
import { digest, sameBytes } from '../../platform/crypto/tokens.js';
import { Refusal } from '../../platform/errors.js';
import {
  type ClientMetadata,
  type ClientRules,
  DEVICE_CODE_GRANT,
  type GivenMetadata,
  isOperatorScope,
  type MetadataIssue,
  metadataSchema,
  STANDARD_SCOPES,
} from './metadata.js';
import { ruleIssues } from './rules.js';
import { SAML_DEFAULTS } from './saml.js';

/** An application that may ask this provider about people. */
export interface Client {
  readonly id: string;
  readonly metadata: ClientMetadata;
  /** SHA-256 of a random secret of 256 bits. */
  readonly secretDigest?: Buffer;
  /** The secret before the last rotation, good until `previousSecretUntil`. */
  readonly previousSecretDigest?: Buffer;
  readonly previousSecretUntil?: Date;
  /** Run by the same house, so that nobody is asked for consent. */
  readonly firstParty: boolean;
  /** The operator has looked at who stands behind it. */
  readonly verified: boolean;
  readonly state: 'active' | 'disabled';
  /** The type of the stored logo, when there is one. */
  readonly logoType?: string;
  readonly createdAt: Date;
  readonly updatedAt: Date;
  readonly version: number;
}

/** Who gives the metadata, and what happens to members nobody knows (RFC 7591 §2 has them ignored, an operator is told). */
export interface MetadataSource {
  readonly operator: boolean;
  readonly unknownMembers?: 'refuse' | 'ignore';
}

/** Metadata ready to be kept, or everything that is wrong with it. */
export type CheckedMetadata =
  | { readonly ok: true; readonly metadata: ClientMetadata; readonly firstParty: boolean }
  | { readonly ok: false; readonly issues: readonly MetadataIssue[] };

/** Checks metadata as a whole and lists every problem at once. */
export function checkMetadata(input: unknown, rules: ClientRules, source: MetadataSource): CheckedMetadata {
  if (typeof input !== 'object' || input === null || Array.isArray(input)) {
    return { ok: false, issues: [{ field: 'metadata', message: 'must be a JSON object' }] };
  }
  const issues = [...memberIssues(input, source)];
  const sound = soundMembers(input);
  if (!source.operator) {
    for (const field of [
      'first_party',
      'development',
      'webauthn_origins',
      'consent_lasts',
      'saml',
    ] as const) {
      if (sound[field]) issues.push({ field, message: 'may only be set by an operator' });
    }
  }
  if (!source.operator && sound.scope?.split(' ').some(isOperatorScope)) {
    issues.push({ field: 'scope', message: 'has a scope that only an operator may give' });
  }
  const { first_party: firstParty = false, ...given } = sound;
  const metadata = withDefaults(given);
  issues.push(...ruleIssues(metadata, rules, name => !(name in input) || name in sound));
  return issues.length > 0 ? { ok: false, issues } : { ok: true, metadata, firstParty };
}

/** One member of the metadata that becomes another. */
export interface MetadataChange {
  readonly member: string;
  readonly before: unknown;
  readonly after: unknown;
}

/** What becomes another by replacing metadata, by member. */
export function changesOf(before: ClientMetadata, after: ClientMetadata): readonly MetadataChange[] {
  const [was, is] = [before, after] as Readonly<Record<string, unknown>>[];
  const members = [...new Set([...Object.keys(was ?? {}), ...Object.keys(is ?? {})])].sort();
  return members
    .map(member => ({ member, before: was?.[member], after: is?.[member] }))
    .filter(change => JSON.stringify(change.before) !== JSON.stringify(change.after));
}

/* What people are shown as checked, and where what they allow goes to: another one nobody has looked at. */
const LOOKED_AT: readonly string[] = [
  ...['client_name', 'logo_uri', 'client_uri', 'policy_uri', 'tos_uri', 'application_type'],
  ...['jwks', 'jwks_uri', 'token_endpoint_auth_method', 'saml'],
];
const LISTS: readonly string[] = [
  ...['redirect_uris', 'post_logout_redirect_uris', 'allowed_origins', 'webauthn_origins', 'grant_types'],
  ...['purposes', 'required_claims', 'optional_claims', 'authorization_details_types'],
];

/** Whether a change asks for more than the operator has looked at. To declare nothing any more is to ask for anything. */
export function widens({ member, before, after }: MetadataChange): boolean {
  if (LOOKED_AT.includes(member)) return true;
  if (member === 'scope') return hasMore(String(before).split(' '), String(after).split(' '));
  if (member === 'purposes' && after === undefined) return true;
  return LISTS.includes(member) && hasMore(listOf(before), listOf(after));
}

const listOf = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : []);
const hasMore = (before: readonly unknown[], after: readonly unknown[]) =>
  after.some(each => !before.includes(each));

/** The refusal that says what `issues` say, with the code that RFC 7591 §3.2.2 has for them. */
export function metadataRefusal(issues: readonly MetadataIssue[]): Refusal {
  const redirects = issues.every(({ field }) => field.startsWith('redirect_uris'));
  const message = issues.map(issue => `${issue.field} ${issue.message}`).join('; ');
  return new Refusal('invalid', redirects ? 'invalid_redirect_uri' : 'invalid_client_metadata', message);
}

/** Whether the client proves itself by a secret. */
export function hasSecret(metadata: ClientMetadata): boolean {
  const { token_endpoint_auth_method: method } = metadata;
  return method === 'client_secret_basic' || method === 'client_secret_post';
}

/** Whether `presented` is the client's secret, or the one before it while that is still good. */
export function verifyClientSecret(client: Client, presented: string, at = new Date()): boolean {
  const asked = digest(presented);
  const { secretDigest, previousSecretDigest, previousSecretUntil } = client;
  const current = secretDigest !== undefined && sameBytes(secretDigest, asked);
  const previous =
    previousSecretDigest !== undefined &&
    previousSecretUntil !== undefined &&
    previousSecretUntil > at &&
    sameBytes(previousSecretDigest, asked);
  return current || previous;
}

/** The origins that may call us from a browser: the registered ones, else those a public client is sent back to. */
export function allowedOrigins({ metadata }: Client): readonly string[] {
  if (metadata.allowed_origins) return metadata.allowed_origins;
  if (metadata.token_endpoint_auth_method !== 'none') return [];
  const web = metadata.redirect_uris.filter(uri => /^https?:/.test(uri));
  return [...new Set(web.map(uri => new URL(uri).origin))];
}

function* memberIssues(input: object, source: MetadataSource): Iterable<MetadataIssue> {
  for (const issue of metadataSchema.safeParse(input).error?.issues ?? []) {
    if (issue.code !== 'unrecognized_keys') {
      yield { field: fieldName(issue.path), message: wording(issue) };
    } else if (issue.path.length > 0) {
      yield { field: fieldName(issue.path), message: `must not contain ${issue.keys.join(', ')}` };
    } else if (source.unknownMembers !== 'ignore') {
      yield* issue.keys.map(field => ({
        field,
        message: 'is not a member of client metadata that is known here',
      }));
    }
  }
}

function wording(issue: z.core.$ZodIssue): string {
  if (issue.code === 'invalid_value')
    return `must be ${issue.values.length > 1 ? 'one of ' : ''}${issue.values.join(', ')}`;
  if (issue.code === 'invalid_type') return `must be of type ${issue.expected}`;
  return issue.message;
}

/** The members that are well-formed by themselves, so that a bad one hides no problem of another. */
function soundMembers(input: object): GivenMetadata {
  const found: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(input)) {
    if (metadataSchema.safeParse({ [name]: value }).success) found[name] = value;
  }
  return metadataSchema.parse(found);
}

function fieldName(path: readonly PropertyKey[]): string {
  return path.reduce<string>(
    (name, part) =>
      typeof part === 'number' ? `${name}[${part}]` : name === '' ? String(part) : `${name}.${String(part)}`,
    '',
  );
}

function withDefaults(given: Omit<GivenMetadata, 'first_party'>): ClientMetadata {
  const grants = given.grant_types ?? ['authorization_code'];
  const code = grants.includes('authorization_code');
  return {
    application_type: 'web',
    token_endpoint_auth_method: 'client_secret_basic',
    response_types: code ? ['code'] : [],
    redirect_uris: [],
    id_token_signed_response_alg: 'RS256',
    subject_type: 'public',
    require_pkce: true,
    scope: defaultScope(code || grants.includes(DEVICE_CODE_GRANT), grants.includes('refresh_token')),
    ...(given.saml && SAML_DEFAULTS),
    ...given,
    grant_types: grants,
  };
}

/** Never empty: the engine takes a client without scopes for one that may have all of them. */
function defaultScope(people: boolean, refresh: boolean): string {
  if (!people) return 'openid';
  return STANDARD_SCOPES.filter(scope => refresh || scope !== 'offline_access').join(' ');
}
