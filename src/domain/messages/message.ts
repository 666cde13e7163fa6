/** The ways a message takes. */
export const CHANNELS = ['email', 'sms'] as const;
export type Channel = (typeof CHANNELS)[number];

/**
 * Why a message goes out. security: something was done to the account, and its owner must know · code: somebody asked for
 * it · account: about the account itself · topic: its owner opted in to it.
 */
export const MESSAGE_KINDS = ['security', 'code', 'account', 'topic'] as const;
export type MessageKind = (typeof MESSAGE_KINDS)[number];

/** queued · sent: handed over · failed: could not be handed over · refused: the other side took it not · withheld: nobody wanted it any more. */
export const MESSAGE_STATES = ['queued', 'sent', 'failed', 'refused', 'withheld'] as const;
export type MessageState = (typeof MESSAGE_STATES)[number];

/** The topic a message is about, and the opt-in it goes out on. */
export interface TopicOf {
  readonly topic: string;
  readonly optIn: string;
}

/** A message that is about to be queued. It holds neither a code nor a link. */
export interface NewMessage {
  readonly id: string;
  readonly accountId: string;
  readonly channel: Channel;
  readonly kind: MessageKind;
  readonly template: string;
  /** Changes whenever what the template says does. */
  readonly templateVersion: string;
  readonly language: string;
  readonly to: string;
  readonly subject: string;
  readonly topic?: TopicOf | undefined;
  /** It was sent at that time already, and arrived. */
  readonly sentAt?: Date;
}

/** The opt-in that a message goes out on: what was agreed to, when, and what the topic was called then. */
export interface Agreed {
  readonly optIn: string;
  readonly at: Date;
  readonly name: string;
  readonly wording: string;
}

/** A message as its owner may see it. */
export interface Message {
  readonly id: string;
  readonly channel: Channel;
  readonly kind: MessageKind;
  readonly template: string;
  readonly templateVersion: string;
  readonly language: string;
  readonly topic: string | undefined;
  /** On which opt-in it goes out, for one of a topic. */
  readonly agreed: Agreed | undefined;
  /** Undefined once the account's key is destroyed. */
  readonly to: string | undefined;
  readonly subject: string | undefined;
  readonly queuedAt: Date;
  readonly state: MessageState;
  /** Since when it is in that state. */
  readonly stateAt: Date;
  readonly reason: string | undefined;
}

/** Which of the messages are listed. */
export const MESSAGE_FILTERS = [...MESSAGE_KINDS, 'undelivered'] as const;
export type MessageFilter = (typeof MESSAGE_FILTERS)[number];
