import type { ProviderMapping } from '../provider.js';

/** Members by name: a checked ID token's payload, what an API says, or what an operator gives. */
export type Payload = Readonly<Record<string, unknown>>;

/** An address as one payload tells it, and whether that very payload proves that it is the person's. */
export interface ToldAddress {
  readonly address: string;
  readonly verified: boolean;
}

/** Attributes of the profile, each with the claim that it is taken from. */
export type Attributes = ProviderMapping['attributes'];

/** What is particular to one well-known identity provider. */
export interface Preset {
  /** As people know it: the word on the button. */
  readonly name: string;
  /** An asset of ours. */
  readonly logo: string;
  readonly kind: 'openid' | 'oauth2';
  /** Settings of its protocol, below those that an operator gives. */
  readonly settings: Payload;
  /** Within what its subjects are one person each, where that is not its issuer. */
  readonly namespace?: string;
  /** Turns what only this one is told (a tenant, a domain) into settings of its protocol. */
  readonly completes?: (given: Payload) => Payload;
  readonly attributes: Attributes;
  /** Who it is there, for good; undefined when the payload does not say. */
  readonly subjectOf: (payload: Payload) => string | undefined;
  readonly emailOf: (payload: Payload) => ToldAddress | undefined;
  /** The vendor's own pages that this is made after. */
  readonly documented: readonly string[];
}

/** The names of people as OpenID Connect calls them; what was typed here is never overwritten. */
export const NAMES: Attributes = {
  name: { from: 'name', wins: 'until_edited' },
  given_name: { from: 'given_name', wins: 'until_edited' },
  family_name: { from: 'family_name', wins: 'until_edited' },
};

/** A claim that is a text with something in it. */
export function textOf(payload: Payload, claim: string): string | undefined {
  const value = Object.hasOwn(payload, claim) ? payload[claim] : undefined;
  return typeof value === 'string' && value !== '' ? value : undefined;
}

/** The subject of an ID token (OpenID Connect Core §2: 255 ASCII characters at most). */
export function standardSubject(payload: Payload): string | undefined {
  const subject = textOf(payload, 'sub');
  return subject !== undefined && subject.length <= 255 ? subject : undefined;
}

/** The address of a payload, verified by nothing but a JSON `true` beside it: never by the text "true", and never by another payload. */
export function standardEmail(payload: Payload): ToldAddress | undefined {
  const address = textOf(payload, 'email');
  return address === undefined ? undefined : { address, verified: payload['email_verified'] === true };
}
