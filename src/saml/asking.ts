import type { Client } from '../domain/clients/clients.js';
import { challengeOf } from '../oidc/own-codes.js';
import type { Keyring } from '../platform/crypto/keyring.js';
import { randomToken } from '../platform/crypto/tokens.js';
import { type SamlApp, samlAppOf, usualAcs } from './app.js';
import { strengthFor } from './authn-request.js';
import { samlPlaces } from './places.js';
import type { PendingSignOn } from './requests.js';

/**
 * What the engine is told of an app that speaks SAML: an app of ours like any other, that comes back to ourselves, asks only
 * what we push for it, and has a secret that nobody was ever given, so that no code of its is worth anything elsewhere.
 */
export function asEngineClient(client: Client, issuer: URL): Readonly<Record<string, unknown>> {
  const app = samlAppOf(client);
  if (!app) return {};
  return {
    redirect_uris: [samlPlaces(issuer).answer],
    token_endpoint_auth_method: 'client_secret_basic',
    client_secret: randomToken(),
    require_pushed_authorization_requests: true,
    require_pkce: true,
    saml_entity: app.saml.entity_id,
    comes_back_to: usualAcs(app),
  };
}

/** What proves that a code was given for a request of ours: never told to any browser. */
export const verifierOf = (keyring: Keyring, id: string): string =>
  keyring.mac('saml-verifier', id).toString('base64url');

/** The app's request in the engine's words (OpenID Connect Core §3.1.2.1, §5.5), so that signing in is what it is for every app. */
export function engineRequest(
  { id, asked }: PendingSignOn,
  app: SamlApp,
  { keyring, issuer }: { readonly keyring: Keyring; readonly issuer: URL },
): Readonly<Record<string, string>> {
  const strength = strengthFor(asked.classes);
  const claims = {
    ...Object.fromEntries(app.required.map(name => [name, { essential: true }])),
    ...Object.fromEntries(app.optional.map(name => [name, null])),
    ...(strength !== undefined && strength !== 'aal1' && { acr: { essential: true, values: [strength] } }),
  };
  return {
    redirect_uri: samlPlaces(issuer).answer,
    response_type: 'code',
    scope: 'openid',
    state: id,
    code_challenge: challengeOf(verifierOf(keyring, id)),
    code_challenge_method: 'S256',
    ...(asked.passive ? { prompt: 'none' } : asked.force ? { prompt: 'login' } : {}),
    /* Nobody can be asked and must be: silent only if they have just been. */
    ...(asked.passive && asked.force && { max_age: '0' }),
    ...(Object.keys(claims).length > 0 && { claims: JSON.stringify({ id_token: claims }) }),
  };
}
