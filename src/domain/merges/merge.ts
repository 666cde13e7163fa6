import { Refusal } from '../../platform/errors.js';

/** So many days a merge can be undone; then the account that went is removed. */
export const UNDO_DAYS = 7;

/** So many accounts can have become part of one. */
export const MOST_MERGES = 10;

/** open: can be undone · ending: what is left of the account that went is being removed · finished · undone */
export type MergeState = 'open' | 'ending' | 'finished' | 'undone';

/** Two accounts of one person that became one. */
export interface Merge {
  readonly id: string;
  /** The account that stays. */
  readonly accountId: string;
  /** The account that went. */
  readonly goneId: string;
  readonly state: MergeState;
  readonly madeAt: Date;
  readonly undoUntil: Date;
  readonly endedAt: Date | undefined;
}

/** One of the two is part of another merge that can still be undone, or became so at this very moment. */
export function mergedLately(cause?: unknown): Refusal {
  const message =
    'One of these accounts was brought together with another one lately. Try again when that is final.';
  return new Refusal('conflict', 'merged_lately', message, { cause });
}
