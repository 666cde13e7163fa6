import {
  type FederatedLink,
  type IdentityProvider,
  type LinkSaid,
  listLinksWithSaid,
} from '../../../domain/federation/federation.js';
import {
  type KeptValue,
  keptAttributes,
  type ProfileSchema,
  purposeOf,
} from '../../../domain/profiles/profiles.js';
import { sayIn } from '../../../domain/purposes/purposes.js';
import type { Parts } from '../../journey.js';
import type { SentClaim, ShownLink, TakenValue } from './models.js';

/** A link with what its provider said last, and the provider while it may be used. */
export interface MyLink extends FederatedLink {
  readonly said: LinkSaid | undefined;
  readonly provider: IdentityProvider | undefined;
}

/** The accounts elsewhere that are tied to one's own, oldest first; providers from memory. */
export async function myLinks(
  { db, keyring, federation }: Pick<Parts, 'db' | 'keyring' | 'federation'>,
  accountId: string,
): Promise<readonly MyLink[]> {
  const [links, providers] = await Promise.all([
    listLinksWithSaid(db, keyring, accountId),
    federation.enabled(),
  ]);
  return links.map(link => ({ ...link, provider: providers.find(({ id }) => id === link.providerId) }));
}

/** One of them as its owner sees it. */
export function shownLink({
  id,
  providerId,
  provider,
  said,
  cameBy,
  linkedAt,
  lastUsedAt,
}: MyLink): ShownLink {
  return {
    id,
    provider: provider?.name ?? providerId,
    ...(said?.email && { email: said.email.address }),
    cameBy,
    since: linkedAt,
    ...(lastUsedAt && { usedAt: lastUsedAt }),
    off: provider === undefined,
  };
}

/** What came with the latest sign-in, member by member. */
export function sentOf({ said }: MyLink): readonly SentClaim[] | undefined {
  if (!said) return undefined;
  const { email, claims } = said;
  const address = email && claims['email'] === undefined ? { email: email.address } : {};
  return Object.entries({ ...address, ...claims }).map(([name, value]) => ({
    name,
    value: typeof value === 'string' ? value : JSON.stringify(value),
  }));
}

/** Which values of the profile came from a provider, and what each is held for. */
export function takenFrom(
  profile: ProfileSchema,
  values: ReadonlyMap<string, Pick<KeptValue, 'source'>>,
  providerId: string,
  language: string,
): readonly TakenValue[] {
  return keptAttributes(profile)
    .filter(({ name }) => values.get(name)?.source === `provider:${providerId}`)
    .map(attribute => ({
      label: sayIn(attribute.label, language),
      purpose: sayIn(purposeOf(profile, attribute).name, language),
    }));
}
