import type { Configuration, KoaContextWithOIDC } from 'oidc-provider';

/** Every lifetime in seconds, in one place. */
export const LIFETIMES = {
  authorizationCode: 60,
  deviceCode: 600,
  accessToken: 600,
  /** A JWT access token cannot be called back, so it is short. */
  jwtAccessToken: 300,
  idToken: 600,
  interaction: 3_600,
  session: 30 * 86_400,
  refreshTokenIdle: 30 * 86_400,
  refreshTokenAbsolute: 365 * 86_400,
} as const;

const seconds = () => Math.floor(Date.now() / 1000);

/* A session lasts thirty days from the sign-in, however often it is used (NIST SP 800-63B-4 §2.1.3). */
function sessionLifetime(_ctx: KoaContextWithOIDC, session: { loginTs?: number | undefined }): number {
  /* Nobody is signed in: it only holds a form together. */
  if (session.loginTs === undefined) return LIFETIMES.interaction;
  return Math.max(1, session.loginTs + LIFETIMES.session - seconds());
}

function refreshLifetime(_ctx: KoaContextWithOIDC, token: { iiat?: number | undefined }): number {
  const left = (token.iiat ?? seconds()) + LIFETIMES.refreshTokenAbsolute - seconds();
  return Math.max(1, Math.min(LIFETIMES.refreshTokenIdle, left));
}

function accessLifetime(
  _ctx: KoaContextWithOIDC,
  token: { resourceServer?: { accessTokenTTL?: number | undefined } | undefined },
): number {
  return token.resourceServer?.accessTokenTTL ?? LIFETIMES.accessToken;
}

/* A grant outlives whatever hangs on it: the session, or with `offline_access` a refresh token of that session's last day. */
function grantLifetime(ctx: KoaContextWithOIDC): number {
  return asksOffline(ctx) ? LIFETIMES.refreshTokenAbsolute + LIFETIMES.session : LIFETIMES.session;
}

const asksOffline = (ctx: KoaContextWithOIDC) => ctx.oidc?.requestParamScopes.has('offline_access') === true;

/** Whether a grant that was made earlier in the session lasts for what this request asks. */
export function lastsFor(
  ctx: KoaContextWithOIDC,
  grant: { iat?: number | undefined; exp?: number | undefined },
): boolean {
  return !asksOffline(ctx) || (grant.exp ?? 0) - (grant.iat ?? 0) > LIFETIMES.refreshTokenAbsolute;
}

/** The engine's `ttl` setting. */
export const ENGINE_LIFETIMES = {
  AuthorizationCode: LIFETIMES.authorizationCode,
  DeviceCode: LIFETIMES.deviceCode,
  AccessToken: accessLifetime,
  ClientCredentials: accessLifetime,
  IdToken: LIFETIMES.idToken,
  Interaction: LIFETIMES.interaction,
  Session: sessionLifetime,
  RefreshToken: refreshLifetime,
  Grant: grantLifetime,
} as unknown as NonNullable<Configuration['ttl']>;
