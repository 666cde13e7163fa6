/** What somebody can ask for about their data (GDPR Art. 15, 16, 18, 21, 20, 17; Cal. Civ. Code § 1798.105, .106, .110). */
export const RIGHTS = [
  'access',
  'portability',
  'rectification',
  'restriction',
  'objection',
  'erasure',
] as const;
export type Right = (typeof RIGHTS)[number];

/**
 * unconfirmed: an agent asked, and the person has to say that they want it · open: somebody has to answer · done · refused ·
 * withdrawn by the person.
 */
export const REQUEST_STATES = ['unconfirmed', 'open', 'done', 'refused', 'withdrawn'] as const;
export type RequestState = (typeof REQUEST_STATES)[number];

/** What became of a request, as a word under `rights.outcome.*`. */
export type Outcome =
  | 'held_back'
  | 'exported'
  | 'deleting'
  | 'corrected'
  | 'answered'
  | 'refused'
  | 'withdrawn';

/** What a request is about: everything, or what is held for some purposes, and some attributes. */
export interface About {
  readonly everything: boolean;
  readonly purposes: readonly string[];
  readonly attributes: readonly string[];
}

/** So long the words of a request, and of an answer, may be, in characters. */
export const LONGEST_WORDS = 1_000;
/** So many of one person may be open at a time, and so many an agent may enter for one person in a day. */
export const MOST_OPEN = 20;
export const MOST_BY_AGENT = 5;
/** How long somebody is told before a restriction is lifted by whoever runs the service (GDPR Art. 18(3)). */
export const LIFTING_DAYS = 7;

/** What somebody asked for, by which law it is answered until when, and what became of it. */
export interface RightsRequest extends About {
  readonly id: string;
  readonly accountId: string;
  readonly kind: Right;
  readonly state: RequestState;
  /** Nobody may refuse it: an objection to direct marketing (GDPR Art. 21(3)). */
  readonly absolute: boolean;
  /** By which mandate, where an agent asked. */
  readonly mandateId: string | undefined;
  readonly place: string;
  readonly law: string;
  readonly askedAt: Date;
  readonly acknowledgeBy: Date;
  readonly dueAt: Date;
  readonly extendedUntil: Date | undefined;
  readonly extendedBecause: string | undefined;
  readonly words: string | undefined;
  readonly answer: string | undefined;
  readonly outcome: Outcome | undefined;
  /** What it is dealt with by, such as a correction. */
  readonly refersTo: string | undefined;
  readonly decidedAt: Date | undefined;
  readonly decidedBy: 'person' | 'operator' | 'keyhold' | undefined;
  /** Since when it holds data back; undefined where it never did. */
  readonly holdsFrom: Date | undefined;
  readonly liftsAt: Date | undefined;
  readonly liftedAt: Date | undefined;
}

/** By when a request has to be answered, as it stands. */
export const dueOf = ({ extendedUntil, dueAt }: Pick<RightsRequest, 'extendedUntil' | 'dueAt'>) =>
  extendedUntil ?? dueAt;

/** Whether a request holds data back at this moment. */
export function isInForce({ holdsFrom, liftedAt }: Pick<RightsRequest, 'holdsFrom' | 'liftedAt'>): boolean {
  return holdsFrom !== undefined && liftedAt === undefined;
}

/** What several requests that hold data back come to; undefined where none does. */
export function heldBackBy(
  requests: readonly (About & Pick<RightsRequest, 'holdsFrom' | 'liftedAt'>)[],
):
  | { readonly all: boolean; readonly purposes: readonly string[]; readonly attributes: readonly string[] }
  | undefined {
  const inForce = requests.filter(isInForce);
  if (inForce.length === 0) return undefined;
  const named = (of: (each: About) => readonly string[]) => [...new Set(inForce.flatMap(of))].sort();
  return {
    all: inForce.some(({ everything }) => everything),
    purposes: named(({ purposes }) => purposes),
    attributes: named(({ attributes }) => attributes),
  };
}

/* What is advertising by whatever basis, in the words of the Data Privacy Vocabulary. */
const MARKETING: readonly string[] = [
  'dpv:Marketing',
  'dpv:DirectMarketing',
  'dpv:Advertising',
  'dpv:PersonalisedAdvertising',
  'dpv:TargetedAdvertising',
];

/** A purpose, as far as it matters for objecting. */
export interface ObjectablePurpose {
  readonly id: string;
  readonly basis: string;
  /** What it is in the words of the vocabulary. */
  readonly terms: readonly string[];
}

/**
 * How somebody may object to a purpose: `absolute` to direct marketing, whatever it rests on (GDPR Art. 21(2), (3));
 * `on_grounds` where it rests on a legitimate interest or a public task (Art. 21(1)); to others not at all, since consent is
 * taken back and a contract ended.
 */
export function objectionTo({ basis, terms }: ObjectablePurpose): 'absolute' | 'on_grounds' | undefined {
  if (terms.some(term => MARKETING.includes(term))) return 'absolute';
  return ['legitimate_interest', 'public_task'].includes(basis) ? 'on_grounds' : undefined;
}
