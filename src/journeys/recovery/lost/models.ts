import type { AccountFrame } from '../../manage/door.js';
import type { AppBadge, Asked, Problem, Step } from '../../page-models.js';

/** What there is to do without the phone. "Continue" posts to `…/lost/continue`, "Back" to `…/lost/back`. */
export interface LostPage extends Step {
  readonly email: string;
  /** How long they would wait. */
  readonly hours: number;
  /** They have a password, which together with a code by mail is enough once they have waited. */
  readonly mayWait: boolean;
  /** A code by mail was right before. */
  readonly mailProved: boolean;
  /** A page, or an e-mail address. */
  readonly support?: { readonly url: string } | { readonly address: string };
}

/** The password beside the code by mail. Posts `password` to `…/lost/password`. */
export interface LostPasswordPage extends Step {
  readonly email: string;
}

/** What was on the phone. Posts `passkey`, each that is ticked, to `…/lost/begin`. */
export interface LostWhatPage extends Step {
  readonly email: string;
  readonly hours: number;
  readonly apps: readonly { readonly name: string; readonly addedAt: Date }[];
  readonly passkeys: readonly {
    readonly id: string;
    readonly name: string;
    readonly addedAt: Date;
    /** It is on other devices as well, so that it may still be at hand. */
    readonly synced: boolean;
  }[];
}

/** It waits; or, after one that was stopped, another one cannot begin yet. */
export interface LostWaitingPage extends Step {
  readonly email: string;
  readonly resting: boolean;
  readonly readyAt: Date;
  readonly expiresAt?: Date;
}

/** Its time has come. Posts `code` and `setup` to `…/lost/app`, or makes a passkey. */
export interface LostNewPage extends Step {
  readonly email: string;
  readonly qr: { readonly size: number; readonly path: string };
  readonly secret: string;
  readonly setup: string;
}

/** Whoever may stop a recovery is asked; posts `how` to `action`. */
export interface StopRecoveryPage {
  readonly app?: AppBadge;
  readonly problems?: readonly Problem[];
  readonly action: string;
  /** It is completed already: all that is left is to freeze the account, which undoes it. */
  readonly completed: boolean;
  readonly readyAt: Date;
  readonly asked: Asked;
  /** They are on their way to sign in: with "It was me" they go on without what is suspended. */
  readonly signingIn: boolean;
}

/** A recovery was stopped, now or before. */
export interface StoppedPage {
  readonly before: boolean;
}

/** `/account/recovery`: one that waits, for whoever is signed in meanwhile. */
export interface AccountRecoveryPage extends AccountFrame {
  readonly done: boolean;
  readonly waiting?: { readonly readyAt: Date; readonly expiresAt: Date; readonly asked: Asked };
}

/** The pages of somebody whose phone is lost. */
export interface LostPages {
  readonly 'recovery/lost': LostPage;
  readonly 'recovery/lost-password': LostPasswordPage;
  readonly 'recovery/lost-what': LostWhatPage;
  readonly 'recovery/lost-waiting': LostWaitingPage;
  readonly 'recovery/lost-new': LostNewPage;
  readonly 'recovery/stop': StopRecoveryPage;
  readonly 'recovery/stopped': StoppedPage;
  readonly 'recovery/stop-ended': object;
  readonly 'account/recovery': AccountRecoveryPage;
}
