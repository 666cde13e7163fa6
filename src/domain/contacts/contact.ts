import { hkdfSync } from 'node:crypto';

/** What a proof of an e-mail address is for; a proof is good for nothing else. */
export type ProofPurpose = 'sign-up' | 'sign-in' | 'recovery';

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

/** An e-mail address of an account. */
export interface EmailAddress {
  readonly address: string;
  readonly verifiedAt: Date | undefined;
  readonly isPrimary: boolean;
  readonly addedAt: Date;
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
