import type { Account } from 'oidc-provider';
import type { AccountSnapshot } from './request-scope.js';
import { requestScope } from './request-scope.js';

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
  const profile = { ...snapshot.profile };
  return {
    ...profile,
    locale: profile['locale'] ?? snapshot.language,
    updated_at: snapshot.updated_at,
    ...(snapshot.email && { email: snapshot.email.address, email_verified: snapshot.email.verified }),
    sub: snapshot.account_id,
  };
}

/** The engine's `findAccount`: only an account that may act is found, at every step of every flow. */
export async function findAccount(_ctx: unknown, id: string): Promise<Account | undefined> {
  const snapshot = await requestScope().account(id);
  if (snapshot?.state !== 'active') return undefined;
  return { accountId: id, claims: async () => claimsOf(snapshot) };
}
