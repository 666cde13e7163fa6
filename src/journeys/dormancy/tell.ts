import { listNoticeEmails } from '../../domain/contacts/contacts.js';
import type { Work } from '../../platform/storage/work.js';
import { mail } from '../codes.js';
import type { Parts } from '../journey.js';

/** What writing to somebody takes of the parts. */
export type Writing = Pick<Parts, 'issuer' | 'keyring' | 'renderer'> & {
  readonly rp: { readonly name: string };
};

/** What the owner of an account that rests is told. */
export type DormancyNews = 'notice' | 'stopped' | 'archived';

/** What a mail about an account that rests is given. */
export interface DormancyMail {
  readonly issuerName: string;
  readonly news: { readonly kind: DormancyNews };
  /** A notice: when it would be put away. */
  readonly archiveAt?: Date;
  readonly accountUrl: string;
}

/** Whom to tell what. */
export interface DormancyTold {
  readonly accountId: string;
  readonly language: string;
  readonly news: DormancyNews;
  readonly archiveAt?: Date;
}

/** Writes to every proven address of an account; nobody did anything, so there is nothing to object to. */
export async function tellOfDormancy(
  work: Work,
  writing: Writing,
  { accountId, language, news, archiveAt }: DormancyTold,
): Promise<void> {
  const model = {
    news: { kind: news },
    accountUrl: `${writing.issuer.origin}/account`,
    ...(archiveAt && { archiveAt }),
  };
  for (const to of await listNoticeEmails(work.tx, accountId)) {
    mail(work, writing, 'dormancy', { to, language, accountId }, model);
  }
}
