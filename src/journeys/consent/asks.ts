import { claimsToApps, type ProfileSchema } from '../../domain/profiles/profiles.js';
import type { PendingRequest } from '../../oidc/interaction.js';

/** What an app wants that was not answered yet: scopes and essential claims it needs, claims it would like. */
export interface Wanted {
  readonly scopes: readonly string[];
  readonly required: readonly string[];
  readonly optional: readonly string[];
  /** Scopes by resource indicator. */
  readonly resources: Readonly<Record<string, readonly string[]>>;
}

type ClaimRequest = { readonly essential?: boolean } | null;

/**
 * What the consent page has to ask (OpenID Connect Core §5.5: only an essential claim is needed for the task at hand).
 * `sub`, `acr` and the like are about the sign-in, and not for anybody to refuse.
 */
export function asksOf(
  { prompt, params }: Pick<PendingRequest, 'prompt' | 'params'>,
  schema: ProfileSchema,
): Wanted {
  const { missingOIDCScope, missingOIDCClaims, missingResourceScopes } = prompt.details as {
    missingOIDCScope?: string[];
    missingOIDCClaims?: string[];
    missingResourceScopes?: Record<string, string[]>;
  };
  const asked = claimsAsked(params['claims']);
  const again = ['consent_prompt', 'native_client_prompt'].some(reason => prompt.reasons.includes(reason));
  const scopes = again ? String(params['scope'] ?? '').split(' ') : (missingOIDCScope ?? []);
  const claims = again ? [...asked.keys()] : (missingOIDCClaims ?? []);
  const essential = (claim: string) => asked.get(claim)?.essential === true;
  const told = new Set(claimsToApps(schema).map(({ name }) => name));
  const known = claims.filter(claim => told.has(claim));
  return {
    scopes: scopes.filter(scope => scope !== '' && !inResources(scope, missingResourceScopes)),
    required: known.filter(essential),
    optional: known.filter(claim => !essential(claim)),
    resources: missingResourceScopes ?? {},
  };
}

function inResources(scope: string, resources: Record<string, string[]> = {}): boolean {
  return Object.values(resources).some(scopes => scopes.includes(scope));
}

function claimsAsked(parameter: unknown): ReadonlyMap<string, ClaimRequest> {
  const merged = new Map<string, ClaimRequest>();
  if (typeof parameter !== 'string') return merged;
  const request = JSON.parse(parameter) as { userinfo?: object | null; id_token?: object | null };
  for (const [claim, wish] of [request.userinfo, request.id_token].flatMap(part =>
    Object.entries(part ?? {}),
  )) {
    if (merged.get(claim)?.essential !== true) merged.set(claim, wish as ClaimRequest);
  }
  return merged;
}
