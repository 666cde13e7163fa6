import type { StrengthDemand } from '../../oidc/strength.js';
import type { Step } from '../page-models.js';
import type { AppSetup } from './app-setup.js';

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

/** Which second factor to set up, and why: "app" posts to `…/second-factor/app`, "not now" to `…/second-factor/skip`. */
export interface ChoosePage extends Step {
  readonly email: string;
  readonly because: StrengthDemand['because'];
  /** An authenticator app is enough as well. */
  readonly appEnough: boolean;
}

/** Posts `code` and `setup` to `…/second-factor/app/code`. */
export interface SetUpAppPage extends Step, AppSetup {
  readonly because: StrengthDemand['because'];
}

/** A passkey is there and is asked for; a recovery code may stand in: posts `code` and `by` to `…/second-step`. */
export interface UsePasskeyPage extends Step {
  readonly email: string;
  readonly because: StrengthDemand['because'];
  readonly codeEnough: boolean;
}

/** The recovery codes of whoever set up a second factor, or a new phone in place of a lost one, once. "Continue" posts to `…/recovery-codes/kept`. */
export interface NewCodesPage extends Step {
  readonly codes: readonly string[];
  readonly newPhone: boolean;
}

/** The pages of this journey. */
export interface SecondStepPages {
  readonly 'second-step/code': SecondStepPage;
  readonly 'second-step/new-code': NewCodePage;
  readonly 'second-step/choose': ChoosePage;
  readonly 'second-step/new-app': SetUpAppPage;
  readonly 'second-step/use-passkey': UsePasskeyPage;
  readonly 'second-step/new-codes': NewCodesPage;
}
