import * as jose from 'jose';
import * as openid from 'openid-client';
import { z } from 'zod';
import {
  type RedirectingProtocol,
  type Upstream,
  type UpstreamAnswer,
  type UpstreamIdentity,
  UpstreamTrouble,
} from '../upstream.js';
import { clientAuthentication } from './client-authentication.js';

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
    .enum(['client_secret_basic', 'client_secret_post', 'private_key_jwt', 'none'])
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
  stateParameter: 'state',
  origins: settings => [new URL(openidSettings.parse(settings).issuer).origin],
  depart: async (upstream, { state, freshWithin, loginHint, acrValues }) => {
    const settings = settingsOf(upstream);
    const configuration = await configurationOf(upstream);
    const [nonce, verifier] = [openid.randomNonce(), openid.randomPKCECodeVerifier()];
    const to = openid.buildAuthorizationUrl(configuration, {
      ...settings.parameters,
      redirect_uri: upstream.callbackUrl.href,
      scope: [...new Set(['openid', ...settings.scopes])].join(' '),
      state,
      nonce,
      code_challenge: await openid.calculatePKCECodeChallenge(verifier),
      code_challenge_method: 'S256',
      ...(freshWithin !== undefined && { max_age: String(freshWithin) }),
      ...(freshWithin === 0 && { prompt: 'login' }),
      ...(loginHint !== undefined && { login_hint: loginHint }),
      ...(acrValues && acrValues.length > 0 && { acr_values: acrValues.join(' ') }),
    });
    const fresh = freshWithin === undefined ? {} : { max_age: String(freshWithin) };
    return { to, notes: { nonce, verifier, ...fresh } };
  },
  identify: async (upstream, answer, { state, notes }) => {
    const configuration = await configurationOf(upstream);
    try {
      return await identityOf(upstream, configuration, answer, { ...notes, state });
    } catch (error) {
      throw troubleOf(error, 'untrue', 'answer');
    }
  },
};

async function identityOf(
  upstream: Upstream,
  configuration: openid.Configuration,
  answer: UpstreamAnswer,
  expected: Readonly<Record<string, string>>,
): Promise<UpstreamIdentity> {
  const came = new URL(upstream.callbackUrl);
  for (const [name, value] of Object.entries(answer.parameters)) came.searchParams.set(name, value);
  const { max_age: maxAge, verifier = '', nonce = '', state = '' } = expected;
  const tokens = await openid.authorizationCodeGrant(configuration, came, {
    pkceCodeVerifier: verifier,
    expectedNonce: nonce,
    expectedState: state,
    idTokenExpected: true,
    /* A minute for the way there and back. */
    ...(maxAge !== undefined && { maxAge: Number(maxAge) + 60 }),
  });
  const claims = tokens.claims();
  if (!claims || !tokens.id_token) throw new UpstreamTrouble('untrue', 'no_id_token');
  await verifySignature(upstream, configuration, tokens.id_token);
  const info = lacksSome(upstream, claims, configuration)
    ? await openid.fetchUserInfo(configuration, tokens.access_token, claims.sub)
    : undefined;
  return toIdentity(claims, info);
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
      cooldownDuration: 5_000,
      cacheMaxAge: 600_000,
    });
  upstream.memory.set('keys', keys);
  try {
    await jose.compactVerify(idToken, keys, { algorithms: ALGORITHMS });
  } catch (error) {
    throw troubleOf(error, 'untrue', 'signature');
  }
}

function lacksSome(upstream: Upstream, claims: openid.IDToken, configuration: openid.Configuration): boolean {
  if (settingsOf(upstream).userinfo === 'never') return false;
  if (configuration.serverMetadata().userinfo_endpoint === undefined) return false;
  const { attributes } = upstream.provider.mapping;
  const wanted = ['email', ...Object.values(attributes).map(({ from }) => from)];
  return wanted.some(name => claims[name] === undefined);
}

/* About the token and the sign-in, and not about the person. */
const PROTOCOL = new Set(
  'iss aud exp iat nbf jti nonce azp at_hash c_hash s_hash auth_time acr amr sid rt_hash'.split(' '),
);

type Payload = Readonly<Record<string, unknown>>;

/** What two checked payloads of one subject say; an address counts as verified only by the payload that it stands in (C01). */
export function toIdentity(claims: Payload, info: Payload = {}): UpstreamIdentity {
  const { sub, acr, amr, auth_time: at } = claims;
  const source = typeof claims['email'] === 'string' ? claims : info;
  const { email: address, email_verified: verified } = source;
  const merged = Object.entries({ ...info, ...claims }).filter(([name]) => !PROTOCOL.has(name));
  return {
    subject: String(sub),
    ...(typeof address === 'string' && { email: { address, verified: verified === true } }),
    claims: Object.fromEntries(merged),
    ...(typeof acr === 'string' && { acr }),
    ...(Array.isArray(amr) && { amr: amr.filter(each => typeof each === 'string') }),
    ...(typeof at === 'number' && { authenticatedAt: new Date(at * 1_000) }),
  };
}
