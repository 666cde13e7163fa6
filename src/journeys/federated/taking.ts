import type { Arrived, FederatedLink } from '../../domain/federation/federation.js';
import { keptAttributes, readValue, takeProvided, valueInWords } from '../../domain/profiles/profiles.js';
import { sayIn } from '../../domain/purposes/purposes.js';
import type { Work } from '../../platform/storage/work.js';
import type { Parts } from '../journey.js';
import { tellOfChanges } from '../manage/profile/tell.js';
import type { Doing } from '../notices/tell.js';
import type { TakenOver } from './models.js';

/** What a provider sent that its mapping has a place for, by attribute of the profile. */
function mappedOf({ provider, identity }: Arrived) {
  return Object.entries(provider.mapping.attributes).flatMap(([attribute, { from, wins }]) => {
    const value = Object.hasOwn(identity.claims, from) ? identity.claims[from] : undefined;
    return value === undefined || value === null ? [] : [{ attribute, value, wins }];
  });
}

/**
 * Takes what a provider sent into the profile of whoever signs in with it, by the rule of each attribute who wins, and tells
 * them and the apps that know it what is another now. Gives what it has sent, to be kept with the link.
 */
export async function takeMapped(
  work: Work,
  doing: Doing,
  arrived: Arrived,
  whose: Pick<FederatedLink, 'accountId' | 'given'> & { readonly agreed?: boolean },
): Promise<FederatedLink['given']> {
  const { profile, keyring } = doing.parts;
  const values = mappedOf(arrived);
  if (values.length === 0) return whose.given;
  const provided = { ...whose, provider: arrived.provider.id, values };
  const { changes, given } = await takeProvided(work, { schema: profile, keyring }, provided);
  /* What they have just been shown is no news to them. */
  if (!whose.agreed) await tellOfChanges(work, doing, whose.accountId, changes);
  return given;
}

/** What cannot be taken of it into any profile as it is declared now: there is no such attribute, or what came is no value of it. */
export function leftOutOf(
  { profile }: Pick<Parts, 'profile'>,
  arrived: Arrived,
): ReadonlyMap<string, 'unknown' | 'unreadable'> {
  const left = new Map<string, 'unknown' | 'unreadable'>();
  for (const { attribute: name, value } of mappedOf(arrived)) {
    const attribute = keptAttributes(profile).find(each => each.name === name);
    if (!attribute) left.set(name, 'unknown');
    else if ('problem' in readValue(attribute, value, new Date())) left.set(name, 'unreadable');
  }
  return left;
}

/** The same as somebody is shown it who opens an account by it; what cannot be taken is not shown. */
export function shownOf(
  { profile }: Pick<Parts, 'profile'>,
  arrived: Arrived,
  language: string,
): readonly TakenOver[] {
  return mappedOf(arrived).flatMap(({ attribute: name, value }) => {
    const attribute = keptAttributes(profile).find(each => each.name === name && name !== 'name');
    const read = attribute && readValue(attribute, value, new Date());
    if (!attribute || !read || !('value' in read) || read.value === undefined) return [];
    return [
      { label: sayIn(attribute.label, language), value: valueInWords(attribute, read.value, language) },
    ];
  });
}
