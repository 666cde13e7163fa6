import { type Limit, PROTECTION_FACTS } from '../../../domain/protection/protection.js';
import { networkOf } from '../../../platform/addresses.js';
import { Refusal } from '../../../platform/errors.js';
import { openWork } from '../../../platform/storage/work.js';
import { visitOf } from '../../../platform/web/surface.js';
import { CODES, MAILS } from '../../limits.js';
import type { Asker } from './mine.js';

/** The network that asks. */
export function networkHere({ ctx }: Pick<Asker, 'ctx'>): string {
  return networkOf(visitOf(ctx).address);
}

/** Counts, or refuses; the first refusal of a window is a fact. */
export async function countHere(
  { parts, actor, accountId }: Pick<Asker, 'parts' | 'actor' | 'accountId'>,
  limits: readonly Limit[],
  { code, message }: { readonly code: string; readonly message: string },
): Promise<void> {
  const verdict = await parts.protection.count(limits);
  if (verdict.allowed) return;
  const { reached } = verdict;
  if (reached) {
    await openWork(parts.db, actor, async work =>
      work.record({
        type: PROTECTION_FACTS[0],
        accountId,
        detail: { limit: reached.name, per: reached.per },
      }),
    );
  }
  throw new Refusal('limited', code, message, { retryAfter: verdict.retryAfter });
}

/** Counts a mail to an address, with all the mails that it and the network get in other ways. */
export function countMail(asker: Asker, email: string): Promise<void> {
  const { name, address, account, network, window } = MAILS;
  const limit = (per: string, subject: string, max = 0): Limit => ({ name, per, subject, max, window });
  const limits = [
    limit('identifier', email, address),
    limit('account', asker.accountId, account),
    limit('network', networkHere(asker), network),
  ];
  return countHere(asker, limits, MAILS);
}

/** Counts a try of a code, with all the tries of codes of the account. */
export function countCode(asker: Asker): Promise<void> {
  const { name, account, network, window } = CODES;
  const limit = (per: string, subject: string, max = 0): Limit => ({ name, per, subject, max, window });
  const limits = [limit('account', asker.accountId, account), limit('network', networkHere(asker), network)];
  return countHere(asker, limits, CODES);
}
