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

const line = z
  .string()
  .trim()
  .min(1)
  .max(200)
  .regex(/^[^\p{Cc}\p{Zl}\p{Zp}]+$/u, 'must be one line');

/** Somebody who decides about data, or gets it (ISO/IEC TS 27560 §6.3.5). */
export const partySchema = z.strictObject({
  name: line,
  address: line.exactOptional(),
  contact: line.exactOptional(),
  /** ISO 3166-1 alpha-2. */
  country: z
    .string()
    .regex(/^[A-Z]{2}$/, 'must be a country of two capital letters, such as DE')
    .exactOptional(),
});
export type Party = Readonly<z.output<typeof partySchema>>;

/** The parts of Article 6(1) of the GDPR that the bases are, as the Data Privacy Vocabulary names them. */
export const BASIS_TERMS: Readonly<Record<(typeof BASES)[number], string>> = {
  consent: 'eu-gdpr:A6-1-a',
  contract: 'eu-gdpr:A6-1-b',
  legal_obligation: 'eu-gdpr:A6-1-c',
  vital_interest: 'eu-gdpr:A6-1-d',
  public_task: 'eu-gdpr:A6-1-e',
  legitimate_interest: 'eu-gdpr:A6-1-f',
};

const term = z
  .string()
  .regex(
    /^([a-z][a-z0-9-]*:[A-Za-z0-9-]+|https:\/\/[^\s"<>]{1,200})$/,
    'is no term such as dpv:ServiceProvision',
  );

const dpvSchema = z.strictObject({
  /** What it is for, in the words of the W3C Data Privacy Vocabulary. */
  purposes: z.array(term).min(1).max(10),
  /** The legal basis; by default the part of Article 6(1) of the GDPR that `basis` is. */
  basis: term.exactOptional(),
});

const noticeSchema = z
  .record(
    z.string().regex(LANGUAGE, 'is no language tag, such as en or pt-BR'),
    z.string().trim().min(1).max(4_000),
  )
  .refine(
    words => Object.hasOwn(words, 'en'),
    'has no English (en), which is said where a language is missing',
  );

const version = z.int().min(1).max(100_000);

/** Why something is held: on which basis, in which words, how long, by whom and for whom. */
export const purposeSchema = z
  .strictObject({
    id: z.string().regex(/^[a-z][a-z0-9_]{0,39}$/, 'must be lower-case letters, digits and _, 40 at most'),
    basis: z.enum(BASES),
    name: wordsSchema,
    why: wordsSchema,
    /** More than `why` says, where that is needed; with name and why it is what people agree to, word for word. */
    notice: noticeSchema.exactOptional(),
    /** As long as the account exists, or so long after the value was last given. */
    retention: z.union([z.literal('account'), spanSchema], {
      error: 'must be "account" or a length of time, such as "730 days"',
    }),
    /** Whether there is no account without it. What rests on consent never is (GDPR Art. 7(4)). */
    required: z.boolean().exactOptional(),
    /** Who decides; by default whoever runs this installation. */
    controllers: z.array(partySchema).min(1).max(20).exactOptional(),
    /** Who gets it: parties, and the apps that a person lets have it. */
    recipients: z
      .array(z.union([z.literal('apps'), partySchema], { error: 'must be "apps" or a party with a name' }))
      .max(50)
      .exactOptional(),
    /** Whose law: countries, or EU. */
    jurisdiction: z
      .array(
        z
          .string()
          .regex(/^[A-Z]{2}(-[A-Z0-9]{1,3})?$/, 'must be EU, a country or a part of one, such as US-CA'),
      )
      .min(1)
      .max(50)
      .exactOptional(),
    dpv: dpvSchema.exactOptional(),
    /** How long what an app is allowed for it lasts, before the person is asked again; by default until it is taken back. */
    consent_lasts: spanSchema.exactOptional(),
    /** The version of the notice; by default the next one whenever what it says changes. */
    version: version.exactOptional(),
    /** Who agreed to this version or a later one is not asked again; needs `version`. */
    counts_from: version.exactOptional(),
  })
  .superRefine((purpose, context) => {
    const wrong = (path: string, message: string) =>
      context.addIssue({ code: 'custom', path: [path], message });
    const { basis, dpv, version: number, counts_from: from } = purpose;
    if (basis === 'consent' && purpose.required)
      wrong('required', 'cannot be, of what rests on consent: whoever must agree does not agree freely');
    if (dpv?.basis?.startsWith('eu-gdpr:A6-1-') && dpv.basis !== BASIS_TERMS[basis])
      wrong('dpv', `says ${dpv.basis}, but the basis is ${BASIS_TERMS[basis]}`);
    if (purpose.consent_lasts && basis !== 'consent') wrong('consent_lasts', 'is for what rests on consent');
    if (from !== undefined && number === undefined)
      wrong('counts_from', 'needs the version that it is said of');
    if (from !== undefined && number !== undefined && from > number)
      wrong('counts_from', 'must not be later than the version');
  });
export type Purpose = Readonly<z.output<typeof purposeSchema>>;

/** Whether there is no account without it. */
export function isRequired({ basis, required }: Purpose): boolean {
  return required ?? basis !== 'consent';
}

/** What it is in the words of the Data Privacy Vocabulary. */
export function termsOf(purpose: Purpose): {
  readonly purposes: readonly string[];
  readonly basis: string;
  readonly necessity: string;
} {
  return {
    purposes: purpose.dpv?.purposes ?? ['dpv:Purpose'],
    basis: purpose.dpv?.basis ?? BASIS_TERMS[purpose.basis],
    necessity: isRequired(purpose) ? 'dpv:Required' : 'dpv:Optional',
  };
}

/** The languages that a purpose has words in. */
export function languagesOf({ why, notice = {} }: Purpose): readonly string[] {
  return [...new Set([...Object.keys(why), ...Object.keys(notice)])].sort();
}

/** What people agree to, word for word: its name, why it is held, and what more there is to say. */
export function noticeText({ name, why, notice }: Purpose, language: string): string {
  const said = (words: SpokenWords) => words[language] ?? words['en'] ?? '';
  return [said(name), said(why), ...(notice ? [said(notice)] : [])].join('\n');
}
