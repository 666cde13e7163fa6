import type { Asked, Problem } from '../page-models.js';

/** Why a phone cannot go on: a sentence under `move_ended.*` in the locales. */
export type MoveEndedWord =
  | 'none'
  | 'used'
  | 'expired'
  | 'refused'
  | 'cancelled'
  | 'account'
  | 'signed_out'
  | 'finished';

/** The link of a code that was scanned; looking uses nothing up. "Continue on this phone" posts to the page's own address. */
export interface MoveOpenPage {
  readonly secret: string;
  /** Whose account it is, masked: whoever only photographed the code learns no more. */
  readonly whose: string;
  readonly asked: Asked;
}

/** The new phone waits for the old one, and shows the number that the old one asks for. */
export interface MoveNumberPage {
  readonly whose: string;
  readonly number: number;
  /** For a browser without scripts. */
  readonly refresh: number;
}

/** The new phone may add a way to sign in. */
export interface MoveBindPage {
  readonly email: string;
  readonly problems?: readonly Problem[];
  /** Who keeps the passkeys that should have come along already. */
  readonly synced: readonly string[];
  /** There is a password, which the codes of an app go with. */
  readonly mayApp: boolean;
}

/** An authenticator app on the new phone itself: it cannot scan its own screen. */
export interface MoveAppPage {
  readonly email: string;
  readonly problems: readonly Problem[];
  /** `otpauth:…`, made by us: an app takes it over where it is installed. */
  readonly uri: string;
  readonly secret: string;
  readonly setup: string;
  readonly full: boolean;
}

/** Something was added: now it is tried. */
export interface MoveTryPage {
  readonly email: string;
  readonly kind: 'passkey' | 'app' | 'synced';
  /** They signed in, and with something else. */
  readonly otherwise: boolean;
}

/** It works: the new phone is signed in. */
export interface MoveTestedPage {
  readonly email: string;
  readonly kind: 'passkey' | 'app';
}

/** Nothing comes of this link, or of what this browser has begun. */
export interface MoveEndedPage {
  readonly why: MoveEndedWord;
  /** This phone is in the account already. */
  readonly inAccount?: boolean;
}

/** The old phone has retired itself. For its browser, which passkeys still sign in. */
export interface MoveOverPage {
  readonly signal: {
    readonly rpId: string;
    readonly userId: string;
    readonly known: string;
    readonly name: string;
  };
}

/** The pages of the new phone. */
export interface MovePages {
  readonly 'move/open': MoveOpenPage;
  readonly 'move/number': MoveNumberPage;
  readonly 'move/bind': MoveBindPage;
  readonly 'move/app': MoveAppPage;
  readonly 'move/try': MoveTryPage;
  readonly 'move/tested': MoveTestedPage;
  readonly 'move/ended': MoveEndedPage;
  readonly 'move/over': MoveOverPage;
}
