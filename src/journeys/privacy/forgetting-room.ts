import type { Work } from '../../platform/storage/work.js';

/** Whose rows are removed. */
export interface Forgotten {
  readonly accountId: string;
  /** Where their mail went. */
  readonly addresses: readonly string[];
}

/** A room, and how it forgets somebody: `most` rows at a time; fewer than that were the last. One that says 0 did it in one go. */
export interface ForgettingRoom {
  readonly room: string;
  forget(work: Work, whom: Forgotten, most: number): Promise<number>;
}
