/** Says values as a language writes them: numbers, moments, lists, and names of another direction. */
export interface InLanguage {
  value(value: unknown): string;
  /** A moment to the minute, in the person's zone where it is known. */
  time(at: Date, zone?: string): string;
  /** A day, in the person's zone where it is known. */
  date(at: Date, zone?: string): string;
  list(items: readonly string[]): string;
  /** The name of a country, by its two letters. */
  country(code: string): string;
  /** A code or an address on a line of its own in a text without markup: it begins at its left. */
  line(value: string): string;
}

const RIGHT_TO_LEFT = new Set(['ar', 'ckb', 'dv', 'fa', 'he', 'ps', 'sd', 'ug', 'ur', 'yi']);
const LEFT_TO_RIGHT_ONLY =
  /^[^\p{Script=Arabic}\p{Script=Hebrew}\p{Script=Syriac}\p{Script=Thaana}\p{Script=Nko}]*$/u;
const DIRECTING = /[\u061c\u200e\u200f\u202a-\u202e]/g;
const ISOLATING = /[\u2066-\u2069]/g;
const MOST_FORMATS = 500;

/** The direction in which a language is written. */
export function directionOf(language: string): 'ltr' | 'rtl' {
  return RIGHT_TO_LEFT.has(language.split('-', 1)[0] ?? '') ? 'rtl' : 'ltr';
}

/** The ways of one language. Codes and addresses have Latin digits, so all numbers have: two sorts on one page confuse. */
export function inLanguage(language: string): InLanguage {
  const locale = `${language}-u-nu-latn`;
  const numbers = new Intl.NumberFormat(locale);
  const lists = new Intl.ListFormat(locale);
  const countries = new Intl.DisplayNames(locale, { type: 'region' });
  const direction = directionOf(language);
  const day = { day: 'numeric', month: 'long', year: 'numeric' } as const;
  const minute = { ...day, hour: 'numeric', minute: '2-digit', timeZoneName: 'short' } as const;
  const times = formats(locale, minute);
  const dates = formats(locale, day);
  const value = (given: unknown): string => {
    if (typeof given === 'number') return numbers.format(given);
    const text = contained(String(given).replace(DIRECTING, ''));
    return direction === 'rtl' || !LEFT_TO_RIGHT_ONLY.test(text) ? apart(text) : text;
  };
  return {
    value,
    time: (at, zone) => times(zone).format(at),
    date: (at, zone) => dates(zone).format(at),
    list: items => lists.format(items.map(value)),
    country: code => (/^[A-Z]{2}$/.test(code) ? (countries.of(code) ?? code) : code),
    line: text => (direction === 'rtl' ? `\u200e${text}` : text),
  };
}

/** A value that opens and closes its isolates, as a list does, stays within itself; any other loses them. */
function contained(text: string): string {
  let open = 0;
  for (const [sign] of text.matchAll(ISOLATING)) {
    open += sign === '\u2069' ? -1 : 1;
    if (open < 0) break;
  }
  return open === 0 ? text : text.replace(ISOLATING, '');
}

/** What `<bdi>` is in a page, within a sentence: the value neither turns what stands around it nor is turned by it. */
function apart(text: string): string {
  // FSI takes the direction of what is around it where a value has letters of neither ("4821 9037" would be turned).
  return text === '' ? '' : `${LEFT_TO_RIGHT_ONLY.test(text) ? '\u2066' : '\u2068'}${text}\u2069`;
}

/** One format for each zone, made when first asked for; a zone that does not exist is UTC. */
function formats(locale: string, shape: Intl.DateTimeFormatOptions): (zone?: string) => Intl.DateTimeFormat {
  const made = new Map<string, Intl.DateTimeFormat>();
  const utc = new Intl.DateTimeFormat(locale, { ...shape, timeZone: 'UTC' });
  return (zone = 'UTC') => {
    const known = zone === 'UTC' ? utc : made.get(zone);
    if (known !== undefined) return known;
    if (made.size >= MOST_FORMATS) made.clear();
    const format = inZone(locale, shape, zone) ?? utc;
    made.set(zone, format);
    return format;
  };
}

function inZone(locale: string, shape: Intl.DateTimeFormatOptions, timeZone: string) {
  try {
    return new Intl.DateTimeFormat(locale, { ...shape, timeZone });
  } catch {
    return undefined;
  }
}
