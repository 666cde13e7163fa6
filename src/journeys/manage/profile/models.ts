import type { Problem } from '../../page-models.js';
import type { AccountFrame } from '../door.js';

/** A sentence under `problem.*`: why a form of this topic came back. */
export type ProfileProblem =
  | 'value_missing'
  | 'value_too_long'
  | 'value_not_like_that'
  | 'value_no_number'
  | 'value_too_small'
  | 'value_too_large'
  | 'value_no_date'
  | 'value_not_past'
  | 'value_no_choice'
  | 'value_no_url'
  | 'value_no_zone'
  | 'value_no_address'
  | 'wish_missing'
  | 'wish_too_long'
  | 'wish_repeated'
  | 'picture_missing'
  | 'picture_too_large'
  | 'picture_too_wide'
  | 'picture_unreadable';

/** A value in the words of whoever reads it; of an address its lines, of a picture its address. */
export interface ShownValue {
  readonly lines: readonly string[];
  readonly picture?: string;
}

/** Why something cannot be changed now; `from` where time alone solves it. */
export interface ShownBlock {
  readonly why: 'waiting' | 'step_up' | 'too_often' | 'too_soon';
  readonly from?: Date;
}

/** How something may be changed, for the words under `profile.limit_*`. */
export interface ShownLimits {
  readonly times?: { readonly count: number; readonly within: Span };
  readonly coolDown?: Span;
  readonly stepUp: boolean;
  readonly approval: boolean;
  readonly effectiveAfter?: Span;
  readonly undoWithin?: Span;
}

/** A length of time, for the words under `profile.span_*`. */
export interface Span {
  readonly unit: 'minute' | 'hour' | 'day';
  readonly count: number;
}

/** One attribute as the profile page shows it. */
export interface ShownEntry {
  readonly name: string;
  readonly label: string;
  readonly value?: ShownValue;
  readonly since?: Date;
  readonly source?: 'person' | 'operator' | 'import' | 'imported' | 'provider';
  /** The provider that sent it. */
  readonly sentBy?: string;
  /** Absent: as long as the account exists. */
  readonly until?: Date;
  readonly purpose: string;
  readonly why: string;
  readonly basis: string;
  readonly toApps: boolean;
  readonly apps: readonly string[];
  readonly required: boolean;
  /** They were asked for it on their way to an app, which may be gone, and left it out. */
  readonly skipped?: { readonly app?: string; readonly at: Date };
  readonly changeUrl?: string;
  readonly correctUrl: string;
  /** Where its person takes back that it be kept for its purpose, where that rests on their consent. */
  readonly endUrl?: string;
  readonly blocked?: ShownBlock;
  readonly open?: {
    readonly id: string;
    readonly state: 'waiting' | 'scheduled';
    readonly value?: ShownValue;
    readonly at?: Date;
  };
  readonly undoable: readonly {
    readonly id: string;
    readonly before?: ShownValue;
    readonly at: Date;
    readonly until: Date;
  }[];
  readonly refused?: { readonly at: Date; readonly reason: string };
  readonly correction?: {
    readonly id: string;
    readonly state: 'open' | 'done' | 'refused';
    readonly wish: string;
    readonly answer?: string;
    readonly at: Date;
  };
}

/** What a form before has led here with: a word under `profile.done_*`. */
export type ProfileDone =
  | 'changed'
  | 'unchanged'
  | 'waiting'
  | 'scheduled'
  | 'undone'
  | 'withdrawn'
  | 'over'
  | 'asked'
  | 'taken_back'
  | 'ended';

/** `/account/profile`: what is known, and beside each value why, since when, from where, until when and who may have it. */
export interface ProfilePage extends AccountFrame {
  readonly held: readonly ShownEntry[];
  /** What could be added. */
  readonly empty: readonly ShownEntry[];
  readonly done?: ProfileDone;
}

/** One thing that can be chosen. */
export interface Choice {
  readonly value: string;
  readonly label: string;
  readonly chosen: boolean;
}

/** One field of the form. */
export interface ChangeField {
  readonly name: string;
  readonly label: string;
  readonly value: string;
  readonly autocomplete: string;
  readonly kind: 'text' | 'url' | 'date' | 'number' | 'choice';
  readonly choices?: readonly Choice[];
  readonly maxlength?: number;
}

/** Posts its fields to `action`. */
export interface ChangeProfilePage extends AccountFrame {
  readonly entry: ShownEntry;
  readonly action: string;
  readonly hint?: string;
  readonly fields: readonly ChangeField[];
  readonly limits: ShownLimits;
  readonly blocked?: ShownBlock;
  readonly problems?: readonly Problem[];
}

/** Posts `wish` to its own address. */
export interface CorrectionPage extends AccountFrame {
  readonly entry: ShownEntry;
  readonly wish: string;
  readonly longest: number;
  readonly problems?: readonly Problem[];
}

/** The link of a notice: what can be undone, or that nothing can. Posts to `…/undo`. */
export interface UndoChangePage extends AccountFrame {
  readonly entry?: ShownEntry;
  readonly change?: ShownEntry['undoable'][number];
}

/** What goes with a purpose that is taken back. Posts to its own address. */
export interface EndPurposePage extends AccountFrame {
  readonly purpose: string;
  readonly why: string;
  readonly action: string;
  /** What is held for it, by its labels. */
  readonly held: readonly string[];
}

/** Posts `picture` to its own address as a file, and `remove` to `…/remove`. */
export interface PicturePage extends AccountFrame {
  readonly entry: ShownEntry;
  readonly action: string;
  readonly limits: ShownLimits;
  readonly megabytes: number;
  readonly blocked?: ShownBlock;
  readonly problems?: readonly Problem[];
}

/** The pages of this topic. */
export interface ProfilePages {
  readonly 'account/profile': ProfilePage;
  readonly 'account/profile-change': ChangeProfilePage;
  readonly 'account/profile-correction': CorrectionPage;
  readonly 'account/profile-undo': UndoChangePage;
  readonly 'account/profile-picture': PicturePage;
  readonly 'account/profile-end': EndPurposePage;
}
