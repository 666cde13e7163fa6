import { stringify as uuidStringify } from 'uuid';
import { CHANNELS, type OptInChange } from '../../domain/messages/messages.js';
import type { Keyring } from '../../platform/crypto/keyring.js';

const PURPOSE = 'unsubscribe';
const SHAPE = /^[\w-]{60,400}$/;
/* Short, since a text message has little room: 16 bytes of the account in 22 letters, the channel in one, the topic. */
const PLAIN = /^([\w-]{22})([a-z])([a-z][a-z0-9-]{0,39})$/;

/**
 * The token of the link that ends a topic by a channel for an account. Sealed, so that nobody makes one up or reads whose
 * it is, and kept nowhere: it works for as long as the installation has its secret.
 */
export function unsubscribeToken(keyring: Keyring, { accountId, topic, channel }: OptInChange): string {
  const account = Buffer.from(accountId.replaceAll('-', ''), 'hex').toString('base64url');
  return keyring.seal(PURPOSE, `${account}${channel.charAt(0)}${topic}`).toString('base64url');
}

/** Whose opt-in to what a link ends; undefined when it is none of ours. */
export function openUnsubscribeToken(keyring: Keyring, token: string): OptInChange | undefined {
  if (!SHAPE.test(token)) return undefined;
  try {
    const plain = keyring.open(PURPOSE, Buffer.from(token, 'base64url'));
    const [, account = '', letter, topic = ''] = PLAIN.exec(plain) ?? [];
    const channel = CHANNELS.find(each => each.startsWith(letter ?? ' '));
    return channel && { accountId: uuidStringify(Buffer.from(account, 'base64url')), topic, channel };
  } catch {
    return undefined;
  }
}

/** Where that link leads. */
export function unsubscribeUrl(issuer: URL, keyring: Keyring, about: OptInChange): string {
  return `${issuer.origin}/unsubscribe/${unsubscribeToken(keyring, about)}`;
}

/** RFC 2369 §3.2 and RFC 8058 §3.1: lets a mail program offer "unsubscribe" and do it with one post. */
export function unsubscribeHeaders(url: string): Readonly<Record<string, string>> {
  return { 'List-Unsubscribe': `<${url}>`, 'List-Unsubscribe-Post': 'List-Unsubscribe=One-Click' };
}
