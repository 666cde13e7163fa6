import type { PendingRequest } from '../../oidc/interaction.js';

/** What an app wants that was not answered yet: scopes and essential claims it needs, claims it would like. */
export interface Wanted {
  readonly scopes: readonly string[];
  readonly required: readonly string[];
  readonly optional: readonly string[];
  /** Scopes by resource indicator. */
  readonly resources: Readonly<Record<string, readonly string[]>>;
}

type ClaimRequests = Readonly<Record<string, { readonly essential?: boolean } | null>>;

/* Not for anybody to allow or refuse: they say how the sign-in went. */
const ABOUT_SIGN_IN = new Set(['sub', 'sid', 'auth_time', 'acr', 'amr', 'iss']);

/** What the consent page has to ask (OpenID Connect Core §5.5: only an essential claim is needed for the task at hand). */
export function asksOf({ prompt, params }: PendingRequest): Wanted {
  const { missingOIDCScope, missingOIDCClaims, missingResourceScopes } = prompt.details as {
    missingOIDCScope?: string[];
    missingOIDCClaims?: string[];
    missingResourceScopes?: Record<string, string[]>;
  };
  const asked = [...claimsAsked(params['claims'])];
  const again = prompt.reasons.includes('consent_prompt') || prompt.reasons.includes('native_client_prompt');
  const scopes = again ? String(params['scope'] ?? '').split(' ') : (missingOIDCScope ?? []);
  const claims = again ? asked.map(([claim]) => claim) : (missingOIDCClaims ?? []);
  const essential = new Set(asked.filter(([, request]) => request?.essential === true).map(([claim]) => claim));
  return {
    scopes: scopes.filter(scope => scope !== '' && scope !== 'openid' && !inResources(scope, missingResourceScopes)),
    required: claims.filter(claim => essential.has(claim)),
    optional: claims.filter(claim => !essential.has(claim)),
    resources: missingResourceScopes ?? {},
  };
}

function inResources(scope: string, resources: Record<string, string[]> = {}): boolean {
  return Object.values(resources).some(scopes => scopes.includes(scope));
}

function claimsAsked(parameter: unknown): Map<string, { readonly essential?: boolean } | null> {
  if (typeof parameter !== 'string') return new Map();
  const { userinfo = {}, id_token = {} } = JSON.parse(parameter) as { userinfo?: ClaimRequests; id_token?: ClaimRequests };
  const merged = new Map<string, { readonly essential?: boolean } | null>();
  for (const [claim, request] of [...Object.entries(userinfo), ...Object.entries(id_token)]) {
    if (ABOUT_SIGN_IN.has(claim)) continue;
    if (merged.get(claim)?.essential !== true) merged.set(claim, request);
  }
  return merged;
}
