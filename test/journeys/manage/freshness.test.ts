import { expect, test } from '@jest/globals';
import {
  ASKED_SECONDS,
  demandOf,
  FRESH_SECONDS,
  FRESH_TO_SHOW_SECONDS,
  meets,
} from '../../../src/journeys/manage/freshness.js';

const now = new Date('2026-03-09T12:00:00Z');
const ago = (seconds: number) => new Date(now.getTime() - seconds * 1000);

test('C23: nothing is demanded of what is not sensitive, and always something of what is', () => {
  for (const showing of [true, false]) {
    for (const secondFactor of ['none', 'has'] as const) {
      expect(demandOf({ sensitive: false, showing, secondFactor })).toBeUndefined();
      const demand = demandOf({ sensitive: true, showing, secondFactor });
      expect(demand?.maxAge).toBe(showing ? FRESH_TO_SHOW_SECONDS : FRESH_SECONDS);
      expect(demand?.strengths).toEqual(secondFactor === 'has' ? ['aal2'] : undefined);
    }
  }
  expect(meets({ authenticatedAt: undefined, acr: undefined }, undefined, now)).toBe(true);
});

test('whoever is asked comes back with at least a minute to fill a form, and nobody is asked twice', () => {
  expect(ASKED_SECONDS + 60).toBeLessThanOrEqual(FRESH_TO_SHOW_SECONDS);
  expect(FRESH_TO_SHOW_SECONDS + 60).toBeLessThanOrEqual(FRESH_SECONDS);
  expect(FRESH_SECONDS).toBe(300);
});

test.each([
  [0, 'aal1', 'none', true],
  [300, 'aal1', 'none', true],
  [301, 'phr', 'none', false],
  [-301, 'phr', 'none', false],
  [0, 'aal1', 'has', false],
  [0, undefined, 'has', false],
  [0, 'nonsense', 'has', false],
  [0, 'aal2', 'has', true],
  [300, 'phr', 'has', true],
  [301, 'aal2', 'has', false],
] as const)(
  'C16: %i seconds ago by %s, with second factor %s: %s',
  (seconds, acr, secondFactor, expected) => {
    const demand = demandOf({ sensitive: true, showing: false, secondFactor });
    expect(meets({ authenticatedAt: ago(seconds), acr }, demand, now)).toBe(expected);
  },
);

test('C17: an authentication whose time nobody knows is never fresh', () => {
  const demand = demandOf({ sensitive: true, showing: false, secondFactor: 'none' });
  expect(meets({ authenticatedAt: undefined, acr: 'phr' }, demand, now)).toBe(false);
  expect(meets({ authenticatedAt: new Date(Number.NaN), acr: 'phr' }, demand, now)).toBe(false);
});
