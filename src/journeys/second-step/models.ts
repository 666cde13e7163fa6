import type { Step } from '../page-models.js';

/** Posts `code`, `by` and `remember=yes` to `…/second-step`. */
export interface SecondStepPage extends Step {
  readonly email: string;
  /** A code of an app, or one that was written down. */
  readonly by: 'app' | 'recovery';
  /** The same page for the other one. */
  readonly otherUrl: string;
  readonly mayRemember: boolean;
}

/** The code that took the place of a used one, once. "Continue" posts to `…/second-step/kept`. */
export interface NewCodePage extends Step {
  readonly code: string;
}

/** The pages of this journey. */
export interface SecondStepPages {
  readonly 'second-step/code': SecondStepPage;
  readonly 'second-step/new-code': NewCodePage;
}
