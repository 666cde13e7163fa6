import { z } from 'zod';

const LANGUAGE = /^[a-z]{2,3}(-[A-Za-z0-9]{2,8})*$/;
const SPAN = /^([1-9]\d{0,4}) (minute|hour|day)s?$/;
const SECONDS = { minute: 60, hour: 3_600, day: 86_400 } as const;
const LONGEST = 3_660 * SECONDS.day;

/** What an operator says in each language: English always, and in whatever other languages their people read. */
export const wordsSchema = z
  .record(
    z.string().regex(LANGUAGE, 'is no language tag, such as en or pt-BR'),
    z.string().trim().min(1).max(400),
  )
  .refine(
    words => Object.hasOwn(words, 'en'),
    'has no English (en), which is said where a language is missing',
  )
  .refine(words => Object.keys(words).length <= 40, 'has more languages than 40');
export type SpokenWords = Readonly<Record<string, string>>;

/** Says it in a language: exactly that one, else the one it is a kind of, else English. */
export function sayIn(words: SpokenWords, language: string): string {
  const [general = ''] = language.split('-');
  return words[language] ?? words[general] ?? words['en'] ?? '';
}

/** A length of time as operators write it, such as "7 days", in seconds. */
export function secondsOf(span: string): number {
  const [, count = '0', unit = 'day'] = SPAN.exec(span) ?? [];
  return Number(count) * SECONDS[unit as keyof typeof SECONDS];
}

/** A length of time: minutes, hours or days. */
export const spanSchema = z
  .string()
  .regex(SPAN, 'is no length of time, such as "30 days", "12 hours" or "15 minutes"')
  .refine(span => secondsOf(span) <= LONGEST, 'is longer than 3660 days');

/** The lawful bases (GDPR Art. 6(1)). */
export const BASES = [
  'consent',
  'contract',
  'legal_obligation',
  'vital_interest',
  'public_task',
  'legitimate_interest',
] as const;

/** Why something is held: on which basis, in which words, and how long. */
export const purposeSchema = z.strictObject({
  id: z.string().regex(/^[a-z][a-z0-9_]{0,39}$/, 'must be lower-case letters, digits and _, 40 at most'),
  basis: z.enum(BASES),
  name: wordsSchema,
  why: wordsSchema,
  /** As long as the account exists, or so long after the value was last given. */
  retention: z.union([z.literal('account'), spanSchema], {
    error: 'must be "account" or a length of time, such as "730 days"',
  }),
});
export type Purpose = Readonly<z.output<typeof purposeSchema>>;
