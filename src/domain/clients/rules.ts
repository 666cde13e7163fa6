import { createPublicKey } from 'node:crypto';
import { isLoopbackHost } from '../../platform/addresses.js';
import {
  type ClientMetadata,
  type ClientRules,
  DEVICE_CODE_GRANT,
  isOperatorScope,
  type MetadataIssue,
  STANDARD_SCOPES,
} from './metadata.js';
import { samlAddresses, samlRules } from './saml.js';
import { type UriUse, uriProblem } from './uris.js';

type Rule = (metadata: ClientMetadata, rules: ClientRules) => Iterable<MetadataIssue>;

/** What the members are to each other and to this installation; `judged` says which were well-formed by themselves. */
export function ruleIssues(
  metadata: ClientMetadata,
  rules: ClientRules,
  judged: (field: string) => boolean,
): readonly MetadataIssue[] {
  const all = [
    uriRules,
    redirectRules,
    originRules,
    authenticationRules,
    grantRules,
    commandRules,
    subjectRules,
    scopeRules,
    operatorRules,
    developmentRules,
    declarationRules,
    samlRules,
  ];
  const issues = all.flatMap((rule: Rule) => [...rule(metadata, rules)]);
  return issues.filter(({ field }) => judged(field.split(/[[.]/)[0] ?? field));
}

const URI_USES = [
  ['redirect_uris', 'redirect'],
  ['post_logout_redirect_uris', 'redirect'],
  ['client_uri', 'link'],
  ['policy_uri', 'link'],
  ['tos_uri', 'link'],
  ['initiate_login_uri', 'link'],
  ['logo_uri', 'fetched'],
  ['jwks_uri', 'fetched'],
  ['sector_identifier_uri', 'fetched'],
  ['backchannel_logout_uri', 'fetched'],
  ['command_endpoint', 'fetched'],
  ['risc_endpoint', 'fetched'],
  ['webhook_uri', 'fetched'],
  ['allowed_origins', 'origin'],
  ['webauthn_origins', 'origin'],
] as const satisfies readonly (readonly [keyof ClientMetadata, UriUse])[];

/** OpenID Connect and WebAuthn have no exception for these, not even on loopback. */
const HTTPS_ONLY: ReadonlySet<string> = new Set([
  'initiate_login_uri',
  'sector_identifier_uri',
  'webauthn_origins',
]);

function* uriRules(metadata: ClientMetadata, rules: ClientRules): Iterable<MetadataIssue> {
  const native = metadata.application_type === 'native';
  const loopback = metadata.development !== false && isLoopbackHost(rules.issuer.hostname);
  const allowed = { native, loopback, privateNetwork: rules.allowPrivateNetwork };
  for (const [field, use, value] of registeredUris(metadata)) {
    const plain = HTTPS_ONLY.has(field.split('[')[0] ?? field) && value.startsWith('http:');
    const message = uriProblem(value, use, allowed) ?? (plain ? 'must be https' : undefined);
    if (message !== undefined) yield { field, message };
  }
}

function* registeredUris(metadata: ClientMetadata): Iterable<readonly [string, UriUse, string]> {
  for (const [member, use] of URI_USES) {
    const value = metadata[member];
    if (typeof value === 'string') yield [member, use, value];
    if (Array.isArray(value)) yield* value.map((uri, at) => [`${member}[${at}]`, use, uri] as const);
  }
  if (metadata.saml) yield* samlAddresses(metadata.saml);
}

function* redirectRules(metadata: ClientMetadata): Iterable<MetadataIssue> {
  const { redirect_uris, response_types, application_type, saml } = metadata;
  if (!saml && response_types.length > 0 && redirect_uris.length === 0) {
    yield { field: 'redirect_uris', message: 'must name at least one address to come back to' };
  }
  for (const [at, uri] of redirect_uris.entries()) {
    const url = URL.parse(uri);
    if (application_type === 'native' && url?.protocol === 'https:' && isLoopbackHost(url.hostname)) {
      yield {
        field: `redirect_uris[${at}]`,
        message: 'must be http on loopback for a native client (RFC 8252 §7.3)',
      };
    }
  }
}

function* originRules(metadata: ClientMetadata): Iterable<MetadataIssue> {
  for (const member of ['allowed_origins', 'webauthn_origins'] as const) {
    for (const [at, origin] of metadata[member]?.entries() ?? []) {
      if (URL.parse(origin)?.origin === origin) continue;
      const message = 'must be an origin only: scheme, host and port, no path';
      yield { field: `${member}[${at}]`, message };
    }
  }
}

function* authenticationRules(metadata: ClientMetadata): Iterable<MetadataIssue> {
  const { token_endpoint_auth_method: method, jwks, jwks_uri } = metadata;
  if (jwks !== undefined && jwks_uri !== undefined) {
    yield { field: 'jwks', message: 'and jwks_uri must not be used together' };
  }
  if (method === 'private_key_jwt' && jwks === undefined && jwks_uri === undefined) {
    yield { field: 'jwks', message: 'or jwks_uri is needed by private_key_jwt' };
  }
  if (method !== 'private_key_jwt' && metadata.token_endpoint_auth_signing_alg !== undefined) {
    yield { field: 'token_endpoint_auth_signing_alg', message: 'is only for private_key_jwt' };
  }
  for (const [at, key] of jwks?.keys.entries() ?? []) {
    try {
      createPublicKey({ key, format: 'jwk' });
    } catch {
      yield { field: `jwks[${at}]`, message: 'is not a public key (RFC 7517)' };
    }
  }
  if (!metadata.require_pkce && (method === 'none' || metadata.application_type === 'native')) {
    yield { field: 'require_pkce', message: 'may only be false for a confidential web client' };
  }
}

function* commandRules({ command_endpoint, commands_supported }: ClientMetadata): Iterable<MetadataIssue> {
  if ((command_endpoint === undefined) === (commands_supported === undefined)) return;
  yield command_endpoint === undefined
    ? { field: 'command_endpoint', message: 'is needed by commands_supported' }
    : { field: 'commands_supported', message: 'must say which commands are taken at command_endpoint' };
}

function* grantRules(metadata: ClientMetadata): Iterable<MetadataIssue> {
  const { grant_types: grants, response_types, token_endpoint_auth_method: method } = metadata;
  const code = grants.includes('authorization_code');
  if (code !== response_types.includes('code')) {
    yield {
      field: 'response_types',
      message: 'must have code exactly when grant_types has authorization_code',
    };
  }
  if (grants.includes('refresh_token') && !code && !grants.includes(DEVICE_CODE_GRANT)) {
    yield { field: 'grant_types', message: 'has refresh_token without a grant that could begin one' };
  }
  if (grants.includes('client_credentials') && method === 'none') {
    yield {
      field: 'grant_types',
      message: 'has client_credentials, which a client without credentials cannot use',
    };
  }
}

function* subjectRules(metadata: ClientMetadata): Iterable<MetadataIssue> {
  if (metadata.subject_type !== 'pairwise' || metadata.sector_identifier_uri !== undefined || metadata.saml)
    return;
  const hosts = new Set(metadata.redirect_uris.map(uri => URL.parse(uri)?.host));
  if (hosts.size > 1) {
    yield {
      field: 'sector_identifier_uri',
      message: 'is needed: the redirect addresses of a pairwise client are on several hosts',
    };
  } else if (metadata.response_types.length === 0) {
    yield {
      field: 'subject_type',
      message: 'pairwise needs an address to come back to or a sector_identifier_uri',
    };
  } else if (hosts.has('')) {
    yield {
      field: 'sector_identifier_uri',
      message: 'is needed: a custom scheme names no host to tell sectors apart',
    };
  }
}

function* scopeRules(metadata: ClientMetadata, rules: ClientRules): Iterable<MetadataIssue> {
  const known: readonly string[] = rules.scopes ?? STANDARD_SCOPES;
  const unknown = metadata.scope.split(' ').filter(scope => !known.includes(scope));
  if (unknown.length > 0) {
    yield {
      field: 'scope',
      message: `has what is no scope here: ${unknown.join(' ')} (known: ${known.join(' ')})`,
    };
  }
}

/* No person can let an app do what is the operator's alone; so it never comes in the name of one. */
function* operatorRules({ scope, grant_types: grants }: ClientMetadata): Iterable<MetadataIssue> {
  const theirs = scope.split(' ').filter(isOperatorScope);
  if (theirs.length === 0 || grants.every(grant => grant === 'client_credentials')) return;
  const message = `has ${theirs.join(' ')}, which is only for a client whose one grant type is client_credentials`;
  yield { field: 'scope', message };
}

/** What is wrong with the purposes and claims that an app declares, by what there is now. */
export function* declarationRules(metadata: ClientMetadata, rules: ClientRules): Iterable<MetadataIssue> {
  const { purposes } = metadata;
  if (purposes) {
    const known = rules.declarable?.purposes ?? [];
    const unknown = purposes.filter(purpose => !known.includes(purpose));
    const message = `has what is no purpose here: ${unknown.join(' ')} (known: ${known.join(' ')})`;
    if (unknown.length > 0) yield { field: 'purposes', message };
    yield* undeclaredScopes(metadata, purposes, rules);
  }
  if (metadata.authorization_details_types?.length && !purposes) {
    yield { field: 'authorization_details_types', message: 'needs purposes, which data_use is for' };
  }
  for (const member of ['required_claims', 'optional_claims'] as const) {
    if (metadata[member] && !purposes) yield { field: member, message: 'needs purposes, which say what for' };
    for (const [at, name] of metadata[member]?.entries() ?? []) {
      const message = claimProblem(name, purposes ?? [], rules);
      if (message !== undefined) yield { field: `${member}[${at}]`, message };
    }
  }
  const both = metadata.optional_claims?.filter(name => metadata.required_claims?.includes(name)) ?? [];
  if (both.length > 0)
    yield { field: 'optional_claims', message: `has what is required already: ${both.join(' ')}` };
}

function claimProblem(name: string, purposes: readonly string[], { declarable }: ClientRules) {
  const claim = declarable?.claims.find(each => each.name === name);
  if (!claim) return 'is no claim that apps may have here';
  return purposes.includes(claim.purpose)
    ? undefined
    : `is held for "${claim.purpose}", which purposes does not name`;
}

/* What comes along with a scope is asked for as well. */
function* undeclaredScopes(
  { scope }: ClientMetadata,
  purposes: readonly string[],
  { declarable }: ClientRules,
): Iterable<MetadataIssue> {
  for (const one of scope.split(' ')) {
    const held = declarable?.claims.filter(claim => claim.scope === one).map(({ purpose }) => purpose) ?? [];
    const left = [...new Set(held)].filter(purpose => !purposes.includes(purpose));
    const message = `has ${one}, which is held for what purposes does not name: ${left.join(' ')}`;
    if (left.length > 0) yield { field: 'scope', message };
  }
}

function* developmentRules(metadata: ClientMetadata, rules: ClientRules): Iterable<MetadataIssue> {
  if (metadata.development === true && !isLoopbackHost(rules.issuer.hostname)) {
    yield { field: 'development', message: 'is only for an issuer on loopback' };
  }
}
