import { Refusal } from '../../platform/errors.js';
import type { Db } from '../../platform/storage/db.js';
import type { Work } from '../../platform/storage/work.js';
import { listPurposes } from '../purposes/purposes.js';
import type { Channel } from './message.js';
import { type DeclaredTopic, type Topic, type TopicWords, topicsSchema } from './topic.js';

export { type Topic, wordsOf } from './topic.js';

interface TopicRow {
  readonly topic: string;
  readonly version: number;
  readonly counts_from: number;
  readonly channels: readonly Channel[];
  readonly purpose: string | null;
  readonly retired: boolean;
  readonly words: Readonly<Record<string, TopicWords>>;
}

async function readTopics(db: Db): Promise<readonly (Topic & { readonly retired: boolean })[]> {
  const { rows } = await db.raw<{ rows: TopicRow[] }>(
    `SELECT t.topic, t.version, t.counts_from, t.channels, t.purpose, t.retired_at IS NOT NULL AS retired,
       coalesce((SELECT jsonb_object_agg(w.language, jsonb_build_object(
         'name', w.name, 'description', w.description, 'opt_in', w.opt_in))
         FROM topic_wordings w WHERE w.topic = t.topic AND w.version = t.version), '{}') AS words
     FROM topics t ORDER BY t.position, t.topic LIMIT 1000`,
  );
  return rows.map(({ counts_from, purpose, ...row }) => ({
    ...row,
    countsFrom: counts_from,
    purpose: purpose ?? undefined,
  }));
}

/** The topics there are, in the operator's order. */
export async function listTopics(db: Db): Promise<readonly Topic[]> {
  return (await readTopics(db)).filter(({ retired }) => !retired);
}

/** What applying a file of topics would do. */
export interface TopicsPlan {
  readonly add: readonly string[];
  readonly change: readonly string[];
  readonly retire: readonly string[];
}

/** What applying would do; refuses a file that is not one, or that would reword what somebody agreed to already. */
export async function planTopics(db: Db, input: unknown): Promise<TopicsPlan> {
  return (await compare(db, input)).plan;
}

/** Makes the topics those of the file; one that is not in it is retired, and nothing goes out for it any more. */
export async function applyTopics(work: Work, input: unknown): Promise<TopicsPlan> {
  await work.tx.raw('LOCK TABLE topics IN SHARE ROW EXCLUSIVE MODE');
  const { topics, plan } = await compare(work.tx, input);
  for (const [position, topic] of topics.entries()) {
    await declare(work, topic, position);
    if (![...plan.add, ...plan.change].includes(topic.topic)) continue;
    const detail = { topic: topic.topic, version: topic.version, channels: topic.channels };
    work.record({ type: 'topic.declared', detail });
  }
  for (const topic of plan.retire) {
    await work.tx('topics').where({ topic }).update({ retired_at: work.at });
    work.record({ type: 'topic.retired', detail: { topic } });
  }
  return plan;
}

async function compare(db: Db, input: unknown) {
  const read = topicsSchema.safeParse(input);
  if (!read.success) {
    const problems = read.error.issues.map(
      ({ path, message }) => `${path.join('.') || 'the file'}: ${message}`,
    );
    throw new Refusal(
      'invalid',
      'invalid_topics',
      `The topics cannot be used:\n  - ${problems.join('\n  - ')}`,
    );
  }
  const { topics } = read.data;
  await checkPurposes(db, topics);
  const there = new Map((await readTopics(db)).map(topic => [topic.topic, topic]));
  for (const topic of topics) checkWords(topic, there.get(topic.topic));
  const named = new Set(topics.map(({ topic }) => topic));
  const live = [...there.values()].filter(({ retired }) => !retired);
  const isNew = ({ topic }: DeclaredTopic) => there.get(topic)?.retired !== false;
  const plan: TopicsPlan = {
    add: topics.filter(isNew).map(({ topic }) => topic),
    change: topics
      .filter(topic => !isNew(topic) && !isSame(topic, there.get(topic.topic)))
      .map(({ topic }) => topic),
    retire: live.filter(({ topic }) => !named.has(topic)).map(({ topic }) => topic),
  };
  return { topics, plan };
}

/* Why something is sent stands where it stands why anything is held. */
async function checkPurposes(db: Db, topics: readonly DeclaredTopic[]): Promise<void> {
  if (topics.length === 0) return;
  const known = new Set((await listPurposes(db)).map(({ id }) => id));
  const unknown = topics.find(({ purpose }) => !known.has(purpose));
  if (!unknown) return;
  const problem = `The topic ${unknown.topic} names the purpose ${unknown.purpose}, which the profile does not declare.`;
  throw new Refusal('invalid', 'purpose_unknown', problem);
}

/* Whoever opted in agreed to these very words. */
function checkWords({ topic, version, words }: DeclaredTopic, there: Topic | undefined): void {
  const stop = (why: string) => {
    throw new Refusal('conflict', 'topic_reworded', `The topic ${topic} ${why}`);
  };
  if (!there) return;
  if (version < there.version) stop(`has version ${there.version} already; versions count up.`);
  if (version !== there.version) return;
  for (const [language, kept] of Object.entries(there.words)) {
    const now = words[language];
    if (now && !sameWords(now, kept)) {
      stop(`has other words in "${language}" than version ${version} had; give it version ${version + 1}.`);
    }
  }
}

const sameWords = (a: TopicWords, b: TopicWords) =>
  a.name === b.name && a.description === b.description && a.opt_in === b.opt_in;

function isSame(declared: DeclaredTopic, there: Topic | undefined): boolean {
  if (!there || declared.version !== there.version) return false;
  return (
    (declared.counts_from ?? 1) === there.countsFrom &&
    declared.purpose === there.purpose &&
    [...declared.channels].sort().join() === [...there.channels].sort().join() &&
    Object.keys(declared.words).every(language => there.words[language] !== undefined)
  );
}

async function declare({ tx, at }: Work, topic: DeclaredTopic, position: number): Promise<void> {
  const { version, counts_from = 1, channels, purpose, words } = topic;
  await tx('topics')
    .insert({ topic: topic.topic, position, version, counts_from, channels, purpose, declared_at: at })
    .onConflict('topic')
    .merge({ position, version, counts_from, channels, purpose, retired_at: null });
  const wordings = Object.entries(words).map(([language, each]) => ({
    topic: topic.topic,
    version,
    language,
    ...each,
  }));
  await tx('topic_wordings').insert(wordings).onConflict(['topic', 'version', 'language']).ignore();
}
