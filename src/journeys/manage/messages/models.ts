import type { Channel, MessageFilter, MessageKind, MessageState } from '../../../domain/messages/messages.js';
import type { AccountFrame } from '../door.js';

/** A word under `message_filter.*` in the locales. */
export type FilterWord = 'all' | MessageFilter;

/** A message as its owner reads of it; `message_kind.*` says why it went out and `message_state.*` what became of it. */
export interface ShownMessage {
  readonly id: string;
  /** Nobody knows any more once the account's key is destroyed. */
  readonly subject?: string;
  readonly to?: string;
  readonly channel: Channel;
  readonly kind: MessageKind;
  readonly state: MessageState;
  readonly at: Date;
  /** For one of a topic: what was agreed to, and when. */
  readonly agreed?: { readonly at: Date; readonly name: string; readonly wording: string };
}

/** `/account/messages` */
export interface MessagesPage extends AccountFrame {
  readonly filters: readonly { readonly word: FilterWord; readonly url: string; readonly current: boolean }[];
  readonly filtered: boolean;
  readonly messages: readonly ShownMessage[];
  readonly olderUrl?: string;
  /** Where the newest are, on any page but the first. */
  readonly newestUrl?: string;
}

/** The pages of this topic. */
export interface MessagesPages {
  readonly 'account/messages': MessagesPage;
}
