import { expect, test } from '@jest/globals';
import { openPlaces } from '../../src/platform/places.js';

const troubles: unknown[] = [];
const places = openPlaces(trouble => troubles.push(trouble));

test.each([
  ['129.132.19.216', 'CH'],
  ['131.111.8.42', 'GB'],
  ['133.11.0.1', 'JP'],
  ['::ffff:129.132.19.216', 'CH'],
  ['2a02:8109::1', 'DE'],
  ['2001:67c:2e8:22::c100:68b', 'NL'],
])('%s is in %s', async (address, country) => {
  expect(await places.countryOf(address)).toBe(country);
});

test.each([
  '127.0.0.1',
  '::1',
  '10.1.2.3',
  '192.168.0.1',
  'fd00::1',
  '169.254.1.1',
  '192.0.2.1',
  '',
  'unknown',
  '999.1.1.1',
  '1.1.1.1; DROP TABLE',
])('nobody knows where %j is', async address => {
  expect(await places.countryOf(address)).toBeUndefined();
});

test('a file that is missing or broken makes every place unknown, and is noted once', async () => {
  for (const file of ['/nowhere/places.mmdb', 'package.json']) {
    const noted: unknown[] = [];
    const broken = openPlaces(trouble => noted.push(trouble), file);
    expect(await broken.countryOf('129.132.19.216')).toBeUndefined();
    expect(await broken.countryOf('129.132.19.216')).toBeUndefined();
    expect(noted).toHaveLength(1);
  }
  expect(troubles).toEqual([]);
});
