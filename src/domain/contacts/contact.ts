import { hkdfSync } from 'node:crypto';
import { parsePhoneNumberFromString } from 'libphonenumber-js/min';
import { Refusal } from '../../platform/errors.js';

/** What a proof of an address is for; a proof is good for nothing else. */
export type ProofPurpose = 'sign-up' | 'sign-in' | 'recovery' | 'add-email' | 'add-phone';

/** A started proof stays open for this long, by the database's clock. */
export const PROOF_MINUTES = 10;
/** As many wrong codes end a proof. */
export const PROOF_TRIES = 5;

/** Why a proof cannot be used any more; `none` when there is none for this browser and purpose. */
export type ProofEnd = 'expired' | 'too-many' | 'used' | 'denied' | 'replaced' | 'account-changed' | 'none';

/** What became of an attempt to prove. */
export type ProofOutcome =
  | {
      readonly outcome: 'proved';
      readonly id: string;
      readonly address: string;
      readonly accountId: string | undefined;
    }
  | { readonly outcome: 'wrong'; readonly triesLeft: number }
  | { readonly outcome: 'ended'; readonly reason: ProofEnd };

/** What may be said to whoever opens a mailed link. */
export interface LinkedProof {
  readonly id: string;
  readonly purpose: ProofPurpose;
  /** The pending request of the browser that began. */
  readonly binding: string;
  readonly address: string;
  readonly askedFrom: string;
  readonly askedAt: Date;
  /** What to type in the browser that began. */
  readonly code: string;
  readonly state: 'open' | Exclude<ProofEnd, 'none'>;
}

/** By what somebody can be reached. */
export type ContactKind = 'email' | 'phone';

/** An e-mail address or a phone number (E.164) of an account. */
export interface Contact {
  readonly kind: ContactKind;
  readonly address: string;
  readonly verifiedAt: Date | undefined;
  readonly isPrimary: boolean;
  readonly addedAt: Date;
}

/** An e-mail address of an account. */
export type EmailAddress = Omit<Contact, 'kind'>;

/** So many of each kind one account may have. */
export const MOST_CONTACTS: Readonly<Record<ContactKind, number>> = { email: 10, phone: 5 };

/** For so long a change can be undone. */
export const UNDO_DAYS = 7;

/** So many changes can be open to be undone at a time: what undoing looks through is all there is, never a part of it. */
export const MOST_CHANGES = 50;

/** What happened to an address. */
export type ChangeWhat = 'added' | 'primary' | 'removed';

/** A change of how somebody is reached, with how it was before. */
export interface ContactChange {
  readonly id: string;
  readonly accountId: string;
  readonly kind: ContactKind;
  readonly what: ChangeWhat;
  /** The address that was added, became the primary one, or was removed. */
  readonly address: string;
  readonly before: readonly Contact[];
  /** Sealed by whoever made it. */
  readonly askedFrom: Buffer;
  readonly madeAt: Date;
  readonly undoUntil: Date;
  readonly undoneAt: Date | undefined;
}

/** A phone number as it can be kept, and where it is. */
export interface ReadPhone {
  /** E.164. */
  readonly number: string;
  /** ISO 3166-1; undefined where a number belongs to no country. */
  readonly country: string | undefined;
  readonly callingCode: string;
}

const BIDI_MARKS = /[\u200e\u200f\u202a-\u202e\u2066-\u2069]/g;

/** A phone number as typed in international form, in any script's digits, `00` for `+` included; undefined when it is none. */
export function readPhone(typed: string): ReadPhone | undefined {
  const text = typed.normalize('NFKC').replace(BIDI_MARKS, '').trim().replace(/^00/, '+');
  if (!text.startsWith('+') || text.length > 40) return undefined;
  const found = parsePhoneNumberFromString(text, { extract: false });
  if (!found?.isValid() || found.ext) return undefined;
  return { number: found.number, country: found.country, callingCode: found.countryCallingCode };
}

/** The primary address of a kind, if there is one. */
export function primaryOf(contacts: readonly Contact[], kind: ContactKind): Contact | undefined {
  return contacts.find(contact => contact.kind === kind && contact.isPrimary);
}

/**
 * Whose the last word is: the primary address as it was before all that can still be undone, newest first. Whoever takes an
 * account and makes an address of theirs the primary one has no undoing in hand, neither of what its owner did before nor of
 * what they do to take it back.
 */
export function undoerOf(open: readonly ContactChange[], now: readonly Contact[]): string {
  return primaryOf(open.at(-1)?.before ?? now, 'email')?.address ?? '';
}

/** Why an address that is among these cannot be removed; undefined when it can. */
export function keptBecause(contacts: readonly Contact[], removed: Contact): 'last' | undefined {
  if (removed.kind !== 'email' || !removed.verifiedAt) return undefined;
  const others = contacts.filter(
    ({ kind, address, verifiedAt }) => kind === 'email' && verifiedAt && address !== removed.address,
  );
  return others.length === 0 ? 'last' : undefined;
}

/** The last way to be reached stays. */
export function lastAddress(): Refusal {
  const message =
    'This is the last address at which you can be reached. Add and confirm another one first, then remove this one.';
  return new Refusal('conflict', 'last_address', message);
}

/** The 8 digits that belong to a link: derived, so that the link's page can show them and no table holds them. */
export function codeOfLink(linkToken: string): string {
  const bits = Buffer.from(hkdfSync('sha256', linkToken, '', 'keyhold e-mail code', 8)).readBigUInt64BE();
  // 2^64 is 1.8e11 times 10^8, so no digit is likelier than another by more than that.
  return (bits % 100_000_000n).toString().padStart(8, '0');
}

/** A code as typed, without the spaces and dashes people put between its digits. */
export function tidyCode(typed: string): string {
  return typed.normalize('NFKC').replace(/[\s\p{Pd}]/gu, '');
}
