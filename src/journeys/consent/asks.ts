import type { ConsentState } from '../../domain/consents/consents.js';
import { claimsToApps, type ProfileSchema, sourceOf } from '../../domain/profiles/profiles.js';
import type { PendingRequest } from '../../oidc/interaction.js';
import { detailsAsked, purposesIn } from '../../oidc/uses.js';

/** What an app wants that was not answered yet: scopes and essential claims it needs, claims it would like. */
export interface Wanted {
  readonly scopes: readonly string[];
  readonly required: readonly string[];
  readonly optional: readonly string[];
  /** Scopes by resource indicator. */
  readonly resources: Readonly<Record<string, readonly string[]>>;
  /** The purposes that it wants to use data for (RFC 9396). */
  readonly uses?: readonly string[];
}

type Asking = Pick<PendingRequest, 'prompt' | 'params'> & {
  readonly app?: Pick<PendingRequest['app'], 'requires'>;
};

type ClaimRequest = { readonly essential?: boolean; readonly purpose?: unknown } | null;

/**
 * What the consent page has to ask (OpenID Connect Core §5.5: only an essential claim is needed for the task at hand).
 * An app that declared what it asks for may call essential only what it declared as required.
 * `sub`, `acr` and the like are about the sign-in, and not for anybody to refuse.
 */
export function asksOf({ prompt, params, app }: Asking, schema: ProfileSchema): Wanted {
  const {
    missingOIDCScope,
    missingOIDCClaims,
    missingResourceScopes,
    uses = [],
  } = prompt.details as {
    missingOIDCScope?: string[];
    missingOIDCClaims?: string[];
    missingResourceScopes?: Record<string, string[]>;
    uses?: string[];
  };
  const asked = claimsAsked(params['claims']);
  const again = ['consent_prompt', 'native_client_prompt'].some(reason => prompt.reasons.includes(reason));
  const scopes = again ? String(params['scope'] ?? '').split(' ') : (missingOIDCScope ?? []);
  const claims = again ? [...asked.keys()] : (missingOIDCClaims ?? []);
  const essential = (claim: string) =>
    asked.get(claim)?.essential === true && (app?.requires?.includes(claim) ?? true);
  const asksUses = again ? purposesIn(detailsAsked(params['authorization_details'])) : uses;
  const told = new Set(claimsToApps(schema).map(({ name }) => name));
  const known = claims.filter(claim => told.has(claim));
  return {
    scopes: scopes.filter(scope => scope !== '' && !inResources(scope, missingResourceScopes)),
    required: known.filter(essential),
    optional: known.filter(claim => !essential(claim)),
    resources: missingResourceScopes ?? {},
    ...(asksUses.length > 0 && { uses: asksUses }),
  };
}

function inResources(scope: string, resources: Record<string, string[]> = {}): boolean {
  return Object.values(resources).some(scopes => scopes.includes(scope));
}

/** The claims that a `claims` parameter asks for, each with how it is asked; essential where it is so once. */
export function claimsAsked(parameter: unknown): ReadonlyMap<string, ClaimRequest> {
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

/** What was allowed and has to be asked once more, since the words changed that it was allowed under. */
export function askedAgain(
  wanted: Wanted,
  outdated: readonly string[],
  schema: ProfileSchema,
  standing: (Pick<ConsentState, 'scopes' | 'claims'> & Partial<Pick<ConsentState, 'uses'>>) | undefined,
): Wanted {
  if (!standing || outdated.length === 0) return wanted;
  const attributes = schema.attributes.filter(
    ({ purpose, see }) => outdated.includes(purpose) && see.includes('apps'),
  );
  const scopes = standing.scopes.filter(scope => attributes.some(each => each.scope === scope));
  const claims = standing.claims.filter(claim =>
    attributes.some(each => each.name === sourceOf(schema, claim)),
  );
  const uses = (standing.uses ?? []).filter(purpose => outdated.includes(purpose));
  const optional = [...wanted.optional, ...claims.filter(claim => !wanted.required.includes(claim))];
  return {
    ...wanted,
    scopes: [...new Set([...wanted.scopes, ...scopes])],
    optional: [...new Set(optional)],
    uses: [...new Set([...(wanted.uses ?? []), ...uses])],
  };
}

/** The purposes whose words changed since they were agreed to, as the engine's prompt says. */
export function outdatedIn({ prompt }: Pick<PendingRequest, 'prompt'>): readonly string[] {
  return (prompt.details['outdated'] as readonly string[] | undefined) ?? [];
}
