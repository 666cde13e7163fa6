import { describe, expect, test } from '@jest/globals';
import { ageOn, needsParent, RULES, regimeFor, ruleFor } from '../../src/domain/opt-outs/regime.js';

describe('whether data may be sold before somebody says yes', () => {
  test.each([
    [{ country: 'DE', age: 40 }, 'opt_in'],
    [{ country: 'US', region: 'CA', age: 40 }, 'opt_out'],
    [{ country: 'us', region: 'ca', age: 15 }, 'opt_in'],
    [{ country: 'US', region: 'CA', age: 16 }, 'opt_out'],
    [{ country: 'US', region: 'CO', age: 12 }, 'opt_in'],
    [{ country: 'US', age: 17 }, 'opt_in'],
    [{ country: 'US', region: 'ZZ', age: 40 }, 'opt_out'],
    [{ country: 'ZZ', age: 40 }, 'opt_in'],
    [{}, 'opt_in'],
    [{ country: '__proto__' }, 'opt_in'],
    [{ country: 'US', region: 'CA' }, 'opt_out'],
  ] as const)('%j: %s', (where, regime) => {
    expect(regimeFor(where)).toBe(regime);
  });
});

test.each([
  [{ country: 'DE', age: 15 }, true],
  [{ country: 'DE', age: 16 }, false],
  [{ country: 'FR', age: 15 }, false],
  [{ country: 'US', region: 'CA', age: 12 }, true],
  [{ country: 'US', region: 'CA', age: 13 }, false],
  [{ country: 'DE' }, false],
] as const)('a parent has to say yes for %j: %s', (who, needed) => {
  expect(needsParent(who)).toBe(needed);
});

test('every rule has a source of its own place, and no place two rules', () => {
  expect(new Set(RULES.map(({ place }) => place)).size).toBe(RULES.length);
  for (const { place, source, parentUnder } of RULES) {
    expect(place).toMatch(/^[A-Z]{2}(-[A-Z]{2})?$/);
    expect(source.length).toBeGreaterThan(10);
    expect([12, 13, 14, 15, 16]).toContain(parentUnder);
  }
  expect(ruleFor({ country: 'US', region: 'CA' }).source).toContain('1798.120');
});

test.each([
  ['2010-11-22', '2026-11-22', 16],
  ['2010-11-23', '2026-11-22', 15],
  ['2008-02-29', '2026-02-28', 17],
  ['2008-02-29', '2026-03-01', 18],
  ['0000-05-04', '2026-11-22', undefined],
  ['2010', '2026-11-22', undefined],
  [undefined, '2026-11-22', undefined],
])('born %s, on %s: %s years', (born, day, years) => {
  expect(ageOn(born, new Date(`${day}T12:00:00Z`))).toBe(years);
});
