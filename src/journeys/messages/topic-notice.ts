import { findAccount } from '../../domain/accounts/accounts.js';
import { listTopics, wordsOf } from '../../domain/messages/messages.js';
import type { Work } from '../../platform/storage/work.js';
import type { NewsKind } from '../notices/kinds.js';
import { type Doing, tellEveryone } from '../notices/tell.js';

/** A topic that is wanted from now on by a channel, or no more. */
export interface TopicChange {
  readonly topic: string;
  readonly wanted: boolean;
}

/** Tells an account's owner, once for all of it, which topics were turned on and off just now; nothing where nothing was. */
export async function tellOfTopics(
  work: Work,
  doing: Doing,
  accountId: string,
  changes: readonly TopicChange[],
): Promise<void> {
  if (changes.length === 0) return;
  const language = (await findAccount(work.tx, accountId))?.language ?? 'en';
  const declared = new Map((await listTopics(work.tx)).map(topic => [topic.topic, topic] as const));
  const nameOf = (name: string) => {
    const topic = declared.get(name);
    return topic ? wordsOf(topic, language).name : name;
  };
  const names = [...new Set(changes.map(({ topic }) => nameOf(topic)))];
  const topics = new Intl.ListFormat(language).format(names);
  await tellEveryone(work, doing, { accountId, kind: kindOf(changes), values: { topics } });
}

function kindOf(changes: readonly TopicChange[]): NewsKind {
  if (changes.every(({ wanted }) => wanted)) return 'topics_started';
  return changes.some(({ wanted }) => wanted) ? 'topics_changed' : 'topics_stopped';
}
