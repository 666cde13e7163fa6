import * as openid from 'openid-client';
import { type Dispatcher, fetch } from 'undici';
import { type Arrival, openAppServer } from './app-server.js';

/** What a registered app holds. */
export interface RegisteredClient {
  readonly client_id: string;
  readonly client_secret?: string;
  readonly redirect_uris: readonly string[];
  readonly post_logout_redirect_uris?: readonly string[];
  readonly token_endpoint_auth_method: string;
}

/** A provider that apps can be registered with. */
export interface Issuing {
  readonly issuer: string;
  registerClient(metadata: Readonly<Record<string, unknown>>): Promise<RegisteredClient>;
}

/** What the token endpoint answered, checked by openid-client. */
export type Tokens = Awaited<ReturnType<typeof openid.authorizationCodeGrant>>;

/** With proofs of a key (RFC 9449). */
export interface Proving {
  readonly DPoP?: openid.DPoPHandle;
}

/** An app that signs people in through a real OpenID client library. */
export interface RelyingParty {
  readonly client: RegisteredClient;
  readonly clientId: string;
  readonly redirectUri: string;
  readonly configuration: openid.Configuration;
  /** The logout tokens that came by the back channel, oldest first. */
  readonly logoutTokens: readonly string[];
  /** The next logout token that was not taken yet, waited for. */
  nextLogoutToken(): Promise<string>;
  /** Begins a sign-in with fresh PKCE, state and nonce, and gives the address to send the person to. */
  authorizationUrl(parameters?: Readonly<Record<string, string>>): Promise<URL>;
  /** Turns the answer to the last arrival (or this one) into tokens. */
  exchange(arrival?: Arrival, proving?: Proving): Promise<Tokens>;
  refresh(refreshToken: string, proving?: Proving): Promise<Tokens>;
  userInfo(tokens: Tokens, proving?: Proving): Promise<openid.UserInfoResponse>;
  introspect(token: string): Promise<openid.IntrospectionResponse>;
  revoke(token: string): Promise<void>;
  endSessionUrl(parameters?: Readonly<Record<string, string>>): URL;
  /** How the app itself meets a back-channel call from now on: with this status, 200 by default. */
  answerLogoutWith(status: number): void;
  close(): Promise<void>;
}

/** How an app is reached and reaches Keyhold. */
export interface RelyingPartyOptions {
  /** Its public origin, when it stands behind a proxy; its own loopback port otherwise. */
  readonly origin?: string;
  readonly dispatcher?: Dispatcher;
  /** Told the port once it listens, before the app is registered. */
  readonly onListening?: (port: number) => void;
}

interface Pending {
  readonly state: string;
  readonly nonce: string;
  readonly codeVerifier: string;
  readonly maxAge: number | undefined;
}

/** Opens an app and registers it; `metadata` changes what it says about itself. */
export async function openRelyingParty(
  keyhold: Issuing,
  metadata: Readonly<Record<string, unknown>> = {},
  options: RelyingPartyOptions = {},
): Promise<RelyingParty> {
  const app = await openAppServer(options.origin);
  options.onListening?.(app.port);
  const client = await keyhold.registerClient({ ...defaults(app.origin), ...metadata });
  const configuration = await discover(keyhold, client, options.dispatcher);
  const redirectUri = client.redirect_uris[0] ?? '';
  const pending = new Map<string, Pending>();

  return {
    client,
    clientId: client.client_id,
    redirectUri,
    configuration,
    logoutTokens: app.logoutTokens,
    nextLogoutToken: app.nextLogoutToken,
    authorizationUrl: async (parameters = {}) => {
      const one = begin(parameters);
      pending.set(one.state, one);
      return openid.buildAuthorizationUrl(configuration, {
        redirect_uri: redirectUri,
        scope: 'openid profile email',
        state: one.state,
        nonce: one.nonce,
        code_challenge: await openid.calculatePKCECodeChallenge(one.codeVerifier),
        code_challenge_method: 'S256',
        ...parameters,
      });
    },
    exchange: async (arrival = app.lastArrival(), proving = {}) => {
      const one = pending.get((await parametersOf(arrival)).get('state') ?? '');
      const checks: openid.AuthorizationCodeGrantChecks = {
        expectedState: one?.state ?? openid.skipStateCheck,
        idTokenExpected: true,
        ...(one && { expectedNonce: one.nonce, pkceCodeVerifier: one.codeVerifier }),
        ...(one?.maxAge === undefined ? {} : { maxAge: one.maxAge }),
      };
      return openid.authorizationCodeGrant(configuration, arrival, checks, undefined, { ...proving });
    },
    refresh: (token, proving = {}) =>
      openid.refreshTokenGrant(configuration, token, undefined, { ...proving }),
    userInfo: (tokens, proving = {}) =>
      openid.fetchUserInfo(
        configuration,
        tokens.access_token,
        tokens.claims()?.sub ?? openid.skipSubjectCheck,
        { ...proving },
      ),
    introspect: token => openid.tokenIntrospection(configuration, token),
    revoke: token => openid.tokenRevocation(configuration, token),
    endSessionUrl: parameters => openid.buildEndSessionUrl(configuration, { ...parameters }),
    answerLogoutWith: app.answerLogoutWith,
    close: app.close,
  };
}

function begin(parameters: Readonly<Record<string, string>>): Pending {
  return {
    state: parameters.state ?? openid.randomState(),
    nonce: parameters.nonce ?? openid.randomNonce(),
    codeVerifier: openid.randomPKCECodeVerifier(),
    maxAge: parameters.max_age === undefined ? undefined : Number(parameters.max_age),
  };
}

function defaults(origin: string): Readonly<Record<string, unknown>> {
  const loopback = origin.startsWith('http://localhost:');
  return {
    client_name: 'Test app',
    redirect_uris: [`${origin}/callback`],
    post_logout_redirect_uris: [`${origin}/signed-out`],
    grant_types: ['authorization_code', 'refresh_token'],
    token_endpoint_auth_method: 'client_secret_basic',
    ...(loopback && {
      development: true,
      backchannel_logout_uri: `${origin}/backchannel-logout`,
      backchannel_logout_session_required: true,
    }),
  };
}

async function discover(keyhold: Issuing, client: RegisteredClient, dispatcher?: Dispatcher) {
  const authentication = {
    none: () => openid.None(),
    client_secret_post: () => openid.ClientSecretPost(client.client_secret),
    client_secret_basic: () => openid.ClientSecretBasic(client.client_secret),
  }[client.token_endpoint_auth_method];
  const through: openid.CustomFetch = (url, init) =>
    fetch(url, { ...init, ...(dispatcher ? { dispatcher } : {}) } as Parameters<typeof fetch>[1]) as never;
  const metadata = { ...(client.client_secret ? { client_secret: client.client_secret } : {}) };
  return openid.discovery(new URL(keyhold.issuer), client.client_id, metadata, authentication?.(), {
    [openid.customFetch]: through,
    execute: keyhold.issuer.startsWith('http:') ? [openid.allowInsecureRequests] : [],
  });
}

async function parametersOf(arrival: Arrival): Promise<URLSearchParams> {
  return arrival instanceof URL ? arrival.searchParams : new URLSearchParams(await arrival.clone().text());
}
