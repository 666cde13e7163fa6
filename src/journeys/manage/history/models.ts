import type { Problem } from '../../page-models.js';
import type { AccountFrame } from '../door.js';
import type { Action } from './listing.js';
import type { Kind } from './said.js';

/** One action, or tries in one row. */
export type HistoryRow =
  | (ShownAction & { readonly objectUrl: string })
  | { readonly tries: number; readonly more: boolean; readonly newest: ShownAction; readonly url: string };

/** What is shown of an action. */
export type ShownAction = Pick<Action, 'word' | 'at' | 'by'> & {
  /** It was in an account that became part of this one. */
  readonly merged?: true;
  /** Undefined for none; the id of one that has no name any more. */
  readonly app?: string;
  readonly device?: string;
  readonly country?: string;
  readonly address?: string;
  /** What it is about in the profile, by its labels. */
  readonly about?: readonly string[];
  /** What somebody who runs the service saw, by its labels; `masked` where all was. */
  readonly saw?: readonly string[];
  /** Their codes for themselves and for the case. */
  readonly codes?: readonly string[];
};

/** A kind to filter by, and where it leads. */
export interface KindLink {
  /** `all` for no filter. */
  readonly word: Kind | 'all';
  readonly url: string;
  readonly current: boolean;
}

/** `/account/history`: what was done about the account, newest first. The form sends `from` and `to` by GET. */
export interface HistoryPage extends AccountFrame {
  readonly rows: readonly HistoryRow[];
  readonly kinds: readonly KindLink[];
  readonly kind?: Kind;
  /** Days as they were typed. */
  readonly from: string;
  readonly to: string;
  readonly problems?: readonly Problem[];
  /** Some filter is on. */
  readonly filtered: boolean;
  readonly olderUrl?: string;
  /** Back to the newest, where these are not. */
  readonly newestUrl?: string;
  readonly csvUrl: string;
  readonly jsonUrl: string;
}

/** `/account/history/:id/object`: what objecting to an action does. Posts `objection` to `/objection`. */
export interface HistoryObjectionPage extends AccountFrame {
  readonly action: ShownAction;
  /** Nobody got in by it: there is nothing to freeze. */
  readonly harmless: boolean;
  /** What the button sends; none where there is nothing to freeze. */
  readonly objection?: string;
  /** A new passkey goes with it: at once, or by the mailed link where the sign-in was a while ago. */
  readonly passkey?: 'now' | 'by_mail';
}

/** The pages of this topic. */
export interface HistoryPages {
  readonly 'account/history': HistoryPage;
  readonly 'account/history-object': HistoryObjectionPage;
}
