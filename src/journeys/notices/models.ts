import type { Asked } from '../page-models.js';
import type { NewsKind, NewsValues } from './kinds.js';
import type { UndoWord } from './undo.js';

/** A notice's link: what was done, and the button "This wasn't me" that posts to the page's own address. */
export interface ObjectionPage {
  readonly token: string;
  /** Without it, something that this version has no words for. */
  readonly news?: { readonly kind: NewsKind; readonly values: NewsValues };
  readonly undoes: readonly UndoWord[];
  /** What an objection is for lies further back. */
  readonly earlier?: boolean;
  readonly asked: Asked;
}

/** The account is frozen: how its owner gets back in, and where from. */
export interface FrozenPage {
  /** It was frozen out of the account's own pages. */
  readonly fromAccount?: boolean;
  readonly app?: { readonly name: string; readonly url: string };
}

/** The notice's link is used or expired. */
export interface ObjectionEndedPage {
  readonly reason: 'used' | 'expired';
}

/** The pages of this journey. */
export interface NoticePages {
  readonly 'objection/ask': ObjectionPage;
  readonly 'objection/done': FrozenPage;
  readonly 'objection/ended': ObjectionEndedPage;
}
