import * as jose from 'jose';
import * as openid from 'openid-client';
import { z } from 'zod';
import type { Payload } from '../presets/preset.js';
import { presetOf } from '../presets/presets.js';
import {
  type RedirectingProtocol,
  type Upstream,
  type UpstreamAnswer,
  type UpstreamIdentity,
  UpstreamTrouble,
} from '../upstream.js';
import { nameFromForm } from './apple.js';
import { clientAuthentication, mustAuthenticate } from './client-authentication.js';
import { toIdentity } from './identity.js';
import { revokeAt, tokensOf } from './tokens.js';

const OURS = [
  'client_id',
  'redirect_uri',
  'response_type',
  'scope',
  'state',
  'nonce',
  'code_challenge',
  'code_challenge_method',
  'request',
  'request_uri',
];

const url = z.url({ protocol: /^https?$/ }).max(2_000);

/** What an operator says of an OpenID provider. */
export const openidSettings = z.strictObject({
  /** Its discovery document is at `<issuer>/.well-known/openid-configuration`. */
  issuer: url,
  client_id: z.string().min(1).max(500),
  token_endpoint_auth_method: z
    .enum(['client_secret_basic', 'client_secret_post', 'private_key_jwt', 'apple', 'none'])
    .default('client_secret_basic'),
  /** By which `private_key_jwt` is signed; RS256 or what the key says, where this is absent. */
  token_endpoint_auth_signing_alg: z.enum(['RS256', 'PS256', 'ES256', 'EdDSA']).optional(),
  scopes: z.array(z.string().min(1).max(200)).max(40).default(['openid', 'profile', 'email']),
  /** What else its authorization endpoint is told. */
  parameters: z
    .record(
      z.string().refine(name => !OURS.includes(name), 'is set by Keyhold'),
      z.string().max(500),
    )
    .default({}),
  /** UserInfo is asked when the ID token lacks what is mapped; or never. */
  userinfo: z.enum(['when_missing', 'never']).default('when_missing'),
  /** Its endpoints, where its discovery document is not to be relied on. */
  endpoints: z
    .strictObject({ authorization: url, token: url, keys: url, revocation: url.optional() })
    .optional(),
  /** By what the answer is bound to the browser beside the state: both, unless the provider cannot. */
  bound_by: z
    .array(z.enum(['pkce', 'nonce']))
    .max(2)
    .default(['pkce', 'nonce']),
  response_mode: z.enum(['query', 'form_post']).default('query'),
  /** Whether it asks people anew when told to, and says when it did (`prompt=login`, `max_age`, `auth_time`). */
  asks_anew: z.boolean().default(true),
  /** Claims of the ID token that must have one of these values, or nobody is let in. */
  require: z.record(z.string().min(1).max(200), z.array(z.string().max(200)).min(1).max(100)).default({}),
  /** Whose key signs the secret that Apple takes. */
  apple: z.strictObject({ team_id: z.string().min(1).max(40), key_id: z.string().min(1).max(40) }).optional(),
  /** Its tokens are kept, sealed, for the operator to use there; else they are forgotten as soon as they were read. */
  keep_tokens: z.boolean().default(false),
  /** Seconds by which its clock may be wrong. */
  clock_tolerance: z.int().min(0).max(120).default(30),
});
export type OpenidSettings = Readonly<z.output<typeof openidSettings>>;

const settingsOf = ({ provider }: Upstream): OpenidSettings => openidSettings.parse(provider.settings);

const HOUR = 3_600_000;

interface Discovered {
  readonly configuration: openid.Configuration;
  readonly until: number;
}

/** The provider as its discovery document says; asked once an hour, and the last one stands while it cannot be had. */
export async function configurationOf(upstream: Upstream): Promise<openid.Configuration> {
  const settings = settingsOf(upstream);
  /* There is nothing to ask for, and a secret that is signed anew is not kept. */
  if (settings.endpoints) return told(upstream, settings, settings.endpoints);
  const known = upstream.memory.get('openid') as Discovered | undefined;
  if (known && known.until > performance.now()) return known.configuration;
  try {
    const configuration = await discover(upstream);
    upstream.memory.set('openid', { configuration, until: performance.now() + HOUR });
    return configuration;
  } catch (error) {
    if (known) return known.configuration;
    throw troubleOf(error, 'unreachable', 'discovery');
  }
}

async function told(
  upstream: Upstream,
  settings: OpenidSettings,
  endpoints: NonNullable<OpenidSettings['endpoints']>,
): Promise<openid.Configuration> {
  const { issuer, client_id: clientId, clock_tolerance: tolerance } = settings;
  const {
    authorization: authorization_endpoint,
    token: token_endpoint,
    keys: jwks_uri,
    revocation,
  } = endpoints;
  const authentication = await clientAuthentication(settings, upstream.secrets);
  const server = {
    issuer,
    authorization_endpoint,
    token_endpoint,
    jwks_uri,
    ...(revocation !== undefined && { revocation_endpoint: revocation }),
  };
  const metadata = { [openid.clockTolerance]: tolerance };
  const configuration = new openid.Configuration(server, clientId, metadata, authentication);
  configuration[openid.customFetch] = (to, init) => upstream.fetch(to, init as RequestInit);
  if (upstream.allowPrivateNetwork && issuer.startsWith('http:')) openid.allowInsecureRequests(configuration);
  return configuration;
}

async function discover(upstream: Upstream): Promise<openid.Configuration> {
  const settings = settingsOf(upstream);
  const insecure = upstream.allowPrivateNetwork && settings.issuer.startsWith('http:');
  const authentication = await clientAuthentication(settings, upstream.secrets);
  const metadata = { [openid.clockTolerance]: settings.clock_tolerance };
  const configuration = await openid.discovery(
    new URL(settings.issuer),
    settings.client_id,
    metadata,
    authentication,
    {
      [openid.customFetch]: (to, init) => upstream.fetch(to, init as RequestInit),
      execute: insecure ? [openid.allowInsecureRequests] : [],
    },
  );
  const { authorization_endpoint: page } = configuration.serverMetadata();
  if (!page || !isWebPage(page, insecure)) throw new UpstreamTrouble('unreachable', 'authorization_endpoint');
  return configuration;
}

const isWebPage = (address: string, insecure: boolean) =>
  URL.canParse(address) && (address.startsWith('https://') || (insecure && address.startsWith('http://')));

/** What a protocol error is here: what happened on the way, or what the answer was. */
export function troubleOf(error: unknown, kind: UpstreamTrouble['kind'], fallback: string): UpstreamTrouble {
  for (let each = error; each instanceof Error; each = each.cause) {
    if (each instanceof UpstreamTrouble) return each;
    if (each instanceof openid.AuthorizationResponseError) {
      return new UpstreamTrouble('refused', wordOf(each.error), error);
    }
    if (each instanceof openid.ResponseBodyError) return new UpstreamTrouble(kind, wordOf(each.error), error);
  }
  const { code } = (error ?? {}) as { readonly code?: unknown };
  const word = typeof code === 'string' ? wordOf(code.replace(/^(OAUTH|ERR)_/, '').toLowerCase()) : 'error';
  return new UpstreamTrouble(kind, word === 'error' ? fallback : word, error);
}

/* What comes from elsewhere is on record only where it is a word. */
const wordOf = (text: string) => (/^[a-z_]{1,60}$/.test(text) ? text : 'error');

/** OpenID Connect Core, by the code flow with PKCE, `state`, `nonce` and `iss` (RFC 9207). */
export const openidProtocol: RedirectingProtocol = {
  kind: 'openid',
  settings: openidSettings,
  secrets: ['client_secret', 'private_key'],
  namespace: settings => openidSettings.parse(settings).issuer,
  checkSecrets: async (settings, secrets) => {
    await mustAuthenticate(openidSettings.parse(settings), secrets);
  },
  stateParameter: 'state',
  origins: settings => {
    const { issuer, endpoints } = openidSettings.parse(settings);
    return [new URL(endpoints?.authorization ?? issuer).origin];
  },
  depart: async (upstream, { state, freshWithin, loginHint, acrValues }) => {
    const settings = settingsOf(upstream);
    if (freshWithin !== undefined && !settings.asks_anew) throw new UpstreamTrouble('refused', 'not_fresh');
    const configuration = await configurationOf(upstream);
    const nonce = settings.bound_by.includes('nonce') ? openid.randomNonce() : undefined;
    const verifier = settings.bound_by.includes('pkce') ? openid.randomPKCECodeVerifier() : undefined;
    const to = openid.buildAuthorizationUrl(configuration, {
      ...settings.parameters,
      redirect_uri: upstream.callbackUrl.href,
      scope: [...new Set(['openid', ...settings.scopes])].join(' '),
      state,
      ...(nonce !== undefined && { nonce }),
      ...(verifier !== undefined && {
        code_challenge: await openid.calculatePKCECodeChallenge(verifier),
        code_challenge_method: 'S256',
      }),
      ...(settings.response_mode !== 'query' && { response_mode: settings.response_mode }),
      ...(freshWithin !== undefined && { max_age: String(freshWithin) }),
      ...(freshWithin === 0 && { prompt: 'login' }),
      ...(loginHint !== undefined && { login_hint: loginHint }),
      ...(acrValues && acrValues.length > 0 && { acr_values: acrValues.join(' ') }),
    });
    return {
      to,
      notes: { ...(nonce !== undefined && { nonce }), ...(verifier !== undefined && { verifier }) },
    };
  },
  identify: async (upstream, answer, { state, notes }) => {
    const configuration = await configurationOf(upstream);
    try {
      return await identityOf(upstream, configuration, answer, { ...notes, state });
    } catch (error) {
      throw troubleOf(error, 'untrue', 'answer');
    }
  },
  revoke: async (upstream, tokens) => revokeAt(await configurationOf(upstream), tokens),
};

async function identityOf(
  upstream: Upstream,
  configuration: openid.Configuration,
  answer: UpstreamAnswer,
  expected: Readonly<Record<string, string>>,
): Promise<UpstreamIdentity> {
  const came = new URL(upstream.callbackUrl);
  for (const [name, value] of Object.entries(answer.parameters)) came.searchParams.set(name, value);
  const { verifier, nonce, state = '' } = expected;
  const tokens = await openid.authorizationCodeGrant(configuration, came, {
    ...(verifier !== undefined && { pkceCodeVerifier: verifier }),
    ...(nonce !== undefined && { expectedNonce: nonce }),
    expectedState: state,
    idTokenExpected: true,
  });
  const claims = tokens.claims();
  if (!claims || !tokens.id_token) throw new UpstreamTrouble('untrue', 'no_id_token');
  await verifySignature(upstream, configuration, tokens.id_token);
  mustHave(settingsOf(upstream).require, claims);
  const info = lacksSome(upstream, claims, configuration)
    ? await openid.fetchUserInfo(configuration, tokens.access_token, claims.sub)
    : undefined;
  const beside = { info, form: formOf(upstream, answer), preset: presetOf(upstream.provider.preset) };
  return { ...toIdentity(claims, beside), ...tokensOf(settingsOf(upstream), tokens) };
}

const ALGORITHMS = [
  'RS256',
  'RS384',
  'RS512',
  'PS256',
  'PS384',
  'PS512',
  'ES256',
  'ES384',
  'ES512',
  'EdDSA',
  'Ed25519',
];

/* The library trusts the line for it (Core §3.1.3.7); a key is asked for anew as soon as one is named that is not known. */
async function verifySignature(
  upstream: Upstream,
  configuration: openid.Configuration,
  idToken: string,
): Promise<void> {
  const { jwks_uri: keysAt } = configuration.serverMetadata();
  if (keysAt === undefined) throw new UpstreamTrouble('untrue', 'no_keys');
  const known = upstream.memory.get('keys') as ReturnType<typeof jose.createRemoteJWKSet> | undefined;
  const keys =
    known ??
    jose.createRemoteJWKSet(new URL(keysAt), {
      [jose.customFetch]: (to, init) => upstream.fetch(to, init as RequestInit),
      cooldownDuration: 0,
      cacheMaxAge: 600_000,
    });
  upstream.memory.set('keys', keys);
  try {
    await jose.compactVerify(idToken, keys, { algorithms: ALGORITHMS });
  } catch (error) {
    throw troubleOf(error, 'untrue', 'signature');
  }
}

function mustHave(required: OpenidSettings['require'], claims: Payload): void {
  for (const [name, values] of Object.entries(required)) {
    const value = Object.hasOwn(claims, name) ? claims[name] : undefined;
    if (typeof value !== 'string' || !values.includes(value))
      throw new UpstreamTrouble('refused', 'required_claim');
  }
}

/* Apple posts a name beside the answer, unsigned and once. */
const formOf = (upstream: Upstream, { parameters }: UpstreamAnswer): Payload =>
  settingsOf(upstream).token_endpoint_auth_method === 'apple' ? nameFromForm(parameters['user']) : {};

function lacksSome(upstream: Upstream, claims: openid.IDToken, configuration: openid.Configuration): boolean {
  if (settingsOf(upstream).userinfo === 'never') return false;
  if (configuration.serverMetadata().userinfo_endpoint === undefined) return false;
  const { attributes } = upstream.provider.mapping;
  const wanted = ['email', ...Object.values(attributes).map(({ from }) => from)];
  return wanted.some(name => claims[name] === undefined);
}
