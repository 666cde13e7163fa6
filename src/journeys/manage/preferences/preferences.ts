import {
  type Channel,
  giveOptIn,
  listOptIns,
  listTopics,
  type OptIn,
  type OptInPlace,
  type Topic,
  withdrawOptIn,
  wordsOf,
} from '../../../domain/messages/messages.js';
import type { Db } from '../../../platform/storage/db.js';
import type { Work } from '../../../platform/storage/work.js';
import { type TopicChange, tellOfTopics } from '../../messages/topic-notice.js';
import type { Doing } from '../../notices/tell.js';

/** A channel of a topic, and the opt-in that counts for it. */
export interface OfferedChannel {
  readonly channel: Channel;
  readonly optIn: OptIn | undefined;
}

/** A topic in the words of a language, as it is offered to somebody. */
export interface OfferedTopic {
  readonly topic: Topic;
  readonly name: string;
  readonly description: string;
  /** What is agreed to, word for word. */
  readonly wording: string;
  /** The language those words are in. */
  readonly language: string;
  readonly channels: readonly OfferedChannel[];
}

/** What somebody can opt in to, and what they have. Nothing is theirs that they did not say themselves. */
export async function offeredTopics(
  db: Db,
  accountId: string,
  language: string,
): Promise<readonly OfferedTopic[]> {
  const [topics, optIns] = await Promise.all([listTopics(db), listOptIns(db, accountId)]);
  const live = optIns.filter(optIn => optIn.live);
  return topics.map(topic => {
    const { name, description, opt_in: wording, language: spoken } = wordsOf(topic, language);
    const channels = topic.channels.map(channel => ({
      channel,
      optIn: live.find(optIn => optIn.topic === topic.topic && optIn.channel === channel),
    }));
    return { topic, name, description, wording, language: spoken, channels };
  });
}

/** What somebody said to one topic by one channel, and which words they read. */
export interface Answer {
  readonly topic: string;
  readonly channel: Channel;
  readonly wanted: boolean;
  readonly version: number;
  readonly language: string;
}

/** Why answers are not taken: the words have changed since they were read, or there is no such topic by that channel. */
export type AnswersProblem = 'reworded' | 'unknown';

/** Says why answers cannot be taken; undefined when they can. */
export async function checkAnswers(db: Db, answers: readonly Answer[]): Promise<AnswersProblem | undefined> {
  return problemOf(answers, await topicsByName(db));
}

const topicsByName = async (db: Db) =>
  new Map((await listTopics(db)).map(topic => [topic.topic, topic] as const));

function problemOf(
  answers: readonly Answer[],
  topics: ReadonlyMap<string, Topic>,
): AnswersProblem | undefined {
  for (const { topic: name, channel, wanted, version, language } of answers) {
    const topic = topics.get(name);
    if (!topic?.channels.includes(channel)) return 'unknown';
    if (wanted && (topic.version !== version || !topic.words[language])) return 'reworded';
  }
  return undefined;
}

/**
 * Takes what somebody said, all of it or nothing, and tells them of what it changed. Opting in counts for the very words that
 * were read; opting out needs no words. What was said before and is said again changes nothing.
 */
export async function takeAnswers(
  work: Work,
  doing: Doing,
  accountId: string,
  answers: readonly Answer[],
  place: OptInPlace,
): Promise<AnswersProblem | undefined> {
  const topics = await topicsByName(work.tx);
  const problem = problemOf(answers, topics);
  if (problem) return problem;
  const changes: TopicChange[] = [];
  for (const { topic: name, channel, wanted, language } of answers) {
    const topic = topics.get(name);
    const changed = wanted
      ? topic !== undefined && (await giveOptIn(work, accountId, topic, { channel, language, place }))
      : await withdrawOptIn(work, { accountId, topic: name, channel }, place);
    if (changed) changes.push({ topic: name, wanted });
  }
  await tellOfTopics(work, doing, accountId, changes);
  return undefined;
}
