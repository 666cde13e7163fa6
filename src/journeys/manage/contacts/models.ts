import type { ContactKind } from '../../../domain/contacts/contacts.js';
import type { NewsKind } from '../../notices/kinds.js';
import type { Asked, Problem } from '../../page-models.js';
import type { AccountFrame } from '../door.js';

/** An address or number as the pages show it. */
export interface ShownContact {
  readonly id: string;
  readonly kind: ContactKind;
  readonly address: string;
  readonly isMain: boolean;
  readonly proved: boolean;
}

/** A change that can be undone still. */
export interface ShownChange {
  readonly id: string;
  /** A word under `contacts_change.*`. */
  readonly word: NewsKind;
  readonly address: string;
  readonly at: Date;
  readonly until: Date;
}

/** What a form before has led here with: a word under `contacts_done.*`. */
export type ContactsDone = 'added' | 'main_email' | 'main_phone' | 'removed' | 'undone' | 'over';

/** `/account/contacts`: all there is, and what can be undone. */
export interface ContactsPage extends AccountFrame {
  readonly emails: readonly ShownContact[];
  readonly phones: readonly ShownContact[];
  readonly changes: readonly ShownChange[];
  readonly phonesOn: boolean;
  readonly done?: ContactsDone;
}

/** One of them, and what can be done with it; each posts to `/account/contacts/:id/…`. */
export interface ContactPage extends AccountFrame {
  readonly contact: ShownContact;
  readonly addedAt: Date;
  /** Why it cannot be removed. */
  readonly kept?: 'last';
  /** What becomes the main one when this is removed. */
  readonly next?: string;
}

/** Posts `email` or `phone` to its own address. */
export interface AddContactPage extends AccountFrame {
  readonly kind: ContactKind;
  readonly typed: string;
  readonly problems?: readonly Problem[];
}

/** Posts `code` to its own address. */
export interface ContactCodePage extends AccountFrame {
  readonly proof: string;
  readonly kind: ContactKind;
  readonly address: string;
  readonly minutes: number;
  readonly state: 'open' | 'undelivered' | 'expired' | 'ended' | 'taken' | 'over';
  readonly sentAgain: boolean;
  readonly problems?: readonly Problem[];
}

/** Posts to `/account/contacts/changes/:id`. */
export interface UndoMinePage extends AccountFrame {
  readonly change: ShownChange;
  readonly taken: boolean;
}

/** Opened by a link of a notice; posts to `/undo/:token`. Addresses are shortened: the mailbox may be somebody else's by now. */
export interface UndoPage {
  readonly token: string;
  readonly change: { readonly word: NewsKind; readonly address: string };
  readonly asked: Asked;
  readonly back: readonly string[];
  readonly gone: readonly string[];
  readonly main: readonly string[];
  readonly until: Date;
}

/** Why a link undoes nothing (any more). */
export interface UndoEndedPage {
  readonly reason: 'used' | 'expired' | 'taken';
}

/** The pages of this topic. */
export interface ContactsPages {
  readonly 'account/contacts': ContactsPage;
  readonly 'account/contact': ContactPage;
  readonly 'account/contact-add': AddContactPage;
  readonly 'account/contact-code': ContactCodePage;
  readonly 'account/contact-undo': UndoMinePage;
  readonly 'undo/ask': UndoPage;
  readonly 'undo/done': object;
  readonly 'undo/ended': UndoEndedPage;
}
