import { createHmac } from 'node:crypto';
import * as openid from 'openid-client';
import { z } from 'zod';
import type { Payload } from '../presets/preset.js';
import { presetOf } from '../presets/presets.js';
import {
  type RedirectingProtocol,
  type Upstream,
  type UpstreamIdentity,
  UpstreamTrouble,
} from '../upstream.js';
import { clientAuthentication, mustAuthenticate } from './client-authentication.js';
import { troubleOf } from './openid.js';
import { revokeAt, tokensOf } from './tokens.js';

const endpoint = z.url({ protocol: /^https?$/ }).max(2_000);

/** What an operator says of a provider that speaks plain OAuth 2.0 (RFC 6749) and tells who somebody is by an API. */
export const oauthSettings = z.strictObject({
  client_id: z.string().min(1).max(500),
  authorization_endpoint: endpoint,
  token_endpoint: endpoint,
  /** Answers with the profile of whoever the token is for. */
  profile_endpoint: endpoint,
  /** Answers with a list of addresses, one of which is the primary one. */
  emails_endpoint: endpoint.optional(),
  /** Sent with what is asked of the API. */
  headers: z.record(z.string().regex(/^[a-z][a-z0-9-]{0,60}$/), z.string().max(200)).default({}),
  /** Each call of the API proves that it comes from us and not from somebody who found a token. */
  proof: z.enum(['appsecret_proof']).optional(),
  scopes: z.array(z.string().min(1).max(200)).max(40).default([]),
  token_endpoint_auth_method: z
    .enum(['client_secret_basic', 'client_secret_post'])
    .default('client_secret_basic'),
  pkce: z.boolean().default(true),
  /** Its tokens are kept, sealed, for the operator to use there; else they are forgotten as soon as they were used. */
  keep_tokens: z.boolean().default(false),
  /** Takes kept tokens back (RFC 7009). */
  revocation_endpoint: endpoint.optional(),
  /** Where there is no preset: the member of the profile that says who it is, and that holds an address, which proves nothing. */
  subject: z.string().min(1).max(200).default('sub'),
  email: z.string().min(1).max(200).default('email'),
  /** Its issuer, when it sends that along (RFC 9207): then it has to. */
  issuer: endpoint.optional(),
});
type OauthSettings = Readonly<z.output<typeof oauthSettings>>;

const settingsOf = ({ provider }: Upstream): OauthSettings => oauthSettings.parse(provider.settings);

/** Plain OAuth 2.0 with a profile API. */
export const oauthProtocol: RedirectingProtocol = {
  kind: 'oauth2',
  settings: oauthSettings,
  secrets: ['client_secret'],
  origins: settings => [new URL(oauthSettings.parse(settings).authorization_endpoint).origin],
  namespace: settings => {
    const { profile_endpoint: api, subject } = oauthSettings.parse(settings);
    return `${api}, ${subject}`;
  },
  checkSecrets: (settings, secrets) => mustAuthenticate(oauthSettings.parse(settings), secrets),
  stateParameter: 'state',
  /* OAuth 2.0 has no word for asking anew, and none for when somebody was asked. */
  depart: async (upstream, { state, loginHint, freshWithin }) => {
    if (freshWithin !== undefined) throw new UpstreamTrouble('refused', 'not_fresh');
    const settings = settingsOf(upstream);
    const verifier = settings.pkce ? openid.randomPKCECodeVerifier() : undefined;
    const to = openid.buildAuthorizationUrl(await configurationOf(upstream, settings), {
      redirect_uri: upstream.callbackUrl.href,
      scope: settings.scopes.join(' '),
      state,
      ...(verifier !== undefined && {
        code_challenge: await openid.calculatePKCECodeChallenge(verifier),
        code_challenge_method: 'S256',
      }),
      ...(loginHint !== undefined && { login_hint: loginHint }),
    });
    return { to, notes: verifier === undefined ? {} : { verifier } };
  },
  identify: async (upstream, { parameters }, { state, notes }) => {
    const settings = settingsOf(upstream);
    try {
      const came = new URL(upstream.callbackUrl);
      for (const [name, value] of Object.entries(parameters)) came.searchParams.set(name, value);
      const tokens = await openid.authorizationCodeGrant(await configurationOf(upstream, settings), came, {
        expectedState: state,
        ...(notes['verifier'] !== undefined && { pkceCodeVerifier: notes['verifier'] }),
      });
      const identity = await readIdentity(upstream, settings, tokens.access_token);
      return { ...identity, ...tokensOf(settings, tokens) };
    } catch (error) {
      throw troubleOf(error, 'untrue', 'answer');
    }
  },
  revoke: async (upstream, tokens) => revokeAt(await configurationOf(upstream, settingsOf(upstream)), tokens),
};

async function configurationOf(upstream: Upstream, settings: OauthSettings): Promise<openid.Configuration> {
  const { authorization_endpoint, token_endpoint, revocation_endpoint } = settings;
  const server = {
    issuer: settings.issuer ?? new URL(authorization_endpoint).origin,
    authorization_endpoint,
    token_endpoint,
    ...(revocation_endpoint !== undefined && { revocation_endpoint }),
    authorization_response_iss_parameter_supported: settings.issuer !== undefined,
  };
  const authentication = await clientAuthentication(settings, upstream.secrets);
  const configuration = new openid.Configuration(server, settings.client_id, {}, authentication);
  configuration[openid.customFetch] = (to, init) => upstream.fetch(to, init as RequestInit);
  if (upstream.allowPrivateNetwork) openid.allowInsecureRequests(configuration);
  return configuration;
}

/** Who the API says that a token is for. */
async function readIdentity(
  upstream: Upstream,
  settings: OauthSettings,
  token: string,
): Promise<UpstreamIdentity> {
  const preset = presetOf(upstream.provider.preset);
  const ask = (endpoint: string) => askApi(upstream, settings, { endpoint, token });
  const profile = profileSchema.safeParse(await ask(settings.profile_endpoint)).data;
  if (!profile) throw new UpstreamTrouble('untrue', 'profile_shape');
  const subject = preset ? preset.subjectOf(profile) : textual(profile[settings.subject]);
  if (subject === undefined) throw new UpstreamTrouble('untrue', 'no_subject');
  const told =
    settings.emails_endpoint === undefined ? [profile] : await readEmails(ask, settings.emails_endpoint);
  const email = told
    .map(payload => (preset ? preset.emailOf(payload) : unproven(payload[settings.email])))
    .find(each => each !== undefined);
  return { subject, claims: profile, ...(email && { email }) };
}

const profileSchema = z.record(z.string(), z.unknown());
const emailsSchema = z.array(profileSchema).max(1_000);

/* Whoever did not let us see their addresses is asked for one here. */
async function readEmails(
  ask: (endpoint: string) => Promise<unknown>,
  endpoint: string,
): Promise<readonly Payload[]> {
  return emailsSchema.safeParse(await ask(endpoint)).data ?? [];
}

interface Call {
  readonly endpoint: string;
  readonly token: string;
}

async function askApi(
  { fetch, secrets }: Upstream,
  settings: OauthSettings,
  { endpoint, token }: Call,
): Promise<unknown> {
  const url = new URL(endpoint);
  if (settings.proof)
    url.searchParams.set('appsecret_proof', appsecretProof(token, secrets['client_secret'] ?? ''));
  const headers = { accept: 'application/json', 'user-agent': 'keyhold', ...settings.headers };
  const answer = await fetch(url, { headers: { ...headers, authorization: `Bearer ${token}` } });
  if (answer.status !== 200) {
    await answer.body?.cancel();
    if (endpoint === settings.emails_endpoint) return [];
    throw new UpstreamTrouble('refused', 'api_refused');
  }
  return answer.json();
}

/** What Facebook takes for proof that a call comes from the app: HMAC-SHA-256 of the token under the app's secret, in hex. */
export function appsecretProof(token: string, secret: string): string {
  return createHmac('sha256', secret).update(token).digest('hex');
}

const textual = (value: unknown): string | undefined =>
  typeof value === 'number' && Number.isSafeInteger(value) ? String(value) : subjectText(value);
const subjectText = (value: unknown) =>
  typeof value === 'string' && value !== '' && value.length <= 255 ? value : undefined;
const unproven = (address: unknown) =>
  typeof address === 'string' && address !== '' ? { address, verified: false } : undefined;
