import { expect, test } from '@jest/globals';
import { namedZones, zoneInWords } from '../../../src/journeys/manage/time-zones.js';
import { openWords } from '../../../src/platform/web/words.js';

const words = openWords();

test.each(words.languages)('every time zone has a region that has a word in %s', language => {
  const t = words.translator(language);
  const wordless = [...namedZones(language).values()].filter(
    ({ region }) => region && t(`time_zone_region.${region}`) === `time_zone_region.${region}`,
  );
  expect(wordless).toEqual([]);
  expect([...namedZones(language).values()].filter(({ region }) => !region)).toEqual([
    { zone: 'UTC', place: 'UTC' },
  ]);
});

test('a time is called as the language calls it, and as it is called today', () => {
  const said = (zone: string) => words.languages.map(language => zoneInWords(zone, language));
  expect(said('Europe/Berlin').sort()).toEqual([
    'Berlin · Central European Time',
    'Berlin · Mitteleuropäische Zeit',
    'Berlin · heure d’Europe centrale',
    'Berlin · hora de Europa central',
    'Berlin · توقيت وسط أوروبا',
  ]);
  expect(zoneInWords('America/Argentina/Salta', 'es')).toMatch(/^Argentina \/ Salta · hora/);
  /* Turkey left Eastern European Time in 2016. */
  expect(zoneInWords('Europe/Istanbul', 'en')).not.toContain('European');
  expect(zoneInWords('Mars/Olympus', 'en')).toBe('Mars/Olympus');
});
