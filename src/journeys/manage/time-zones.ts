import { timeZones } from '../../domain/profiles/profiles.js';

/** A word under `time_zone_region.*` in the locales. */
export type ZoneRegion =
  | 'africa'
  | 'america'
  | 'antarctica'
  | 'arctic'
  | 'asia'
  | 'atlantic'
  | 'australia'
  | 'europe'
  | 'indian'
  | 'pacific';

/** A time zone as people find it: its city as it is written everywhere, and how their language calls the time there. */
export interface NamedZone {
  readonly zone: string;
  /** None for UTC, which is nowhere. */
  readonly region?: ZoneRegion;
  readonly place: string;
  readonly time?: string;
}

const named = new Map<string, ReadonlyMap<string, NamedZone>>();

/** The time zones there are, in one of the languages of the pages. */
export function namedZones(language: string): ReadonlyMap<string, NamedZone> {
  const known = named.get(language);
  if (known) return known;
  /* Four hundred formats take a tenth of a second, so they are made once and only their words are kept. */
  const zones = new Map([...timeZones()].map(zone => [zone, nameOf(zone, language)]));
  named.set(language, zones);
  return zones;
}

/** A time zone in a line: "Berlin · Central European Time". */
export function zoneInWords(zone: string, language: string): string {
  const { place, time } = namedZones(language).get(zone) ?? { place: zone };
  return time === undefined ? place : `${place} · ${time}`;
}

function nameOf(zone: string, language: string): NamedZone {
  const [region = '', ...rest] = zone.split('/');
  if (rest.length === 0) return { zone, place: zone };
  const format = new Intl.DateTimeFormat(language, { timeZone: zone, timeZoneName: 'longGeneric' });
  const time = format.formatToParts().find(({ type }) => type === 'timeZoneName')?.value;
  return {
    zone,
    region: region.toLowerCase() as ZoneRegion,
    place: rest.join(' / ').replaceAll('_', ' '),
    ...(time !== undefined && { time }),
  };
}
