import { createRemoteJWKSet, jwtVerify } from 'jose';
import * as openid from 'openid-client';
import type { Settings } from './settings.js';

/** What must survive from "Sign in" until the browser comes back. Keep it on the server, bound to that browser. */
export interface PendingSignIn {
  readonly state: string;
  readonly nonce: string;
  readonly codeVerifier: string;
}

/** Who signed in, and the tokens that let this app act. */
export interface SignedIn {
  readonly subject: string;
  /** The session at Keyhold, named in the logout token when that session ends. */
  readonly sid: string | undefined;
  readonly idToken: string;
  readonly accessToken: string;
  readonly accessTokenExpiresAt: Date;
  readonly refreshToken: string | undefined;
  readonly idTokenClaims: Readonly<Record<string, unknown>>;
}

/** Whose sessions a verified logout token ends. */
export interface LogoutOrder {
  readonly jti: string;
  readonly subject: string | undefined;
  readonly sid: string | undefined;
}

/** What a verified command token says is to be done about whom. */
export interface CommandOrder {
  readonly jti: string;
  readonly command: string;
  readonly subject: string;
}

/** Everything this app ever asks of Keyhold. */
export interface Keyhold {
  startSignIn(options: { createAccount: boolean }): Promise<{ url: URL; pending: PendingSignIn }>;
  finishSignIn(callback: URL, pending: PendingSignIn): Promise<SignedIn>;
  refresh(signedIn: SignedIn): Promise<SignedIn>;
  userInfo(signedIn: SignedIn): Promise<Readonly<Record<string, unknown>>>;
  signOutUrl(signedIn: SignedIn, state: string): Promise<URL>;
  readLogoutToken(token: string): Promise<LogoutOrder>;
  readCommandToken(token: string): Promise<CommandOrder>;
}

// Refresh tokens come with the grant type and end with the person's session; `offline_access` would outlive it.
const SCOPE = 'openid profile email';
const LOGOUT_EVENT = 'http://schemas.openid.net/event/backchannel-logout';

/** Connects to Keyhold. Discovery happens at first need, so that either process may start first. */
export function connect(settings: Settings): Keyhold {
  let discovered: Promise<openid.Configuration> | undefined;
  const configuration = () => {
    discovered ??= discover(settings);
    // A failed discovery is forgotten, so that the next request tries again.
    discovered.catch(() => {
      discovered = undefined;
    });
    return discovered;
  };
  let keySet: ReturnType<typeof createRemoteJWKSet> | undefined;
  const signer = async () => {
    const { jwks_uri: address, issuer } = (await configuration()).serverMetadata();
    if (!address) throw new Error('Keyhold publishes no keys.');
    keySet ??= createRemoteJWKSet(new URL(address));
    return { keys: keySet, issuer };
  };

  return {
    async startSignIn({ createAccount }) {
      const pending = {
        state: openid.randomState(),
        nonce: openid.randomNonce(),
        codeVerifier: openid.randomPKCECodeVerifier(),
      };
      const url = openid.buildAuthorizationUrl(await configuration(), {
        redirect_uri: settings.redirectUri,
        scope: SCOPE,
        state: pending.state,
        nonce: pending.nonce,
        code_challenge: await openid.calculatePKCECodeChallenge(pending.codeVerifier),
        code_challenge_method: 'S256',
        ...(createAccount ? { prompt: 'create' } : {}),
      });
      return { url, pending };
    },

    async finishSignIn(callback, pending) {
      const tokens = await openid.authorizationCodeGrant(await configuration(), callback, {
        expectedState: pending.state,
        expectedNonce: pending.nonce,
        pkceCodeVerifier: pending.codeVerifier,
        idTokenExpected: true,
      });
      return signedIn(tokens, undefined);
    },

    async refresh(before) {
      if (!before.refreshToken) throw new Error('Keyhold gave this app no refresh token.');
      return signedIn(await openid.refreshTokenGrant(await configuration(), before.refreshToken), before);
    },

    async userInfo(current) {
      return openid.fetchUserInfo(await configuration(), current.accessToken, current.subject);
    },

    async signOutUrl(current, state) {
      return openid.buildEndSessionUrl(await configuration(), {
        id_token_hint: current.idToken,
        post_logout_redirect_uri: settings.afterSignOut,
        state,
      });
    },

    async readLogoutToken(token) {
      const { keys, issuer } = await signer();
      return verifyLogoutToken(token, keys, issuer, settings.clientId);
    },

    async readCommandToken(token) {
      const { keys, issuer } = await signer();
      return verifyCommandToken(token, keys, issuer, settings);
    },
  };
}

function discover(settings: Settings): Promise<openid.Configuration> {
  return openid.discovery(settings.issuer, settings.clientId, settings.clientSecret, undefined, {
    // openid-client insists on https, and so should you. Plain http is for trying out on your own machine.
    execute: settings.issuer.protocol === 'http:' ? [openid.allowInsecureRequests] : [],
  });
}

type Tokens = Awaited<ReturnType<typeof openid.authorizationCodeGrant>>;

function signedIn(tokens: Tokens, before: SignedIn | undefined): SignedIn {
  const claims = tokens.claims() ?? before?.idTokenClaims;
  const idToken = tokens.id_token ?? before?.idToken;
  if (!claims || !idToken) throw new Error('Keyhold sent no ID token.');
  const sid = claims.sid;
  return {
    subject: String(claims.sub),
    sid: typeof sid === 'string' ? sid : before?.sid,
    idToken,
    accessToken: tokens.access_token,
    accessTokenExpiresAt: new Date(Date.now() + (tokens.expiresIn() ?? 0) * 1000),
    // A refresh token is used once: keep the one that came with this answer, and never send the old one again.
    refreshToken: tokens.refresh_token ?? before?.refreshToken,
    idTokenClaims: claims,
  };
}

/** Checks a logout token (OpenID Connect Back-Channel Logout 1.0 §2.6) or throws. */
async function verifyLogoutToken(
  token: string,
  keys: ReturnType<typeof createRemoteJWKSet>,
  issuer: string,
  audience: string,
): Promise<LogoutOrder> {
  const { payload } = await jwtVerify(token, keys, {
    issuer,
    audience,
    typ: 'logout+jwt',
    requiredClaims: ['iat', 'jti', 'events'],
    maxTokenAge: '3 minutes',
    clockTolerance: '10 seconds',
  });
  const events = payload.events;
  if (typeof events !== 'object' || events === null || !(LOGOUT_EVENT in events)) {
    throw new Error('This is not a logout token.');
  }
  if ('nonce' in payload) throw new Error('A logout token carries no nonce; this looks like an ID token.');
  const sid = typeof payload.sid === 'string' ? payload.sid : undefined;
  if (!sid && !payload.sub) throw new Error('The logout token names neither a session nor a subject.');
  return { jti: String(payload.jti), subject: payload.sub, sid };
}

/** Checks a command token (OpenID Provider Commands, draft 02) or throws: it is for our address, and for nothing else. */
async function verifyCommandToken(
  token: string,
  keys: ReturnType<typeof createRemoteJWKSet>,
  issuer: string,
  { clientId, commandEndpoint }: Settings,
): Promise<CommandOrder> {
  if (!commandEndpoint) throw new Error('This app is registered without a command_endpoint.');
  const { payload } = await jwtVerify(token, keys, {
    issuer,
    audience: commandEndpoint,
    typ: 'command+jwt',
    requiredClaims: ['sub', 'iat', 'exp', 'jti', 'command', 'tenant'],
    maxTokenAge: '3 minutes',
    clockTolerance: '10 seconds',
  });
  if (payload.client_id !== clientId) throw new Error('This command is for another app.');
  if ('nonce' in payload) throw new Error('A command carries no nonce; this looks like an ID token.');
  return { jti: String(payload.jti), command: String(payload.command), subject: String(payload.sub) };
}
