/** Days that are counted as they come, working days from Monday to Friday, or months of the calendar. */
export type Span = { readonly days: number } | { readonly workingDays: number } | { readonly months: number };

/** How fast a law wants a request of somebody answered. */
export interface Law {
  /** ISO 3166-1 or 3166-2; empty for everywhere else. */
  readonly place: string;
  /** A word under `rights.law.*` in the locales. */
  readonly law: LawName;
  /** When whoever asked must know that it arrived. */
  readonly acknowledge: Span;
  readonly answer: Span;
  /** How much later an answer may come where somebody is told why; undefined where no law allows that. */
  readonly extension: Span | undefined;
  readonly source: string;
}

export type LawName = 'gdpr' | 'uk_gdpr' | 'fadp' | 'ccpa' | 'us_state' | 'pipeda' | 'lgpd' | 'strictest';

/* Nothing says when; but whoever asked is told at once, and a law that names ten working days is kept with that everywhere. */
const TEN_WORKING_DAYS: Span = { workingDays: 10 };

const MEMBERS =
  'AT BE BG CY CZ DE DK EE ES FI FR GR HR HU IE IS IT LI LT LU LV MT NL NO PL PT RO SE SI SK'.split(' ');

const gdpr = (place: string): Law => ({
  place,
  law: 'gdpr',
  acknowledge: TEN_WORKING_DAYS,
  answer: { months: 1 },
  extension: { months: 2 },
  source: 'GDPR Art. 12(3)',
});

const state = (place: string, answer: number, extension: number, source: string): Law => ({
  place,
  law: 'us_state',
  acknowledge: TEN_WORKING_DAYS,
  answer: { days: answer },
  extension: { days: extension },
  source,
});

const CCPA = {
  law: 'ccpa',
  acknowledge: TEN_WORKING_DAYS,
  answer: { days: 45 },
  extension: { days: 45 },
} as const;

/** The clocks by place, each with its source. An operator's lawyers have the last word: laws change, and more may apply. */
export const LAWS: readonly Law[] = [
  ...MEMBERS.map(gdpr),
  { ...gdpr('GB'), law: 'uk_gdpr', source: 'UK GDPR Art. 12(3)' },
  {
    place: 'CH',
    law: 'fadp',
    acknowledge: TEN_WORKING_DAYS,
    answer: { days: 30 },
    extension: { days: 30 },
    source: 'FADP Art. 25(7), Data Protection Ordinance Art. 18',
  },
  {
    place: 'BR',
    law: 'lgpd',
    acknowledge: TEN_WORKING_DAYS,
    answer: { days: 15 },
    extension: undefined,
    source: 'LGPD Art. 19(II)',
  },
  {
    place: 'CA',
    law: 'pipeda',
    acknowledge: TEN_WORKING_DAYS,
    answer: { days: 30 },
    extension: { days: 30 },
    source: 'PIPEDA s. 8(3), (4)',
  },
  { place: 'US-CA', ...CCPA, source: 'Cal. Civ. Code § 1798.130(a)(2); 11 CCR § 7021' },
  state('US-CO', 45, 45, 'C.R.S. § 6-1-1306(2)'),
  state('US-CT', 45, 45, 'Conn. Gen. Stat. § 42-518(c)'),
  state('US-IA', 90, 45, 'Iowa Code § 715D.3'),
  state('US-OR', 45, 45, 'ORS 646A.576'),
  state('US-TX', 45, 45, 'Tex. Bus. & Com. Code § 541.052'),
  state('US-UT', 45, 45, 'Utah Code § 13-61-203'),
  state('US-VA', 45, 45, 'Va. Code § 59.1-577'),
  /* Without a state, or in one that is not listed, that of California counts: no other is faster. */
  { place: 'US', ...CCPA, source: 'as Cal. Civ. Code § 1798.130(a)(2), the strictest of its states' },
];

const BY_PLACE = new Map(LAWS.map(law => [law.place, law]));

/* In days, at the least that it can come to. */
function shortest(span: Span): number {
  if ('days' in span) return span.days;
  return 'workingDays' in span ? span.workingDays : span.months * 28;
}

const first = (spans: readonly Span[]): Span =>
  spans.reduce((least, each) => (shortest(each) < shortest(least) ? each : least));

/** Where nobody knows which law it is: the earliest of all these, and nothing put off, so that nobody has less by being unknown. */
export const STRICTEST: Law = {
  place: '',
  law: 'strictest',
  acknowledge: first(LAWS.map(({ acknowledge }) => acknowledge)),
  answer: first(LAWS.map(({ answer }) => answer)),
  extension: undefined,
  source: 'nothing is known about this place, so the earliest of all counts',
};

/** The clock for somebody: of their region, else of their country, else the earliest of all. */
export function lawFor({
  country = '',
  region = '',
}: {
  readonly country?: string | undefined;
  readonly region?: string | undefined;
}): Law {
  const place = country.toUpperCase();
  return BY_PLACE.get(`${place}-${region.toUpperCase()}`) ?? BY_PLACE.get(place) ?? STRICTEST;
}

/** The law by which a request's days were counted when it was asked. */
export function lawOf({ place }: { readonly place: string }): Law {
  return BY_PLACE.get(place) ?? STRICTEST;
}

/**
 * When a span from an instant is over: at its hour, days in UTC. A month that has no such day ends on its last one (Regulation
 * 1182/71 Art. 3(2)(c)). Neither holidays nor a weekend at its end make it later, though a law may allow that.
 */
export function after(from: Date, span: Span): Date {
  const at = new Date(from);
  if ('months' in span) {
    const day = at.getUTCDate();
    at.setUTCDate(1);
    at.setUTCMonth(at.getUTCMonth() + span.months);
    const last = new Date(Date.UTC(at.getUTCFullYear(), at.getUTCMonth() + 1, 0)).getUTCDate();
    at.setUTCDate(Math.min(day, last));
    return at;
  }
  if ('days' in span) {
    at.setUTCDate(at.getUTCDate() + span.days);
    return at;
  }
  for (let left = span.workingDays; left > 0; ) {
    at.setUTCDate(at.getUTCDate() + 1);
    const day = at.getUTCDay();
    if (day !== 0 && day !== 6) left--;
  }
  return at;
}

/** By when a request that is asked now has to be answered. */
export interface Deadlines {
  readonly acknowledgeBy: Date;
  readonly dueAt: Date;
}

/** The days of a request that is asked at an instant. */
export function deadlinesOf(law: Law, askedAt: Date): Deadlines {
  return { acknowledgeBy: after(askedAt, law.acknowledge), dueAt: after(askedAt, law.answer) };
}

/** Until when an answer may be put off, counted from the day on which it would be due; undefined where no law allows it. */
export function latestOf(law: Law, dueAt: Date): Date | undefined {
  return law.extension && after(dueAt, law.extension);
}

/** How near the end of a request's time is. */
export type Urgency = 'later' | 'soon' | 'overdue';
const SOON_MS = 7 * 86_400_000;

/** Whether a request has to be answered within a week, or had to be already. */
export function urgencyOf(due: Date, now: Date): Urgency {
  const left = due.getTime() - now.getTime();
  if (left < 0) return 'overdue';
  return left <= SOON_MS ? 'soon' : 'later';
}
