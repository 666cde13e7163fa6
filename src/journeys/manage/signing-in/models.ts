import type { Problem } from '../../page-models.js';
import type { AccountFrame } from '../door.js';

/** What a form has just led to: a sentence under `ways_done.*` in the locales. */
export const DONE = [
  'password_set',
  'password_changed',
  'password_removed',
  'passkey_added',
  'passkey_renamed',
  'passkey_removed',
  'app_added',
  'app_renamed',
  'app_removed',
  'second_step_ended',
] as const;

/** One passkey, as its owner sees it. */
export interface ShownPasskey {
  readonly url: string;
  readonly name: string;
  /** Who keeps it, where that is known and not its name already. */
  readonly provider?: string;
  readonly addedAt: Date;
  readonly addedFrom?: string;
  readonly usedAt?: Date;
  readonly usedFrom?: string;
  /** It is on more than one device of its owner. */
  readonly synced: boolean;
  /** A recovery has suspended it: it signs nobody in. */
  readonly suspended?: boolean;
}

/** One authenticator app, as its owner sees it. */
export interface ShownApp {
  readonly url: string;
  readonly name: string;
  readonly addedAt: Date;
  readonly addedFrom?: string;
  readonly usedAt?: Date;
  readonly usedFrom?: string;
}

/** `/account/sign-in`: all ways in, and what they are good for. */
export interface WaysInPage extends AccountFrame {
  readonly done?: (typeof DONE)[number];
  /** A change like this is a good moment to sign out everywhere else; posts to `/account/devices/end-others`. */
  readonly mayEndOthers: boolean;
  readonly password?: {
    readonly changedAt: Date;
    readonly changedFrom?: string;
    readonly usedAt?: Date;
  };
  readonly passkeys: readonly ShownPasskey[];
  /** Whoever signs in with a password is asked for a code of one of these. */
  readonly apps: readonly ShownApp[];
  /** A recovery has suspended these: their codes do not work. */
  readonly suspended: readonly { readonly name: string; readonly addedAt: Date }[];
  readonly codes?: { readonly left: number; readonly madeAt: Date };
  /** For the browser, so that it offers no passkey that is none any more. */
  readonly signal: {
    readonly rpId: string;
    readonly userId: string;
    readonly known: string;
    readonly name: string;
  };
}

/** `/account/sign-in/password`. */
export interface PasswordFormPage extends AccountFrame {
  readonly problems: readonly Problem[];
  readonly minimumLength: number;
  readonly exists: boolean;
  /** Nothing else lets them in, so it cannot be removed. */
  readonly last: boolean;
}

/** `/account/sign-in/passkeys/:id`. */
export interface PasskeyPage extends AccountFrame {
  readonly problems: readonly Problem[];
  readonly passkey: ShownPasskey;
  /** The name in the field. */
  readonly typed: string;
  readonly last: boolean;
  /** A role needs a second factor, and this is the last one. */
  readonly needed: boolean;
}

/** `/account/sign-in/apps/new`: posts `code` and `setup`, the sealed secret. */
export interface NewAppPage extends AccountFrame {
  readonly problems: readonly Problem[];
  readonly qr: { readonly size: number; readonly path: string };
  readonly secret: string;
  readonly setup: string;
  /** No further one fits. */
  readonly full: boolean;
}

/** `/account/sign-in/apps/:id`. */
export interface AppPage extends AccountFrame {
  readonly problems: readonly Problem[];
  readonly app: ShownApp;
  /** The name in the field. */
  readonly typed: string;
  readonly last: boolean;
}

/** `/account/sign-in/recovery-codes`: new ones once, right after they were made. */
export interface RecoveryCodesPage extends AccountFrame {
  readonly codes: readonly string[];
  readonly left: number;
  readonly madeAt?: Date;
  /** They are for a second step, and there is none. */
  readonly needless: boolean;
}

/** `/account/sign-in/second-step`. */
export interface EndSecondStepPage extends AccountFrame {
  readonly problems: readonly Problem[];
  /** A role needs it, and there is no passkey that would stay. */
  readonly needed: boolean;
}

/** The pages of this topic. */
export interface SigningInPages {
  readonly 'account/sign-in/ways': WaysInPage;
  readonly 'account/sign-in/password': PasswordFormPage;
  readonly 'account/sign-in/new-passkey': AccountFrame;
  readonly 'account/sign-in/passkey': PasskeyPage;
  readonly 'account/sign-in/new-app': NewAppPage;
  readonly 'account/sign-in/app': AppPage;
  readonly 'account/sign-in/end-second-step': EndSecondStepPage;
  readonly 'account/sign-in/recovery-codes': RecoveryCodesPage;
}
