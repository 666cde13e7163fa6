import { parseArgs } from 'node:util';
import { accountByEmail } from './domain/accounts/accounts.js';
import {
  applyTopics,
  CHANNELS,
  type Channel,
  listDispatches,
  listTopics,
  planTopics,
} from './domain/messages/messages.js';
import { type Content, sendToEveryone } from './journeys/messages/dispatch.js';
import { type Sending, sendOnTopic } from './journeys/messages/send.js';
import { Refusal } from './platform/errors.js';
import { answering, readJsonFile, readWords, type Shell, Usage } from './platform/shell.js';
import type { Db } from './platform/storage/db.js';
import { openWork } from './platform/storage/work.js';

/** What `keyhold topics …` and `keyhold messages …` work with. */
export interface MessagesCommand extends Shell {
  readonly sending: Sending;
}

export const MESSAGES_USAGE = `keyhold topics plan FILE.json|-                              what applying a file of topics would do
keyhold topics apply FILE.json|-                             make the topics people can opt in to those of a file
keyhold topics list                                          the topics there are
keyhold messages send --topic T --subject S --text FILE|-    a message to everybody who wants T, or to one of them
        [--channel email] [--account ID|--email ADDRESS]
keyhold messages list                                        the latest messages to everybody, and how far they are`;

const OPERATOR = { kind: 'operator' } as const;

/** Runs `keyhold topics …` and gives the exit code: 0 done, 1 refused, 2 not understood. */
export function runTopics(
  [verb, file, ...rest]: readonly string[],
  command: MessagesCommand,
): Promise<number> {
  const { db } = command;
  return answering(command, MESSAGES_USAGE, async () => {
    if (rest.length > 0) throw new Usage();
    if (verb === 'list' && file === undefined) return listTopics(db);
    if (verb === 'plan' && file) return planTopics(db, await readJsonFile(file));
    if (verb === 'apply' && file) {
      const input = await readJsonFile(file);
      return openWork(db, OPERATOR, work => applyTopics(work, input));
    }
    throw new Usage();
  });
}

/** Runs `keyhold messages …` and gives the exit code: 0 done, 1 refused, 2 not understood. */
export function runMessages([verb, ...words]: readonly string[], command: MessagesCommand): Promise<number> {
  return answering(command, MESSAGES_USAGE, async () => {
    if (verb === 'list' && words.length === 0) return listDispatches(command.db);
    if (verb !== 'send') throw new Usage();
    return send(words, command);
  });
}

const OPTIONS = {
  topic: { type: 'string' },
  channel: { type: 'string', default: 'email' },
  subject: { type: 'string' },
  text: { type: 'string' },
  account: { type: 'string' },
  email: { type: 'string' },
} as const;

async function send(words: readonly string[], { db, sending }: MessagesCommand): Promise<object> {
  const { values } = parseArgs({ args: [...words], options: OPTIONS, strict: true });
  const { topic, subject, text: file, account, email } = values;
  const channel = CHANNELS.find(each => each === values.channel);
  if (!topic || !subject || !file || !channel || (account && email)) throw new Usage();
  if (/[\p{Cc}\p{Zl}\p{Zp}]/u.test(subject) || subject.length > 200) {
    throw new Refusal(
      'invalid',
      'invalid_subject',
      'The subject must be one line of at most 200 characters.',
    );
  }
  const content: Content = { topic, channel, subject, text: await readWords(file) };
  await checkTopic(db, topic, channel);
  if (account === undefined && email === undefined) {
    return openWork(db, OPERATOR, async work => ({
      dispatch: await sendToEveryone(work, sending.keyring, content),
    }));
  }
  const accountId = account ?? (await accountByEmail(db, email ?? '')).id;
  return openWork(db, OPERATOR, async work => ({
    message: await sendOnTopic(work, sending, { ...content, accountId }),
  }));
}

async function checkTopic(db: Db, name: string, channel: Channel): Promise<void> {
  const topic = (await listTopics(db)).find(each => each.topic === name);
  if (!topic) throw new Refusal('missing', 'topic_unknown', `There is no topic ${name}.`);
  if (!topic.channels.includes(channel)) {
    throw new Refusal('conflict', 'channel_unknown', `The topic ${name} is not sent by ${channel}.`);
  }
}
