import type { Channel } from '../../domain/messages/messages.js';

/** What a mail of a topic is given. */
export interface TopicMail {
  readonly issuerName: string;
  readonly subject: string;
  readonly paragraphs: readonly { readonly text: string; readonly isLink: boolean }[];
  /** What the topic is called. */
  readonly topic: string;
  /** When its reader opted in. */
  readonly since: Date;
  readonly stopUrl: string;
}

/** The link of a message of a topic. "Stop" posts to `/unsubscribe/:token`, "That was a mistake" to `…/undo`. */
export interface UnsubscribePage {
  readonly token: string;
  readonly topic: string;
  readonly channel: Channel;
  /** on: they get it · stopped: they do not, since this link was used · off: they do not. */
  readonly state: 'on' | 'stopped' | 'off';
  /** It was done just now: stopped, or taken back. */
  readonly done?: 'stopped' | 'restored';
}

/** The pages about messages that need no sign-in. */
export interface MessagePageModels {
  readonly 'unsubscribe/ask': UnsubscribePage;
  readonly 'unsubscribe/unknown': object;
}
