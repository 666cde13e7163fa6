import type { Configuration } from 'oidc-provider';
import { visitOf } from '../platform/web/surface.js';
import { takeClaims } from './claims-parameter.js';
import { type DeviceStop, type EnginePages, protocolProblem } from './error-page.js';
import { LIFETIMES } from './lifetimes.js';
import { actsForItself, mayIntrospect, mayRevoke } from './token-policy.js';
import { type DataUse, richRequests } from './uses.js';

/** An API that takes access tokens: which scopes it knows and in which form it wants them (RFC 8707, RFC 9068). */
export interface ResourceServer {
  readonly identifier: string;
  readonly scopes: readonly string[];
  readonly accessTokenFormat: 'opaque' | 'jwt';
  readonly signingAlgorithm: 'RS256' | 'ES256' | 'EdDSA';
  /** Only a client that acts for nobody but itself gets a token for it. */
  readonly withoutPeople: boolean;
}

/** What the engine may ask about APIs. */
export type FindResourceServer = (identifier: string) => Promise<ResourceServer | undefined>;

/** Which specifications are on: one line and its number each. */
export function features(
  pages: EnginePages,
  findResourceServer: FindResourceServer,
  invalidTarget: () => Error,
  dataUse: DataUse,
): NonNullable<Configuration['features']> {
  return {
    devInteractions: { enabled: false },
    /* Keys that sign by our own hand: `signing-key.ts`. */
    externalSigningSupport: { enabled: true, ack: 'experimental-01' },
    /* OpenID Connect Core §5.3 */
    userinfo: { enabled: true },
    jwtUserinfo: { enabled: true },
    /* RFC 6749 §4.4 */
    clientCredentials: { enabled: true },
    /* RFC 9126 */
    pushedAuthorizationRequests: { enabled: true },
    /* RFC 9449; a nonce of ours is never asked for: proofs are used once, and live for five minutes. */
    dPoP: { enabled: true },
    /* RFC 8628; its forms are ours (`device-codes.ts`), these are where they lead. */
    deviceFlow: {
      enabled: true,
      charset: 'base-20',
      mask: '****-****',
      deviceInfo: ctx => ({ address: visitOf(ctx).address, agent: ctx.get('User-Agent').slice(0, 200) }),
      userCodeInputSource: async (ctx, _form, out, error) => {
        /* The engine has just put a token for its form into the session: ours needs none there. */
        Object.assign(ctx.oidc.session ?? {}, { state: undefined, touched: false });
        return pages.deviceStopped(ctx, stopOf(error), protocolProblem(ctx, out ?? {}));
      },
      userCodeConfirmSource: async () => {
        throw new Error('this form of the engine is never asked for');
      },
      successSource: ctx => pages.deviceAllowed(ctx),
    },
    /* RFC 7662 */
    introspection: { enabled: true, allowedPolicy: mayIntrospect },
    /* RFC 7009 */
    revocation: { enabled: true, allowedPolicy: mayRevoke },
    /* OpenID Connect RP-Initiated Logout 1.0 */
    rpInitiatedLogout: {
      enabled: true,
      logoutSource: (ctx, form) => pages.signOut(ctx, form),
      postLogoutSuccessSource: ctx => pages.signedOut(ctx),
    },
    /* OpenID Connect Back-Channel Logout 1.0 */
    backchannelLogout: { enabled: true },
    /* OpenID Connect Core §5.5 */
    claimsParameter: { enabled: true, assertClaimsParameter: takeClaims },
    /* RFC 9396 */
    richAuthorizationRequests: richRequests(dataUse),
    /* RFC 8707 and RFC 9068 */
    resourceIndicators: {
      enabled: true,
      defaultResource: async () => undefined as unknown as string,
      useGrantedResource: async () => true,
      getResourceServerInfo: async (_ctx, indicator, client) => {
        const server = await findResourceServer(indicator);
        if (!server || (server.withoutPeople && !actsForItself(client))) throw invalidTarget();
        const jwt = server.accessTokenFormat === 'jwt';
        return {
          scope: server.scopes.filter(scope => registered(client).includes(scope)).join(' '),
          audience: server.identifier,
          accessTokenFormat: server.accessTokenFormat,
          accessTokenTTL: jwt ? LIFETIMES.jwtAccessToken : LIFETIMES.accessToken,
          ...(jwt && { jwt: { sign: { alg: server.signingAlgorithm } } }),
        };
      },
    },
  };
}

function registered(client: { readonly [property: string]: unknown }): readonly string[] {
  return (client['resource_scopes'] as readonly string[] | undefined) ?? [];
}

/* The engine tells apart by class what it shows with the form. */
function stopOf(error: unknown): DeviceStop {
  const name = (error as Error | undefined)?.name;
  if (name === 'AbortedError') return 'denied';
  return name === 'NotFoundError' || name === 'ExpiredError' || name === 'AlreadyUsedError'
    ? 'over'
    : 'failed';
}
