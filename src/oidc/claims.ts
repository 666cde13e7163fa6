import type { Account } from 'oidc-provider';
import { mayAct } from './acting.js';
import { type AccountSnapshot, acting, requestScope } from './request-scope.js';

/** Which claims a scope stands for (OpenID Connect Core §5.4). */
export const SCOPE_CLAIMS = {
  profile: [
    'name',
    'family_name',
    'given_name',
    'middle_name',
    'nickname',
    'preferred_username',
    'profile',
    'picture',
    'website',
    'gender',
    'birthdate',
    'zoneinfo',
    'locale',
    'updated_at',
  ],
  email: ['email', 'email_verified'],
  address: ['address'],
  phone: ['phone_number', 'phone_number_verified'],
} as const;

/** The engine's `claims` setting. */
export const ENGINE_CLAIMS = {
  openid: ['sub', 'acr', 'amr', 'auth_time'],
  iss: null,
  sid: null,
  ...Object.fromEntries(Object.entries(SCOPE_CLAIMS).map(([scope, claims]) => [scope, [...claims]])),
};

/** All that could be told of an account; the engine releases only what was asked and allowed. */
export function claimsOf(snapshot: AccountSnapshot): Record<string, unknown> & { sub: string } {
  const { phone_number: _, ...profile } = { ...snapshot.profile };
  return {
    ...profile,
    locale: profile['locale'] ?? snapshot.language,
    updated_at: snapshot.updated_at,
    ...(snapshot.email && { email: snapshot.email.address, email_verified: snapshot.email.verified }),
    ...(snapshot.phone && { phone_number: snapshot.phone, phone_number_verified: true }),
    sub: snapshot.account_id,
  };
}

interface EngineContext {
  readonly oidc?: {
    readonly session?: { readonly accountId?: string | undefined; readonly loginTs?: number | undefined };
  };
}

interface Held {
  readonly authTime?: unknown;
  readonly sessionUid?: unknown;
}

/** When the person behind a code or token authenticated: it knows so itself, or its session does, which was read along. */
export async function authenticatedAt({ authTime, sessionUid }: Held): Promise<number | undefined> {
  if (typeof authTime === 'number') return authTime;
  if (typeof sessionUid !== 'string') return undefined;
  const loginTs = (await requestScope().sessionByUid(sessionUid))?.['loginTs'];
  return typeof loginTs === 'number' ? loginTs : undefined;
}

interface TokenContext {
  readonly oidc?: { readonly entities?: Readonly<Record<string, Authenticated | undefined>> };
}

interface Authenticated {
  readonly authTime?: number | undefined;
  readonly acr?: string | undefined;
}

/**
 * The engine's `extraTokenClaims`: when and how strongly the person of an access token authenticated for it (RFC 9068
 * §2.2.1, RFC 9470 §6). A refreshed token is as old as the one it began with.
 */
export function tokenClaims(ctx: unknown): Record<string, string | number> | undefined {
  const { RefreshToken, AuthorizationCode, DeviceCode } = (ctx as TokenContext).oidc?.entities ?? {};
  const { authTime, acr } = RefreshToken ?? AuthorizationCode ?? DeviceCode ?? {};
  if (authTime === undefined && acr === undefined) return undefined;
  return { ...(authTime !== undefined && { auth_time: authTime }), ...(acr !== undefined && { acr }) };
}

/**
 * The engine's `findAccount`: only somebody who may act now is found, at every step of every flow; not by a session, a code
 * or a refresh token of an authentication that was ended since.
 */
export async function findAccount(ctx: unknown, id: string, token?: object): Promise<Account | undefined> {
  const snapshot = await requestScope().account(id);
  const session = (ctx as EngineContext | undefined)?.oidc?.session;
  const signedInAt = session?.accountId === id ? session.loginTs : undefined;
  if (
    !snapshot ||
    !mayAct({
      account: acting(snapshot),
      authenticatedAt: (token && (await authenticatedAt(token))) ?? signedInAt,
    })
  )
    return undefined;
  return { accountId: id, claims: async () => claimsOf(snapshot) };
}
