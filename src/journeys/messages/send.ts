import { v7 as uuidv7 } from 'uuid';
import { findAccount, isHeldBack } from '../../domain/accounts/accounts.js';
import { listContacts, listEmails } from '../../domain/contacts/contacts.js';
import {
  type Channel,
  findOptIn,
  keepMessage,
  listTopics,
  type OptIn,
  wordsOf,
} from '../../domain/messages/messages.js';
import { mayAct } from '../../oidc/acting.js';
import { digest } from '../../platform/crypto/tokens.js';
import { Refusal } from '../../platform/errors.js';
import { sealMail } from '../../platform/mail/mail.js';
import { sealSms } from '../../platform/sms/sms.js';
import type { Work } from '../../platform/storage/work.js';
import type { Words } from '../../platform/web/words.js';
import type { Parts } from '../journey.js';
import type { TopicMail } from './models.js';
import { unsubscribeHeaders, unsubscribeUrl } from './unsubscribe-link.js';

/** What sending takes of the parts. */
export type Sending = Pick<Parts, 'issuer' | 'keyring' | 'renderer'> & {
  readonly rp: { readonly name: string };
  readonly translator: Words['translator'];
};

/** What an app or an operator wants to tell somebody who opted in to a topic. */
export interface TopicMessage {
  readonly accountId: string;
  readonly topic: string;
  readonly channel: Channel;
  readonly subject: string;
  /** Plain; each line is a paragraph, and one that is an address becomes a link. */
  readonly text: string;
}

/**
 * Queues a message of a topic, and refuses (`no_opt_in`) when its reader has not opted in to that topic by that channel. The
 * job looks again: who withdraws before it goes out gets nothing. Gives the id under which the message is on record.
 */
export async function sendOnTopic(work: Work, parts: Sending, message: TopicMessage): Promise<string> {
  const { accountId, channel } = message;
  const topic = (await listTopics(work.tx)).find(each => each.topic === message.topic);
  if (!topic) throw new Refusal('missing', 'topic_unknown', `There is no topic ${message.topic}.`);
  const optIn = await findOptIn(work.tx, message);
  if (!optIn?.live) {
    throw new Refusal(
      'forbidden',
      'no_opt_in',
      `${accountId} has not opted in to ${topic.topic} by ${channel}.`,
    );
  }
  const account = await findAccount(work.tx, accountId);
  if (!account || !mayAct({ account })) {
    throw new Refusal('forbidden', 'account_inactive', `${accountId} may not act at the moment.`);
  }
  if (isHeldBack(account.restriction, { purpose: topic.purpose })) {
    throw new Refusal('forbidden', 'restricted', `${accountId} has had the use of this restricted.`);
  }
  const { language } = account;
  return (channel === 'email' ? byMail : bySms)(work, parts, message, {
    language,
    name: wordsOf(topic, language).name,
    optIn,
  });
}

interface Reader {
  readonly language: string;
  /** What the topic is called in it. */
  readonly name: string;
  readonly optIn: OptIn;
}

async function byMail(work: Work, parts: Sending, message: TopicMessage, reader: Reader): Promise<string> {
  const { accountId, topic, channel, subject, text } = message;
  const { language, name, optIn } = reader;
  const address = (await listEmails(work.tx, accountId)).find(each => each.isPrimary && each.verifiedAt);
  if (!address) throw new Refusal('conflict', 'no_address', `${accountId} has no proven e-mail address.`);
  const stopUrl = unsubscribeUrl(parts.issuer, parts.keyring, message);
  const { version, ...rendered } = parts.renderer.mail('topic', language, {
    issuerName: parts.rp.name,
    subject,
    paragraphs: paragraphsOf(text),
    topic: name,
    since: optIn.givenAt,
    stopUrl,
  });
  const id = uuidv7();
  const letter = { to: address.address, ...rendered, headers: unsubscribeHeaders(stopUrl) };
  work.enqueue(sealMail(parts.keyring, letter, { id, accountId }));
  keepMessage(work, parts.keyring, {
    id,
    accountId,
    channel,
    kind: 'topic',
    template: 'topic',
    templateVersion: version,
    language,
    to: address.address,
    subject: rendered.subject,
    topic: { topic, optIn: optIn.id },
  });
  return id;
}

/* A text message of two parts at most, the link included; whoever wants it for longer than a day wants another one by then. */
const SMS_ROOM = 306;
const DAY = 86_400_000;

async function bySms(work: Work, parts: Sending, message: TopicMessage, reader: Reader): Promise<string> {
  const { accountId, topic, channel } = message;
  const { language, optIn } = reader;
  const contacts = await listContacts(work.tx, accountId);
  const phone = contacts.find(each => each.kind === 'phone' && each.isPrimary && each.verifiedAt);
  if (!phone) throw new Refusal('conflict', 'no_address', `${accountId} has no proven phone number.`);
  const id = uuidv7();
  const until = new Date(work.at.getTime() + DAY);
  const { text, version } = smsOf(parts, message, language);
  work.enqueue(sealSms(parts.keyring, { to: phone.address, text }, { id, accountId, until }));
  keepMessage(work, parts.keyring, {
    id,
    accountId,
    channel,
    kind: 'topic',
    template: 'topic-sms',
    templateVersion: version,
    language,
    to: phone.address,
    subject: message.subject,
    topic: { topic, optIn: optIn.id },
  });
  return id;
}

function smsOf(parts: Sending, message: TopicMessage, language: string) {
  const t = parts.translator(language);
  const stop = t('topic_sms.stop');
  const said = paragraphsOf(message.text).map(({ text }) => text);
  const all = [said.join('\n'), `${stop} ${unsubscribeUrl(parts.issuer, parts.keyring, message)}`];
  const text = `${parts.rp.name}: ${all.join('\n')}`;
  if (text.length > SMS_ROOM) {
    const most = SMS_ROOM - (text.length - said.join('\n').length);
    throw new Refusal('invalid', 'too_long', `A text message has room for ${most} letters here.`);
  }
  return { text, version: digest(stop).toString('hex', 0, 4) };
}

function paragraphsOf(text: string): TopicMail['paragraphs'] {
  const lines = text.normalize('NFC').split(/[\r\n\p{Zl}\p{Zp}]+/u);
  const words = lines.map(line => line.trim()).filter(line => line !== '');
  return words.map(line => ({ text: line, isLink: /^https?:\/\/\S+$/.test(line) }));
}
