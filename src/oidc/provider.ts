import type { JWK } from 'jose';
import Provider, { type Configuration, errors, type KoaContextWithOIDC } from 'oidc-provider';
import type { Keyring } from '../platform/crypto/keyring.js';
import { accessMetadata } from './access.js';
import { openAdapter } from './adapter.js';
import { type Claims, findAccountBy, tokenClaims } from './claims.js';
import { CLIENT_PROPERTIES, type ClientRegistry, prepareClientModel } from './clients.js';
import { openCookieKeys } from './cookie-keys.js';
import { type MayDeviceAsk, paceDevices } from './device-asking.js';
import { tellInterval } from './device-codes.js';
import type { EnginePages, ProtocolProblem } from './error-page.js';
import { protocolProblem } from './error-page.js';
import { type FindResourceServer, features } from './features.js';
import { loadExistingGrant } from './grants.js';
import { ENGINE_LIFETIMES } from './lifetimes.js';
import { interactionPolicyOf, PROMPTS } from './policy.js';
import type { Questions } from './questions.js';
import { quietRefusals } from './quiet-refusals.js';
import { mustBeBrief, useProofsOnce } from './replays.js';
import { oneShape } from './request-shape.js';
import { SigningKey } from './signing-key.js';
import { STRENGTHS } from './strength.js';
import type { SubjectOf } from './subjects.js';
import { markTokens } from './token-ids.js';
import type { DataUse } from './uses.js';

/** The engine, as those may name it who hand it on. */
export type Engine = Provider;

/** What a provider is built out of. */
export interface ProviderParts {
  readonly issuer: URL;
  readonly keyring: Keyring;
  readonly subjectOf: SubjectOf;
  readonly jwks: readonly (JWK & { readonly kid: string })[];
  readonly clients: ClientRegistry;
  readonly claims: Claims;
  readonly questions: Questions;
  readonly dataUse: DataUse;
  readonly findResourceServer: FindResourceServer;
  readonly mayDeviceAsk: MayDeviceAsk;
  /** Whoever has one of these roles signs in with a second factor. */
  readonly secondStepRoles: readonly string[];
  readonly fetch: typeof globalThis.fetch;
  /** The languages that an app may wish for. */
  readonly languages: readonly string[];
  readonly pages: EnginePages & { problem(ctx: KoaContextWithOIDC, problem: ProtocolProblem): void };
}

/** Builds the certified engine out of our parts; it is a Koa application that `app.ts` puts its surfaces before. */
export function openProvider(parts: ProviderParts): Provider {
  quietRefusals();
  const { issuer, keyring, pages } = parts;
  const https = issuer.protocol === 'https:';
  const short = { httpOnly: true, sameSite: 'lax', signed: true, secure: https, overwrite: true } as const;
  const { subjectOf, claims } = parts;

  const configuration: Configuration = {
    adapter: openAdapter(parts.clients.metadata, keyring),
    jwks: { keys: parts.jwks.map(jwk => new SigningKey(jwk)) },
    features: features(pages, parts.findResourceServer, () => new errors.InvalidTarget(), parts.dataUse),
    ttl: ENGINE_LIFETIMES,
    claims: claims.engine as NonNullable<Configuration['claims']>,
    discovery: {
      prompt_values_supported: PROMPTS,
      ui_locales_supported: [...parts.languages],
      ...accessMetadata(issuer),
    },
    scopes: ['openid', 'offline_access', 'profile', 'email', 'address', 'phone'],
    acrValues: [...STRENGTHS],
    subjectTypes: ['public', 'pairwise'],
    pairwiseIdentifier: async (_ctx, accountId, client) => subjectOf(accountId, client),
    responseTypes: ['code'],
    /* OpenID Connect Core §3.1.2.1 requires it in every request. */
    allowOmittingSingleRegisteredRedirectUri: false,
    clientAuthMethods: ['none', 'client_secret_basic', 'client_secret_post', 'private_key_jwt'],
    enabledJWA: {
      idTokenSigningAlgValues: ['RS256', 'ES256', 'EdDSA'],
      userinfoSigningAlgValues: ['RS256', 'ES256', 'EdDSA'],
      clientAuthSigningAlgValues: ['RS256', 'PS256', 'ES256', 'EdDSA'],
    },
    assertJwtClientAuthClaimsAndHeader: mustBeBrief,
    clientDefaults: { id_token_signed_response_alg: 'RS256' },
    extraClientMetadata: { properties: [...CLIENT_PROPERTIES] },
    findAccount: findAccountBy(claims),
    extraTokenClaims: tokenClaims,
    loadExistingGrant,
    rotateRefreshToken: true,
    issueRefreshToken: async (_ctx, client) => client.grantTypeAllowed('refresh_token'),
    revokeGrantPolicy: () => true,
    pkce: { required: (_ctx, client) => client['require_pkce'] !== false },
    clientBasedCORS: (_ctx, origin, client) =>
      ((client['allowed_origins'] as string[] | undefined) ?? []).includes(origin),
    interactions: {
      policy: interactionPolicyOf(subjectOf, parts.secondStepRoles, parts),
      /* Said in the address, so that everybody to choose from is read along. */
      url: (_ctx, { uid, prompt }) =>
        `/interaction/${uid}${prompt.name === 'select_account' ? '?way=choose' : ''}`,
    },
    cookies: {
      long: short,
      short,
      names: {
        session: https ? '__Host-keyhold_session' : 'keyhold_session',
        interaction: https ? '__Secure-keyhold_interaction' : 'keyhold_interaction',
        resume: https ? '__Secure-keyhold_resume' : 'keyhold_resume',
      },
    },
    routes: {
      authorization: '/authorize',
      token: '/token',
      userinfo: '/userinfo',
      introspection: '/introspect',
      revocation: '/revoke',
      end_session: '/end-session',
      jwks: '/jwks',
      pushed_authorization_request: '/par',
      device_authorization: '/device_authorization',
      code_verification: '/device',
    },
    renderError: async (ctx, out) => pages.problem(ctx, protocolProblem(ctx, out)),
    fetch: parts.fetch as NonNullable<Configuration['fetch']>,
  };
  const provider = new Provider(issuer.origin, configuration);
  oneShape(provider);
  provider.keys = openCookieKeys(keyring);
  prepareClientModel(provider, parts.clients);
  markTokens(provider);
  useProofsOnce(provider);
  tellInterval(provider);
  paceDevices(provider, parts.mayDeviceAsk);
  return provider;
}
