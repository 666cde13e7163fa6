import { type Arrived, strengthThere } from '../../domain/federation/federation.js';
import { FRESH_SECONDS } from '../../oidc/strength.js';

/** What `amr` says of whoever brought an identity: RFC 8176 has no name for it, and this is what other providers say. */
export const BROUGHT = 'fed';

/* By how much its clock may be wrong, and how long somebody is on their way back. */
const JUST_NOW = 60_000;

/**
 * Since when whoever arrived counts as signed in: a session that they had there is no fresh sign-in (C16). Where the provider does
 * not say that it asked them just now, sensitive acts take more.
 */
export function signedInSince({ identity: { authenticatedAt } }: Arrived, cameAt: Date): Date {
  const stale = cameAt.getTime() - (FRESH_SECONDS + 1) * 1_000;
  /* What is no time is none that counts. */
  const told = authenticatedAt?.getTime() || 0;
  return told >= cameAt.getTime() - JUST_NOW ? cameAt : new Date(Math.max(told, stale));
}

/** How somebody counts who arrived from a provider: as one factor, unless its mapping says that what it sent is more. */
export function strengthOfArrival({ provider, identity }: Arrived) {
  const { acr, amr } = strengthThere(provider, identity);
  return { acr, amr: [BROUGHT, ...amr.filter(each => each !== BROUGHT)] } as const;
}
