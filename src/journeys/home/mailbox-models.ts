/** `/dev/mailbox`: outside production only. */
export interface MailboxPage {
  readonly mails: readonly {
    readonly url: string;
    readonly to: string;
    readonly subject: string;
    readonly at: Date;
  }[];
}

/** One mail of the mailbox. */
export interface MailboxMailPage {
  readonly to: string;
  readonly subject: string;
  readonly sentAt: Date;
  readonly text: string;
  readonly links: readonly string[];
}

/** The pages of the mailbox. */
export interface MailboxPages {
  readonly 'dev/mailbox': MailboxPage;
  readonly 'dev/mail': MailboxMailPage;
}
