import type Provider from 'oidc-provider';
import type { Payload } from './artefacts.js';
import { challengeOf, takeCode } from './own-codes.js';
import { FlushConflict, requestScope } from './request-scope.js';
import type { Strength } from './strength.js';

/** The app that the pages of one's own account are: built in, and no row that anybody could turn off or change. */
export const ACCOUNT_APP = 'keyhold-account';

/** Where the built-in app is come back to. */
export const ACCOUNT_CALLBACK = '/account/callback';

/** The metadata of the built-in app: first-party, public, by code and PKCE, and good for nothing but knowing who is there. */
export function accountAppMetadata(issuer: URL, name: string): Readonly<Payload> {
  return {
    client_id: ACCOUNT_APP,
    client_name: name,
    application_type: 'web',
    token_endpoint_auth_method: 'none',
    grant_types: ['authorization_code'],
    response_types: ['code'],
    redirect_uris: [new URL(ACCOUNT_CALLBACK, issuer).href],
    subject_type: 'public',
    id_token_signed_response_alg: 'RS256',
    scope: 'openid',
    resource_scopes: [],
    allowed_origins: [],
    require_pkce: true,
    first_party: true,
    verified: true,
  };
}

/** What the built-in app asks the protocol for. */
export interface AccountQuestion {
  readonly state: string;
  readonly verifier: string;
  /** Nobody else will do. */
  readonly accountId?: string | undefined;
  /** What a sign-in page is filled with. */
  readonly email?: string | undefined;
  /** Seconds since the authentication. */
  readonly maxAge?: number | undefined;
  readonly strengths?: readonly Strength[] | undefined;
  readonly prompt?: 'login' | 'select_account' | undefined;
}

/** An ordinary authorization request of the built-in app (OpenID Connect Core §3.1.2.1, §5.5.1). */
export function accountRequestPath(issuer: URL, asked: AccountQuestion): string {
  const { accountId, email, strengths, maxAge, prompt } = asked;
  const claims = {
    ...(accountId !== undefined && { sub: { value: accountId } }),
    ...(strengths && { acr: { essential: true, values: strengths } }),
  };
  const wishes = {
    ...(email && { login_hint: email }),
    ...(maxAge !== undefined && { max_age: String(maxAge) }),
    ...(strengths && { acr_values: strengths.join(' ') }),
    ...(prompt && { prompt }),
    ...(Object.keys(claims).length > 0 && { claims: JSON.stringify({ id_token: claims }) }),
  };
  const parameters = new URLSearchParams({
    client_id: ACCOUNT_APP,
    redirect_uri: new URL(ACCOUNT_CALLBACK, issuer).href,
    response_type: 'code',
    scope: 'openid',
    state: asked.state,
    code_challenge: challengeOf(asked.verifier),
    code_challenge_method: 'S256',
    ...wishes,
  });
  return `/authorize?${parameters}`;
}

/** Whom a code of the built-in app is about. */
export interface Answerer {
  readonly accountId: string;
  readonly sessionUid: string;
}

/** Uses a code of the built-in app within the house, once; nobody when it is not good (any more). */
export async function useAccountCode(
  provider: Provider,
  issuer: URL,
  { code, verifier }: { readonly code: string; readonly verifier: string },
): Promise<Answerer | undefined> {
  const redirectUri = new URL(ACCOUNT_CALLBACK, issuer).href;
  const taken = await takeCode(provider, { code, verifier, clientId: ACCOUNT_APP, redirectUri });
  if (!taken) return undefined;
  try {
    await requestScope().flush();
  } catch (error) {
    if (error instanceof FlushConflict) return undefined;
    throw error;
  }
  return taken;
}
