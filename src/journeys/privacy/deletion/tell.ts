import type { Correspondence } from '../../../domain/deletions/deletions.js';
import type { Work } from '../../../platform/storage/work.js';
import { mail } from '../../codes.js';
import type { Telling } from '../../notices/tell.js';
import type { Asked } from '../../page-models.js';

/** What a person is told of the deletion of their account. */
export type DeletionNews = 'asked' | 'asked_dormant' | 'undone' | 'begun' | 'finished';

/** How many of the apps that had to hear of it said what, once it is finished. */
export interface DeletionSums {
  readonly confirmed: number;
  readonly kept: number;
  /** They took it and say no more, will not say, or could not be reached. */
  readonly open: number;
}

/** What a mail about a deletion is given. */
export interface DeletionMail {
  readonly issuerName: string;
  readonly news: { readonly kind: DeletionNews };
  /** The private link. */
  readonly statementUrl?: string;
  /** Until then it can be undone. */
  readonly beginsAt?: Date;
  readonly sums?: DeletionSums;
  /** From where it was asked, or undone. */
  readonly asked?: Asked;
  readonly zone?: string;
}

/** What they are told. */
export interface DeletionTold extends Omit<DeletionMail, 'issuerName' | 'news' | 'statementUrl'> {
  readonly kind: DeletionNews;
  /** Whose messages it belongs to, as long as there are any. */
  readonly accountId?: string;
}

/** Where the private link leads. */
export function statementUrl({ origin }: URL, token: string): string {
  return `${origin}/deletion/${token}`;
}

/** Writes to every address that is kept for this. */
export function tellOfDeletion(
  work: Work,
  telling: Telling,
  { addresses, language, token, zone }: Correspondence,
  { kind, accountId, ...told }: DeletionTold,
): void {
  const model = {
    ...told,
    news: { kind },
    ...(kind !== 'undone' && { statementUrl: statementUrl(telling.issuer, token) }),
    ...(zone !== undefined && { zone }),
  };
  for (const to of addresses) mail(work, telling, 'deletion', { to, language, accountId }, model);
}
