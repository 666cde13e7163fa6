import type { Limit } from '../../../domain/protection/protection.js';
import { countHere, networkHere } from '../contacts/limits.js';
import type { Asker } from '../contacts/mine.js';

const HOUR = 3_600;
const NAME = 'profile';
const REFUSED = {
  code: 'too_many_changes',
  message: 'Your profile was changed very often just now. Please wait.',
};

/** Counts what somebody asks of their profile: each of it is told to every mailbox of theirs, and costs us work. */
export function countChange(asker: Pick<Asker, 'ctx' | 'parts' | 'actor' | 'accountId'>): Promise<void> {
  const limits: readonly Limit[] = [
    { name: NAME, per: 'account', subject: asker.accountId, max: 60, window: HOUR },
    { name: NAME, per: 'network', subject: networkHere(asker), max: 600, window: HOUR },
  ];
  return countHere(asker, limits, REFUSED);
}
