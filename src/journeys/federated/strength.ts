import { type Arrived, strengthThere } from '../../domain/federation/federation.js';

/** What `amr` says of whoever brought an identity: RFC 8176 has no name for it, and this is what other providers say. */
export const BROUGHT = 'fed';

/** How somebody counts who arrived from a provider: as one factor, unless its mapping says that what it sent is more. */
export function strengthOfArrival({ provider, identity }: Arrived) {
  const { acr, amr } = strengthThere(provider, identity);
  return { acr, amr: [BROUGHT, ...amr.filter(each => each !== BROUGHT)] } as const;
}
