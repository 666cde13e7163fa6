import { expect, test } from '@jest/globals';
import { nextDay, startOfDay } from '../../src/platform/days.js';

test.each([
  ['2026-05-31', undefined, '2026-05-31T00:00:00.000Z'],
  ['2026-05-31', 'Europe/Zurich', '2026-05-30T22:00:00.000Z'],
  ['2026-01-31', 'Europe/Zurich', '2026-01-30T23:00:00.000Z'],
  ['2026-03-29', 'Europe/Zurich', '2026-03-28T23:00:00.000Z'],
  ['2026-03-30', 'Europe/Zurich', '2026-03-29T22:00:00.000Z'],
  ['2026-10-25', 'Europe/Zurich', '2026-10-24T22:00:00.000Z'],
  ['2026-10-26', 'Europe/Zurich', '2026-10-25T23:00:00.000Z'],
  ['2026-05-31', 'America/Los_Angeles', '2026-05-31T07:00:00.000Z'],
  ['2026-05-31', 'Asia/Kathmandu', '2026-05-30T18:15:00.000Z'],
  ['2026-05-31', 'Pacific/Kiritimati', '2026-05-30T10:00:00.000Z'],
  ['2026-05-31', 'Moon/Tycho', '2026-05-31T00:00:00.000Z'],
  ['2024-02-29', 'UTC', '2024-02-29T00:00:00.000Z'],
])('%s in %s begins at %s', (day, zone, instant) => {
  expect(startOfDay(day, zone)?.toISOString()).toBe(instant);
});

test.each(['', '2026-02-29', '2026-13-01', '2026-1-1', '31.5.2026', '2026-05-31T00:00', 'x', '0000-00-00'])(
  '%j is no day',
  day => {
    expect(startOfDay(day)).toBeUndefined();
    expect(nextDay(day)).toBeUndefined();
  },
);

test('the day after', () => {
  expect([nextDay('2026-12-31'), nextDay('2024-02-28')]).toEqual(['2027-01-01', '2024-02-29']);
});
