import { derivedClaims, sourceOf } from '../../../domain/profiles/profiles.js';
import { type Purpose, sayIn } from '../../../domain/purposes/purposes.js';
import type { Parts } from '../../journey.js';
import type { Left } from './listing.js';

/** In whose words something is told. */
export interface Speaking {
  readonly language: string;
  say(key: string): string;
}

/** What an app may be told of an account beside attributes, as it is put to a person. */
export const TOPICS = [
  'apps',
  'contact_changes',
  'contacts',
  'deletion',
  'devices',
  'disclosures',
  'exports',
  'history',
  'linked',
  'messages',
  'move',
  'overview',
  'preferences',
  'profile_changes',
  'receipts',
  'recovery',
  'rights',
  'sign_in_methods',
] as const;

/** What a claim is called by people. */
export function labelOf(
  { profile }: Pick<Parts, 'profile'>,
  { language, say }: Speaking,
): (claim: string) => string {
  const labels = new Map(profile.attributes.map(({ name, label }) => [name, sayIn(label, language)]));
  return claim => {
    if (claim === 'sub') return say('disclosures.sub');
    const topic = /^account:(.+)$/.exec(claim)?.[1]?.replaceAll('-', '_');
    const derived = derivedClaims(profile).find(({ name }) => name === claim);
    if (derived) return say(`disclosures.derived.${derived.name}`);
    if (topic === undefined) return labels.get(claim) ?? claim;
    const known = TOPICS.find(one => one === topic) ?? 'other';
    return say(`disclosures.topic.${known}`);
  };
}

/** Claims in the order in which they are declared; what is about none of them comes last. */
export function inOrder({
  profile,
}: Pick<Parts, 'profile'>): <Named extends { readonly claim: string }>(
  claims: readonly Named[],
) => readonly Named[] {
  const places = new Map(profile.attributes.map(({ name }, at) => [name, at]));
  const placeOf = ({ claim }: { readonly claim: string }) =>
    places.get(sourceOf(profile, claim)) ?? places.size;
  return claims => [...claims].sort((a, b) => placeOf(a) - placeOf(b));
}

/** Why something was told: a word under `disclosures.reason.*`. */
export type Reason = 'agreed' | 'signed_in' | Purpose['basis'];

/** Why something was told. An app of the organisation itself asks nobody: what the value is held for allows it then. */
export function reasonOf({ profile }: Pick<Parts, 'profile'>, { consentId, claims }: Left): Reason {
  if (consentId !== undefined) return 'agreed';
  const purpose = claims.flatMap(({ purpose: id }) => profile.purposes.filter(one => one.id === id))[0];
  return purpose?.basis ?? 'signed_in';
}

/** What a purpose is called by people; undefined for one that is declared no more. */
export function purposeNamed(
  { profile }: Pick<Parts, 'profile'>,
  id: string | undefined,
  language: string,
): string | undefined {
  const purpose = profile.purposes.find(one => one.id === id);
  return purpose && sayIn(purpose.name, language);
}
