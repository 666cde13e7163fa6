import { z } from 'zod';
import { CHANNELS, type Channel } from './message.js';

const LINE = /^[^\p{Cc}\p{Zl}\p{Zp}]+$/u;
const line = (longest: number) => z.string().min(1).max(longest).regex(LINE, 'must be one line');

const wordsSchema = z.strictObject({
  /** What it is called: "News". */
  name: line(80),
  /** What somebody gets who wants it, and how often. */
  description: line(400),
  /** What somebody agrees to, word for word. */
  opt_in: line(600),
});

const topicSchema = z.strictObject({
  topic: z.string().regex(/^[a-z][a-z0-9-]{0,39}$/, 'must be a name such as product-news'),
  /** Counts up whenever a wording changes. */
  version: z.int().min(1).max(100_000),
  /** Opt-ins to an earlier version do not count: they are asked for again. */
  counts_from: z.int().min(1).optional(),
  channels: z.array(z.enum(CHANNELS)).min(1).max(CHANNELS.length),
  /** The purpose that it is sent for, one that stands. */
  purpose: z.string({ error: 'must name the purpose that it is sent for' }).min(1).max(80),
  words: z.record(z.string().regex(/^[a-z]{2,3}(-[A-Za-z0-9]{2,8})*$/), wordsSchema),
});

/** What the operator declares: all topics there shall be, in the order in which they are shown. */
export const topicsSchema = z
  .strictObject({ topics: z.array(topicSchema).max(100) })
  .superRefine(({ topics }, context) => {
    topics.forEach((topic, at) => {
      const wrong = (path: string, message: string) =>
        context.addIssue({ code: 'custom', path: ['topics', at, path], message });
      if (!topic.words['en'])
        wrong('words', 'must have English ones, which are shown where others are missing');
      if ((topic.counts_from ?? 1) > topic.version)
        wrong('counts_from', 'must not be later than the version');
      if (topics.findIndex(other => other.topic === topic.topic) !== at) wrong('topic', 'stands here twice');
    });
  });

/** A topic as it is declared. */
export type DeclaredTopic = z.infer<typeof topicSchema>;

/** The words of a topic in one language. */
export type TopicWords = z.infer<typeof wordsSchema>;

/** A topic that somebody can opt in to. */
export interface Topic {
  readonly topic: string;
  readonly version: number;
  readonly countsFrom: number;
  readonly channels: readonly Channel[];
  readonly purpose: string | undefined;
  /** The words of its version by language. */
  readonly words: Readonly<Record<string, TopicWords>>;
}

/** The words of a topic in a language, or in the one there always is; and which of the two that was. */
export function wordsOf(topic: Topic, language: string): TopicWords & { readonly language: string } {
  for (const each of [language, language.split('-', 1)[0] ?? '', 'en']) {
    const words = topic.words[each];
    if (words) return { ...words, language: each };
  }
  return { name: topic.topic, description: '', opt_in: '', language: 'en' };
}
