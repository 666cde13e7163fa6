import type { Grant, KoaContextWithOIDC } from 'oidc-provider';
import { lastsFor } from './lifetimes.js';
import { type ConsentSnapshot, requestScope } from './request-scope.js';

interface Allowed {
  readonly scopes: readonly string[];
  readonly claims: readonly string[];
  readonly refusedScopes: readonly string[];
  readonly refusedClaims: readonly string[];
  readonly resources: Readonly<Record<string, string>>;
}

function allowedBy(consent: ConsentSnapshot): Allowed {
  return {
    scopes: consent.scopes,
    claims: consent.claims,
    refusedScopes: consent.refused_scopes,
    refusedClaims: consent.refused_claims,
    resources: consent.resources,
  };
}

/* A first-party app is the organisation itself: what it asks for within its registration is allowed. */
function askedFor(ctx: KoaContextWithOIDC): Allowed {
  const { oidc } = ctx;
  const resources = Object.entries(oidc.resourceServers ?? {}).map(([indicator, server]) => [
    indicator,
    [...oidc.requestParamScopes].filter(scope => server.scopes.has(scope)).join(' '),
  ]);
  return {
    scopes: [...oidc.requestParamOIDCScopes],
    claims: [...oidc.requestParamClaims],
    refusedScopes: [],
    refusedClaims: [],
    resources: Object.fromEntries(resources),
  };
}

function covers(ctx: KoaContextWithOIDC, allowed: Allowed): boolean {
  const scopes = new Set(['openid', ...allowed.scopes, ...allowed.refusedScopes]);
  const claims = new Set([
    ...allowed.claims,
    ...allowed.refusedClaims,
    'sub',
    'sid',
    'auth_time',
    'acr',
    'amr',
    'iss',
  ]);
  return (
    [...ctx.oidc.requestParamOIDCScopes].every(scope => scopes.has(scope)) &&
    [...ctx.oidc.requestParamClaims].every(claim => claims.has(claim))
  );
}

function fill(grant: Grant, allowed: Allowed): Grant {
  grant.addOIDCScope(['openid', ...allowed.scopes.filter(scope => scope !== 'openid')].join(' '));
  if (allowed.claims.length > 0) grant.addOIDCClaims([...allowed.claims]);
  if (allowed.refusedScopes.length > 0) grant.rejectOIDCScope(allowed.refusedScopes.join(' '));
  if (allowed.refusedClaims.length > 0) grant.rejectOIDCClaims([...allowed.refusedClaims]);
  for (const [indicator, scope] of Object.entries(allowed.resources)) {
    if (scope) grant.addResourceScope(indicator, scope);
  }
  return grant;
}

const content = (grant: Grant) =>
  JSON.stringify([grant.openid ?? {}, grant.resources ?? {}, grant.rejected ?? {}].map(sorted));

function sorted(value: object): unknown {
  return Object.entries(value)
    .map(([key, entry]) => [key, typeof entry === 'string' ? entry.split(' ').sort() : entry])
    .sort();
}

function* entriesOf(grant: Pick<Grant, 'openid' | 'resources'>): Iterable<string> {
  for (const scope of grant.openid?.scope?.split(' ') ?? []) yield `scope ${scope}`;
  for (const claim of grant.openid?.claims ?? []) yield `claim ${claim}`;
  for (const [indicator, scopes] of Object.entries(grant.resources ?? {})) {
    for (const scope of scopes.split(' ')) yield `resource ${indicator} ${scope}`;
  }
}

/* Whether all that was granted and all that was refused is so in the other one too. */
function isWithin(grant: Grant, other: Grant): boolean {
  const granted = new Set(entriesOf(other));
  const refused = new Set(entriesOf(other.rejected ?? {}));
  return (
    [...entriesOf(grant)].every(entry => granted.has(entry)) &&
    [...entriesOf(grant.rejected ?? {})].every(entry => refused.has(entry))
  );
}

async function widened(grant: Grant, allowed: Allowed): Promise<Grant> {
  const before = content(grant);
  fill(grant, allowed);
  if (content(grant) !== before) await grant.save();
  return grant;
}

/**
 * The engine's `loadExistingGrant`. What the person allowed is on record in our consent; the engine's Grant is made from
 * it, anew for each session and app, and again when less is allowed than before: tokens of the session die with the
 * former Grant. Where more is allowed it grows, and what the app holds goes on.
 */
export async function loadExistingGrant(ctx: KoaContextWithOIDC): Promise<Grant | undefined> {
  const { oidc } = ctx;
  const client = oidc.client;
  const account = oidc.account;
  if (!client || !account) return undefined;
  if (oidc.prompts.has('consent') && !oidc.result?.consent && !client['first_party']) return undefined;
  const allowed = client['first_party'] ? askedFor(ctx) : await consented(account.accountId, client.clientId);
  if (!allowed) return undefined;

  const fresh = fill(
    new oidc.provider.Grant({ accountId: account.accountId, clientId: client.clientId }),
    allowed,
  );
  if (!covers(ctx, allowed)) return fresh;
  const existingId = oidc.session?.grantIdFor(client.clientId);
  const existing = existingId ? await oidc.provider.Grant.find(existingId) : undefined;
  const whole = existingId === undefined || !requestScope().narrowed.has(existingId);
  const stands = whole && existing?.accountId === account.accountId && lastsFor(ctx, existing);
  if (stands && (client['first_party'] || isWithin(existing, fresh))) return widened(existing, allowed);
  await fresh.save();
  return fresh;
}

async function consented(accountId: string, clientId: string): Promise<Allowed | undefined> {
  const consent = await requestScope().consent(accountId, clientId);
  return consent && allowedBy(consent);
}
