import type { AuditState, RecipientState } from '../../../domain/deletions/deletions.js';

/** When something happened; a word under `deletion.*`. */
export interface StatementTime {
  readonly word: 'asked_at' | 'begun_at' | 'removed_at' | 'finished_at' | 'audits_at' | 'audited_at';
  readonly at: Date;
}

/** An app, and what it answered. */
export interface StatementRecipient {
  /** Undefined for one that is gone. */
  readonly name?: string;
  readonly claims: readonly string[];
  readonly state: RecipientState;
  /** In the words of the app, or of an operator. */
  readonly note?: string;
  readonly at?: Date;
  readonly audit?: AuditState;
  readonly auditedAt?: Date;
}

/** `/deletion/:token`: how far a deletion is, for whoever has its private link. */
export type StatementPage =
  | {
      readonly state: 'waiting';
      readonly beginsAt: Date;
      readonly keepUrl: string;
    }
  | { readonly state: 'kept' }
  | {
      readonly state: 'under_way' | 'finished';
      readonly restored: boolean;
      readonly times: readonly StatementTime[];
      readonly recipients: readonly StatementRecipient[];
      readonly olderUrl?: string;
      readonly downloadUrl: string;
    };

/** `/deletion/waiting/:sealed`: whoever signed in is shown that their account is about to go. */
export interface WaitingPage {
  /** Undefined once they keep it. */
  readonly beginsAt?: Date;
  readonly keepUrl: string;
  /** Where their sign-in goes on. */
  readonly onUrl: string;
}

/** The pages about a deletion that nobody is signed in for. */
export interface DeletionPages {
  readonly 'deletion/statement': StatementPage;
  readonly 'deletion/unknown': Readonly<Record<string, never>>;
  readonly 'deletion/waiting': WaitingPage;
}
