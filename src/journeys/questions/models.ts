import type { ChangeField, ShownBlock } from '../manage/profile/models.js';
import type { Ask, Step, ToldPurpose } from '../page-models.js';

/**
 * One thing that is asked for on the way to an app. Posts `question` and its fields to `…/question`; "Skip" posts `question` to
 * `…/question/skip`; "Not now" posts to `…/deny`.
 */
export interface QuestionPage extends Step {
  /** Which of them it is: an answer to another one is not taken. */
  readonly question: string;
  readonly label: string;
  readonly hint?: string;
  readonly fields: readonly ChangeField[];
  /** The app cannot do without. */
  readonly required: boolean;
  /** Of an address each part can be left out. */
  readonly partly: boolean;
  readonly purpose: ToldPurpose & { readonly more?: string };
  /** What the app may do with it. */
  readonly asks: readonly Ask[];
  /** It learns only what is derived. */
  readonly derived: boolean;
  /** Other apps that are let have it already. */
  readonly already: readonly string[];
  readonly nr: number;
  readonly total: number;
  /** Why nothing can be given now. */
  readonly blocked?: ShownBlock;
}

/** The pages of this journey. */
export interface QuestionPages {
  readonly question: QuestionPage;
}
