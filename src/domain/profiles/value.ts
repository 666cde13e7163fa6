import { z } from 'zod';
import { sayIn } from '../purposes/purposes.js';
import type { KeptAttribute } from './attribute.js';

/** The parts of an address (OpenID Connect Core §5.1.1). */
export const ADDRESS_PARTS = ['street_address', 'postal_code', 'locality', 'region', 'country'] as const;

/** A value as it is kept: JSON, and never null. */
export type Value = string | number | boolean | Readonly<Record<string, string>>;

/** What is wrong with a value. */
export type ValueProblem =
  | 'missing'
  | 'too_long'
  | 'not_like_that'
  | 'no_number'
  | 'too_small'
  | 'too_large'
  | 'no_date'
  | 'not_past'
  | 'no_choice'
  | 'no_url'
  | 'no_zone'
  | 'no_address'
  | 'by_upload';

/** A value that was read, nothing (`undefined`: to be left out), or what is wrong. */
export type ReadValue = { readonly value: Value | undefined } | { readonly problem: ValueProblem };

const addressSchema = z.strictObject(
  Object.fromEntries(ADDRESS_PARTS.map(part => [part, z.string().max(500).optional()])) as Record<
    (typeof ADDRESS_PARTS)[number],
    z.ZodOptional<z.ZodString>
  >,
);

/* One line: no control characters or line breaks, and no marks that turn the text around it. */
function tidy(text: string): string {
  return text
    .normalize('NFC')
    .replace(/[\p{Cc}\p{Zl}\p{Zp}\u202a-\u202e\u2066-\u2069]+/gu, ' ')
    .replace(/\s+/g, ' ')
    .trim();
}

/** Reads what somebody gave for an attribute, from a form or from JSON. */
export function readValue(attribute: KeptAttribute, input: unknown, now: Date): ReadValue {
  const given = typeof input === 'string' ? tidy(input) : input;
  if (given === '' || given === null || given === undefined) {
    return attribute.required ? { problem: 'missing' } : { value: undefined };
  }
  if (attribute.type === 'picture') return { problem: 'by_upload' };
  if (attribute.type === 'address') return readAddress(attribute, given);
  if (attribute.type === 'number') return readNumber(attribute, given);
  if (attribute.type === 'yes-no') return readYesNo(given);
  return typeof given === 'string' ? readText(attribute, given, now) : { problem: 'not_like_that' };
}

type Of<Type extends KeptAttribute['type']> = Extract<KeptAttribute, { type: Type }>;

function readText(attribute: KeptAttribute, given: string, now: Date): ReadValue {
  switch (attribute.type) {
    case 'text':
      return readLine(attribute, given);
    case 'date':
      return readDate(attribute, given, now);
    case 'choice':
      return attribute.choices.some(({ value }) => value === given)
        ? { value: given }
        : { problem: 'no_choice' };
    case 'url':
      return isLink(given) ? { value: given } : { problem: 'no_url' };
    default:
      return isZone(given) ? { value: given } : { problem: 'no_zone' };
  }
}

function readLine({ max, pattern }: Of<'text'>, given: string): ReadValue {
  if ([...given].length > max) return { problem: 'too_long' };
  const fits = pattern === undefined || new RegExp(`^(?:${pattern})$`, 'u').test(given);
  return fits ? { value: given } : { problem: 'not_like_that' };
}

function readDate({ past }: Of<'date'>, given: string, now: Date): ReadValue {
  const at = /^\d{4}-\d\d-\d\d$/.test(given) ? new Date(`${given}T00:00:00Z`) : undefined;
  /* Node reads 31 February as 3 March. */
  const isDay =
    at && !Number.isNaN(at.getTime()) && at.toISOString().startsWith(given) && at.getUTCFullYear() >= 1000;
  if (!isDay) return { problem: 'no_date' };
  return past && at > now ? { problem: 'not_past' } : { value: given };
}

function readNumber({ min, max, whole }: Of<'number'>, given: unknown): ReadValue {
  const isText = typeof given === 'string' && /^-?\d{1,15}([.,]\d{1,6})?$/.test(given);
  const value = isText ? Number(given.replace(',', '.')) : given;
  if (typeof value !== 'number' || !Number.isFinite(value) || (whole && !Number.isInteger(value))) {
    return { problem: 'no_number' };
  }
  if (min !== undefined && value < min) return { problem: 'too_small' };
  return max !== undefined && value > max ? { problem: 'too_large' } : { value };
}

function readYesNo(given: unknown): ReadValue {
  const known = new Map<unknown, boolean>([
    ['yes', true],
    ['no', false],
    [true, true],
    [false, false],
  ]);
  const value = known.get(given);
  return value === undefined ? { problem: 'no_choice' } : { value };
}

function readAddress({ required }: Of<'address'>, given: unknown): ReadValue {
  const checked = addressSchema.safeParse(given);
  if (!checked.success) return { problem: 'no_address' };
  const parts = ADDRESS_PARTS.map(part => [part, tidy(checked.data[part] ?? '')] as const).filter(
    ([, text]) => text !== '',
  );
  if (parts.length === 0) return required ? { problem: 'missing' } : { value: undefined };
  return { value: Object.fromEntries(parts) };
}

function isLink(text: string): boolean {
  const url = URL.parse(text);
  return (
    text.length <= 500 &&
    url !== null &&
    /^https?:$/.test(url.protocol) &&
    url.username === '' &&
    url.password === ''
  );
}

let zones: ReadonlySet<string> | undefined;

/** The time zones there are. */
export function timeZones(): ReadonlySet<string> {
  zones ??= new Set(['UTC', ...Intl.supportedValuesOf('timeZone')]);
  return zones;
}

function isZone(text: string): boolean {
  return timeZones().has(text);
}

/** Whether two values are the same one. */
export function sameValue(one: unknown, other: unknown): boolean {
  return JSON.stringify(ordered(one)) === JSON.stringify(ordered(other));
}

function ordered(value: unknown): unknown {
  return typeof value === 'object' && value !== null ? Object.entries(value).sort() : value;
}

/** A value as a person reads it; of a choice its label, of an address its lines. */
export function valueInWords(attribute: KeptAttribute, value: unknown, language: string): string {
  if (value === undefined || value === null) return '';
  if (attribute.type === 'choice') {
    const choice = attribute.choices.find(each => each.value === value);
    return choice ? sayIn(choice.label, language) : String(value);
  }
  if (attribute.type === 'number') return new Intl.NumberFormat(language).format(Number(value));
  if (attribute.type === 'date') {
    const at = new Date(`${String(value)}T00:00:00Z`);
    const format = new Intl.DateTimeFormat(language, { dateStyle: 'long', timeZone: 'UTC' });
    return Number.isNaN(at.getTime()) ? String(value) : format.format(at);
  }
  if (typeof value === 'object') return addressLines(value as Readonly<Record<string, string>>).join(', ');
  return String(value);
}

/** The lines of an address, as they stand on a letter. */
export function addressLines(address: Readonly<Record<string, string>>): readonly string[] {
  const { street_address, postal_code, locality, region, country, formatted } = address;
  const place = [postal_code, locality].filter(Boolean).join(' ');
  const lines = [street_address, place, region, country].filter(line => line !== undefined && line !== '');
  return lines.length > 0 ? (lines as string[]) : (formatted ?? '').split('\n');
}
