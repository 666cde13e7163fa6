import type { HindranceWord } from '../../merging/hindrances.js';
import type { AccountFrame } from '../door.js';
import type { ShownValue } from '../profile/models.js';

/** A word under `merge_done.*`: what the page says came of it. */
export type MergeDone = 'merged' | 'undone' | 'same' | 'over' | 'gone';

/** `/account/merge`: posts to itself to sign in to the other account; undoing posts to `/account/merge/undo`. */
export interface MergePage extends AccountFrame {
  readonly done?: MergeDone;
  /** What was brought together and can still be undone. */
  readonly open?: { readonly at: Date; readonly until: Date };
}

/** One of the two accounts, as its person knows it. */
export interface ShownSide {
  readonly email: string;
  readonly since: Date;
}

/** A value that differs: the one that stays unless the other one is chosen. */
export interface MergeValue {
  /** Its field is `value-<name>`: `here` or `there`. */
  readonly name: string;
  readonly label: string;
  readonly here: ShownValue | undefined;
  readonly there: ShownValue;
  /** Names of apps that would be told of it. */
  readonly tells: readonly string[];
  readonly chosen: 'here' | 'there';
}

/** `/account/merge/:pair`: what becomes of what; posts to itself with what was chosen. */
export interface MergeReviewPage extends AccountFrame {
  readonly action: string;
  readonly stays: ShownSide;
  readonly goes: ShownSide;
  /** The same the other way round. */
  readonly otherUrl: string;
  /** Which of the two stays: sent along. */
  readonly keep: 'mine' | 'other';
  readonly hindrances: readonly { readonly word: HindranceWord; readonly email: string }[];
  readonly contacts: readonly string[];
  readonly values: readonly MergeValue[];
  readonly passkeys: readonly string[];
  /** Names of providers. */
  readonly links: readonly string[];
  readonly ends: { readonly password: boolean; readonly secondStep: boolean };
  /** Names of apps. */
  readonly narrower: readonly string[];
  readonly same: readonly string[];
  readonly lost: readonly string[];
  readonly seeing: readonly string[];
  readonly days: number;
}

/** The pages of this topic. */
export interface MergePages {
  readonly 'account/merge': MergePage;
  readonly 'account/merge-review': MergeReviewPage;
}
