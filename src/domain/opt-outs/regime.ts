/**
 * Whether data about somebody may be sold, or shared for advertising across contexts, until they say no (`opt_out`) or only
 * once they said yes (`opt_in`).
 */
export type Regime = 'opt_in' | 'opt_out';

/** What the law of a place says about selling and sharing. */
export interface Rule {
  /** ISO 3166-1 or 3166-2. */
  readonly place: string;
  readonly regime: Regime;
  /** Whoever is younger must have said yes themselves, or a parent for them (`parentUnder`). */
  readonly optInUnder: number | undefined;
  /** Below this age nobody can say yes for themselves. */
  readonly parentUnder: number;
  readonly source: string;
}

const GDPR = 'GDPR Art. 6(1)(a), 7, 8; ePrivacy Directive Art. 5(3)';

/* The age at which a child's own consent to an online service counts (GDPR Art. 8(1)), with the law that set it. */
const GDPR_AGES: readonly (readonly [place: string, age: number, source: string])[] = [
  ['AT', 14, 'DSG § 4(4)'],
  ['BE', 13, 'Act of 30 July 2018, Art. 7'],
  ['BG', 14, 'Personal Data Protection Act, Art. 25c'],
  ['CY', 14, 'Law 125(I)/2018, s. 8'],
  ['CZ', 15, 'Act 110/2019, § 7'],
  ['DE', 16, 'GDPR Art. 8(1)'],
  ['DK', 15, 'Databeskyttelsesloven § 6(2), as amended 2024'],
  ['EE', 13, 'Personal Data Protection Act, § 8'],
  ['ES', 14, 'LOPDGDD Art. 7'],
  ['FI', 13, 'Tietosuojalaki 1050/2018, § 5'],
  ['FR', 15, 'Loi 78-17, Art. 45'],
  ['GR', 15, 'Law 4624/2019, Art. 21'],
  ['HR', 16, 'GDPR Art. 8(1)'],
  ['HU', 16, 'GDPR Art. 8(1)'],
  ['IE', 16, 'Data Protection Act 2018, s. 31'],
  ['IS', 13, 'Act 90/2018, Art. 10'],
  ['IT', 14, 'Codice privacy Art. 2-quinquies'],
  ['LI', 16, 'GDPR Art. 8(1)'],
  ['LT', 14, 'Law on Legal Protection of Personal Data, Art. 6'],
  ['LU', 16, 'GDPR Art. 8(1)'],
  ['LV', 13, 'Personal Data Processing Law, s. 33'],
  ['MT', 13, 'S.L. 586.11'],
  ['NL', 16, 'UAVG Art. 5'],
  ['NO', 13, 'Personopplysningsloven § 5'],
  ['PL', 16, 'GDPR Art. 8(1)'],
  ['PT', 13, 'Lei 58/2019, Art. 16'],
  ['RO', 16, 'GDPR Art. 8(1)'],
  ['SE', 13, 'Lag 2018:218, 2 kap. 4 §'],
  ['SI', 15, 'ZVOP-2 Art. 8'],
  ['SK', 16, 'Act 18/2018, § 15'],
  ['GB', 13, 'Data Protection Act 2018, s. 9; PECR reg. 6'],
];

const COPPA = '16 CFR 312';

/* American states. A signal of the browser is a no by the law of most of them; here it is everywhere. */
const STATES: readonly (readonly [place: string, optInUnder: number | undefined, source: string])[] = [
  ['US-CA', 16, 'Cal. Civ. Code § 1798.120(c)(d), .135; 11 CCR § 7025'],
  ['US-CO', undefined, 'C.R.S. § 6-1-1306(1)(a)'],
  ['US-CT', 16, 'Conn. Gen. Stat. § 42-520'],
  ['US-DE', 18, '6 Del. C. § 12D-106'],
  ['US-MD', 18, 'Md. Code, Com. Law § 14-4707'],
  ['US-MN', 16, 'Minn. Stat. § 325M.16'],
  ['US-MT', 16, 'Mont. Code § 30-14-2812'],
  ['US-NE', undefined, 'Neb. Rev. Stat. § 87-1114'],
  ['US-NH', 16, 'N.H. RSA 507-H:6'],
  ['US-NJ', 17, 'N.J.S.A. 56:8-166.12'],
  ['US-OR', 16, 'ORS 646A.574 to .578'],
  ['US-TX', undefined, 'Tex. Bus. & Com. Code § 541.055(e)'],
  ['US-IA', undefined, 'Iowa Code § 715D.3'],
  ['US-IN', undefined, 'Ind. Code § 24-15-3'],
  ['US-KY', undefined, 'KRS 367.3615'],
  ['US-RI', undefined, 'R.I. Gen. Laws § 6-48.1-5'],
  ['US-TN', undefined, 'Tenn. Code § 47-18-3304'],
  ['US-UT', undefined, 'Utah Code § 13-61-201'],
  ['US-VA', undefined, 'Va. Code § 59.1-577'],
];

const ADULT = 18;

const gdpr = ([place, parentUnder, source]: (typeof GDPR_AGES)[number]): Rule => ({
  place,
  regime: 'opt_in',
  optInUnder: undefined,
  parentUnder,
  source: `${GDPR}; ${source}`,
});

const state = ([place, optInUnder, source]: (typeof STATES)[number]): Rule => ({
  place,
  regime: 'opt_out',
  optInUnder: optInUnder ?? 13,
  parentUnder: 13,
  source: `${source}; ${COPPA}`,
});

/** The rules by place, each with its source. An operator's lawyers have the last word: laws change, and more may apply. */
export const RULES: readonly Rule[] = [
  ...GDPR_AGES.map(gdpr),
  {
    place: 'CH',
    regime: 'opt_in',
    optInUnder: undefined,
    parentUnder: 16,
    source: 'FADP Art. 6(6)(7), 30; the age by analogy',
  },
  {
    place: 'BR',
    regime: 'opt_in',
    optInUnder: undefined,
    parentUnder: 12,
    source: 'LGPD Art. 7(I), 14',
  },
  ...STATES.map(state),
  /* Without a state the strictest of them counts. */
  {
    place: 'US',
    regime: 'opt_out',
    optInUnder: ADULT,
    parentUnder: 13,
    source: `the strictest of its states; ${COPPA}`,
  },
];

/* A place that is not listed: nothing is sold of anybody who did not say yes. */
const ELSEWHERE: Rule = {
  place: '',
  regime: 'opt_in',
  optInUnder: undefined,
  parentUnder: 16,
  source: 'nothing is known about this place, so the strictest counts',
};

const BY_PLACE = new Map(RULES.map(rule => [rule.place, rule]));

/** What is known of where somebody lives and how old they are. */
export interface Whereabouts {
  /** ISO 3166-1 alpha-2. */
  readonly country?: string | undefined;
  /** The part of the country after the dash in ISO 3166-2, such as CA. */
  readonly region?: string | undefined;
  /** Whole years; undefined when nobody said. */
  readonly age?: number | undefined;
}

/** The rule for somebody: of their region, else of their country, else the strictest. */
export function ruleFor({ country = '', region = '' }: Whereabouts): Rule {
  const place = country.toUpperCase();
  return BY_PLACE.get(`${place}-${region.toUpperCase()}`) ?? BY_PLACE.get(place) ?? ELSEWHERE;
}

/** Whether somebody is asked before anything is sold or shared, or may say no afterwards. */
export function regimeFor(whereabouts: Whereabouts): Regime {
  const { regime, optInUnder } = ruleFor(whereabouts);
  const { age } = whereabouts;
  return age !== undefined && optInUnder !== undefined && age < optInUnder ? 'opt_in' : regime;
}

/** Whether a parent has to say yes in somebody's place. */
export function needsParent(whereabouts: Whereabouts): boolean {
  return whereabouts.age !== undefined && whereabouts.age < ruleFor(whereabouts).parentUnder;
}

/** Whole years from a birth date (YYYY-MM-DD) to a day; undefined when that is no date, or leaves out the year. */
export function ageOn(birthdate: unknown, day: Date): number | undefined {
  const [, year, month, date] = /^(\d{4})-(\d{2})-(\d{2})$/.exec(String(birthdate)) ?? [];
  if (year === undefined || year === '0000') return undefined;
  const had = day.toISOString().slice(5, 10) >= `${month}-${date}`;
  return day.getUTCFullYear() - Number(year) - (had ? 0 : 1);
}
