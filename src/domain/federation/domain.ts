import { createHash } from 'node:crypto';
import { normaliseEmail } from '../accounts/accounts.js';

/** pending: its record was not found yet · verified: addresses of it belong to the provider · lapsed: its record was missing for too long. */
export type DomainState = 'pending' | 'verified' | 'lapsed';

/** A domain of e-mail addresses that an operator says is a provider's. */
export interface FederatedDomain {
  readonly domain: string;
  readonly providerId: string;
  readonly state: DomainState;
  /** Whoever has an address of it signs in by the provider, and in no other way. */
  readonly required: boolean;
  /** Whoever has one of these roles may all the same. */
  readonly exceptRoles: readonly string[];
  readonly addedAt: Date;
  readonly verifiedAt: Date | undefined;
  /** When its record was found last. */
  readonly seenAt: Date | undefined;
  readonly checkedAt: Date | undefined;
}

/** Where addresses of a domain lead, as long as that is so. */
export interface Realm {
  readonly domain: string;
  readonly providerId: string;
  readonly required: boolean;
  readonly exceptRoles: readonly string[];
}

/** So many days a record may be missing until the claim lapses. */
export const GRACE_DAYS = 7;

/** The domain of an address that was normalised. */
export function domainOf(email: string): string {
  return email.slice(email.lastIndexOf('@') + 1);
}

/** A domain as an operator typed it, in the one form that addresses have here; undefined when it is none. */
export function readDomain(typed: string): string | undefined {
  const address = normaliseEmail(`somebody@${typed.trim().replace(/\.$/, '')}`);
  const domain = address && domainOf(address);
  /* RFC 1035 §2.3.4, with room for the label that the record stands under. */
  return domain && domain.length <= 230 && domain.split('.').every(label => label.length <= 63)
    ? domain
    : undefined;
}

/** A record in the DNS that shows whose a domain is. */
export interface DomainRecord {
  readonly name: string;
  readonly type: 'TXT';
  readonly value: string;
}

/** The record that claims a domain for one provider of one issuer, and for no other. */
export function recordOf(
  issuer: URL,
  { domain, providerId, nonce }: Pick<FederatedDomain, 'domain' | 'providerId'> & { readonly nonce: string },
): DomainRecord {
  const bound = JSON.stringify([issuer.origin, providerId, domain, nonce]);
  const token = createHash('sha256').update(bound).digest('base64url');
  return { name: `_keyhold.${domain}`, type: 'TXT', value: `keyhold-domain=${token}` };
}

/** Whether somebody with these roles must sign in by the provider of the domain. */
export function mustUse(
  { required, exceptRoles }: Pick<Realm, 'required' | 'exceptRoles'>,
  roles: readonly string[],
): boolean {
  return required && !roles.some(role => exceptRoles.includes(role));
}

/** Whether a record that was seen last at that time has been missing for too long. */
export function hasLapsed(seenAt: Date, now: Date): boolean {
  return now.getTime() - seenAt.getTime() > GRACE_DAYS * 86_400_000;
}
