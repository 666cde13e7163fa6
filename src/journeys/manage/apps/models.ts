import type { ConsentEventName } from '../../../domain/consents/consents.js';
import type { AppBadge, Ask } from '../../page-models.js';
import type { AccountFrame } from '../door.js';

/** A word under `connected_done.*` in the locales: what the form before has done. */
export const DONE = ['changed', 'withdrawn', 'other', 'gone'] as const;

/** An app as the list shows it. */
export interface ShownConnected extends AppBadge {
  readonly url: string;
  readonly removeUrl: string;
  /** What it may see, in a few words. */
  readonly labels: readonly string[];
  readonly at: Date;
  readonly until?: Date;
  readonly used?: Date;
  readonly got?: Date;
}

/** `/account/apps`: the apps that somebody lets in. */
export interface ConnectedAppsPage extends AccountFrame {
  readonly done?: (typeof DONE)[number];
  readonly apps: readonly ShownConnected[];
  /** Of these, those of which nothing was heard for long. */
  readonly unused: readonly ShownConnected[];
  readonly unusedDays: number;
  /** The apps after these, and back to the first ones, where these are not. */
  readonly nextUrl?: string;
  readonly firstUrl?: string;
  /** Of the organisation itself. */
  readonly house: readonly (AppBadge & { readonly used: Date })[];
}

/** One thing to tick. */
export interface ShownChoice {
  readonly claim: string;
  readonly label: string;
  /** What it is held for, and why. */
  readonly purpose?: string;
  readonly why?: string;
  readonly allowed: boolean;
}

/** Things that an app asked for together. */
export interface ShownGroup {
  /** Absent for what was asked for one by one. */
  readonly ask?: Ask;
  /** What data may be used for. */
  readonly uses?: true;
  readonly choices: readonly ShownChoice[];
  /** Many, all of them allowed: folded. */
  readonly folded: boolean;
}

/** What can be changed of what an app may have; posts `allow`, `until`, `seen` and `wording` to the page's address. */
export interface ShownAllowed {
  readonly at?: Date;
  readonly until?: Date;
  readonly seen: string;
  /** SHA-256 of the words that stand there, which the answer is to. */
  readonly wording: string;
  readonly groups: readonly ShownGroup[];
  /** What goes with the whole alone. */
  readonly others: readonly Ask[];
  readonly days: readonly number[];
  readonly never: boolean;
  readonly removeUrl: string;
}

/** Something that was said about an app. */
export interface ShownAnswer {
  readonly at: Date;
  readonly event: ConsentEventName;
  readonly receiptUrl: string;
}

/** `/account/apps/:client`: what one app may have. */
export interface ConnectedAppPage extends AccountFrame {
  readonly done?: (typeof DONE)[number];
  readonly app: AppBadge;
  readonly url: string;
  readonly used?: Date;
  /** Absent when it may have nothing (any more). */
  readonly allowed?: ShownAllowed;
  readonly history: readonly ShownAnswer[];
  readonly olderUrl?: string;
  /** Back to the newest, where these are not. */
  readonly newestUrl?: string;
  readonly toldUrl: string;
}

/** `/account/apps/:client/remove`: what taking everything back does; posts to the same address. */
export interface ConnectedRemovePage extends AccountFrame {
  readonly app: AppBadge;
  readonly url: string;
  readonly backUrl: string;
}

/** The pages of this topic. */
export interface ConnectedPages {
  readonly 'account/apps': ConnectedAppsPage;
  readonly 'account/app': ConnectedAppPage;
  readonly 'account/app-remove': ConnectedRemovePage;
}
