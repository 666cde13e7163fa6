import {
  ADDRESS_PARTS,
  addressLines,
  type FromProvider,
  type KeptAttribute,
  type ProfileSource,
  valueInWords,
} from '../../../domain/profiles/profiles.js';
import { sayIn } from '../../../domain/purposes/purposes.js';
import type { AccountCall } from '../door.js';
import { namedZones, zoneInWords } from '../time-zones.js';
import type { ProfileEntry } from './entries.js';
import type { ChangeField, ShownEntry, ShownLimits, ShownValue, Span } from './models.js';

/** In whose language and words something is shown. */
export interface Speaking {
  readonly language: string;
  say(key: string): string;
}

/** The language of the page that is asked for. */
export function speakingOf({ ctx, parts }: Pick<AccountCall, 'ctx' | 'parts'>): Speaking {
  return { language: parts.pages.language(ctx), say: key => parts.pages.say(ctx, key) };
}

/** A value in words. */
export function shownValue(
  attribute: KeptAttribute,
  value: unknown,
  speaking: Speaking,
): ShownValue | undefined {
  if (value === undefined || value === null) return undefined;
  if (attribute.type === 'picture') return { lines: [], picture: String(value) };
  if (attribute.type === 'yes-no')
    return { lines: [speaking.say(value === true ? 'profile.yes' : 'profile.no')] };
  if (attribute.type === 'address' && typeof value === 'object') {
    return { lines: addressLines(value as Readonly<Record<string, string>>) };
  }
  if (attribute.type === 'time-zone') return { lines: [zoneInWords(String(value), speaking.language)] };
  return { lines: [valueInWords(attribute, value, speaking.language)] };
}

/** Where an attribute is changed. */
export const changePath = ({ name, type }: KeptAttribute, sure = false) =>
  `/account/profile/${sure ? 'sure-' : ''}${type === 'picture' ? 'picture' : 'change'}/${name}` as const;

const set = <Key extends string, Value>(key: Key, value: Value | undefined) =>
  (value === undefined ? {} : { [key]: value }) as { [K in Key]?: Value };

/** One attribute with all that stands beside it, in words. */
export function shownEntry(entry: ProfileEntry, speaking: Speaking): ShownEntry {
  const { attribute, kept, purpose, open, correction } = entry;
  const { language } = speaking;
  const inWords = (value: unknown) => shownValue(attribute, value, speaking);
  return {
    name: attribute.name,
    label: sayIn(attribute.label, language),
    ...set('value', inWords(kept?.value)),
    ...(kept && { since: kept.at, ...shownSource(kept.source) }),
    ...set('until', entry.until),
    purpose: sayIn(purpose.name, language),
    why: sayIn(purpose.why, language),
    basis: purpose.basis,
    toApps: attribute.see.includes('apps'),
    apps: entry.apps.map(({ name }) => name),
    required: attribute.required,
    ...(entry.skipped && { skipped: { at: entry.skipped.at, ...set('app', entry.skipped.name) } }),
    ...(entry.mayChange && { changeUrl: changePath(attribute) }),
    correctUrl: `/account/profile/correction/${attribute.name}`,
    ...(kept && purpose.basis === 'consent' && { endUrl: `/account/profile/purpose/${purpose.id}` }),
    ...set('blocked', entry.blocked),
    ...(open && {
      open: {
        id: open.id,
        state: open.state,
        ...set('value', inWords(open.value)),
        ...set('at', open.effectiveAt),
      },
    }),
    undoable: entry.undoable.map(({ id, before, at, until }) => ({
      id,
      at,
      until,
      ...set('before', inWords(before)),
    })),
    ...set('refused', entry.refused),
    ...(correction && {
      correction: {
        id: correction.id,
        state: correction.state as 'open' | 'done' | 'refused',
        wish: correction.wish,
        ...set('answer', correction.answer),
        at: correction.settledAt ?? correction.askedAt,
      },
    }),
  };
}

function shownSource(source: ProfileSource): Pick<ShownEntry, 'source' | 'sentBy'> {
  if (!isFromProvider(source)) return { source };
  return { source: 'provider', sentBy: source.slice('provider:'.length) };
}

const isFromProvider = (source: ProfileSource): source is FromProvider => source.startsWith('provider:');

function spanOf(span: string | undefined): Span | undefined {
  const [count, unit = 'day'] = span?.split(' ') ?? [];
  return count === undefined
    ? undefined
    : { count: Number(count), unit: unit.replace(/s$/, '') as Span['unit'] };
}

/** How an attribute may be changed, in words. */
export function shownLimits({ limits }: KeptAttribute): ShownLimits {
  const { changes, cool_down, step_up, approval, effective_after, undo_within } = limits;
  const within = spanOf(changes?.within);
  return {
    ...(changes && within && { times: { count: changes.max, within } }),
    ...set('coolDown', spanOf(cool_down)),
    stepUp: step_up === true,
    approval: approval === true,
    ...set('effectiveAfter', spanOf(effective_after)),
    ...set('undoWithin', spanOf(undo_within)),
  };
}

const AUTOCOMPLETE: Readonly<Record<string, string>> = {
  name: 'name',
  given_name: 'given-name',
  middle_name: 'additional-name',
  family_name: 'family-name',
  nickname: 'nickname',
  website: 'url',
  gender: 'sex',
  birthdate: 'bday',
  street_address: 'street-address',
  postal_code: 'postal-code',
  locality: 'address-level2',
  region: 'address-level1',
  country: 'country-name',
};

const ADDRESS_WORDS: Readonly<Record<(typeof ADDRESS_PARTS)[number], string>> = {
  street_address: 'profile.address_street_address',
  postal_code: 'profile.address_postal_code',
  locality: 'profile.address_locality',
  region: 'profile.address_region',
  country: 'profile.address_country',
};

/** The fields that a value is typed into: what was typed before, else what is kept. */
export function fieldsOf(
  attribute: KeptAttribute,
  kept: unknown,
  typed: Readonly<Record<string, unknown>>,
  speaking: Speaking,
): readonly ChangeField[] {
  if (attribute.type === 'address') {
    const parts = (kept ?? {}) as Readonly<Record<string, string>>;
    return ADDRESS_PARTS.map(part => ({
      name: part,
      label: speaking.say(ADDRESS_WORDS[part]),
      value: textOf(typed[part] ?? parts[part]),
      autocomplete: AUTOCOMPLETE[part] ?? 'off',
      kind: 'text',
      maxlength: 500,
    }));
  }
  const value = textOf(typed['value'] ?? formText(attribute, kept));
  const field = {
    name: 'value',
    label: sayIn(attribute.label, speaking.language),
    value,
    autocomplete: AUTOCOMPLETE[attribute.name] ?? 'off',
  };
  const choices = choicesOf(attribute, speaking);
  if (choices) {
    const offered = choices.map(choice => ({ ...choice, chosen: choice.value === value }));
    return [{ ...field, kind: 'choice', choices: offered }];
  }
  const { type } = attribute;
  const kind = type === 'url' || type === 'date' || type === 'number' ? type : 'text';
  return [{ ...field, kind, ...(type === 'text' && { maxlength: attribute.max }) }];
}

const textOf = (value: unknown) =>
  typeof value === 'string' || typeof value === 'number' ? String(value) : '';

function formText({ type }: KeptAttribute, kept: unknown): unknown {
  return type === 'yes-no' && typeof kept === 'boolean' ? (kept ? 'yes' : 'no') : kept;
}

function choicesOf(attribute: KeptAttribute, { language, say }: Speaking) {
  if (attribute.type === 'choice') {
    return attribute.choices.map(({ value, label }) => ({ value, label: sayIn(label, language) }));
  }
  if (attribute.type === 'yes-no') {
    return [
      { value: 'yes', label: say('profile.yes') },
      { value: 'no', label: say('profile.no') },
    ];
  }
  if (attribute.type !== 'time-zone') return undefined;
  return [...namedZones(language).values()].map(({ zone, region }) => {
    const words = zoneInWords(zone, language);
    return { value: zone, label: region ? `${say(`time_zone_region.${region}`)} / ${words}` : words };
  });
}
