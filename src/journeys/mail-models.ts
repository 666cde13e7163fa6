import type { MessageKind } from '../domain/messages/messages.js';
import type { DormancyMail } from './dormancy/tell.js';
import type { TopicMail } from './messages/models.js';
import type { NewsKind, NewsValues } from './notices/kinds.js';
import type { Asked } from './page-models.js';
import type { DeletionMail } from './privacy/deletion/tell.js';

/** What each mail is given, besides its language and the issuer's name. */
export interface MailModels {
  readonly 'sign-up-code': {
    readonly issuerName: string;
    readonly code: string;
    readonly url: string;
    readonly minutes: number;
    readonly asked: Asked;
  };
  readonly 'sign-in-code': {
    readonly issuerName: string;
    readonly code: string;
    readonly minutes: number;
    readonly asked: Asked;
  };
  readonly 'account-exists': {
    readonly issuerName: string;
    readonly signInUrl: string;
    readonly asked: Asked;
  };
  readonly 'recovery-code': {
    readonly issuerName: string;
    readonly code: string;
    readonly minutes: number;
    readonly asked: Asked;
  };
  readonly 'add-email-code': {
    readonly issuerName: string;
    readonly code: string;
    readonly minutes: number;
    readonly asked: Asked;
  };
  /** To whoever has an address that somebody else wants to add. */
  readonly 'address-held': {
    readonly issuerName: string;
    readonly asked: Asked;
  };
  /** What was done about an account, of whatever kind. */
  readonly notice: {
    readonly issuerName: string;
    readonly news: { readonly kind: NewsKind; readonly values: NewsValues };
    /** "This wasn't me", in the mailbox of whoever gets it. */
    readonly objectUrl?: string;
    /** Undoes just that. */
    readonly undoUrl?: string;
    /** Stops a recovery that waits. */
    readonly stopUrl?: string;
    /** Until when something waits. */
    readonly until?: Date;
    /** What an objection is for lies further back. */
    readonly earlier?: boolean;
    readonly asked: Asked;
    /** The time zone of its reader, as IANA names it. */
    readonly zone?: string;
  };
  readonly topic: TopicMail;
  readonly dormancy: DormancyMail;
  readonly deletion: DeletionMail;
}

/** Why each mail goes out. */
export const MAIL_KINDS: Readonly<Record<keyof MailModels, MessageKind>> = {
  'sign-up-code': 'code',
  'sign-in-code': 'code',
  'recovery-code': 'code',
  'add-email-code': 'code',
  'account-exists': 'security',
  'address-held': 'security',
  notice: 'security',
  topic: 'topic',
  dormancy: 'account',
  deletion: 'account',
};
