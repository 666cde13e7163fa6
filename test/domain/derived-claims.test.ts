import { expect, test } from '@jest/globals';
import {
  claimsToApps,
  DERIVED,
  derivedClaims,
  deriveFrom,
  sourceOf,
  standardSchema,
} from '../../src/domain/profiles/profiles.js';

const { schema } = standardSchema();
const on = (day: string) => new Date(`${day}T00:00:00Z`);

test.each([
  ['2010-06-15', '2026-06-14', false],
  ['2010-06-15', '2026-06-15', true],
  ['2008-02-29', '2024-02-28', false],
  ['2008-02-29', '2024-02-29', true],
  ['2010-02-29', '2026-02-28', false],
  ['2010-02-29', '2026-03-01', true],
  ['0000-06-15', '2026-06-15', undefined],
  ['2010', '2026-06-15', undefined],
  ['2010-06-15T00:00', '2026-06-15', undefined],
  [20100615, '2026-06-15', undefined],
  [undefined, '2026-06-15', undefined],
])('born on %s, "16 or older" on %s is %s', (birthdate, day, expected) => {
  expect(deriveFrom({ birthdate }, ['age_over_16'], on(day))).toEqual(
    expected === undefined ? {} : { age_over_16: expected },
  );
});

test('the last second before a birthday is not the birthday', () => {
  const eve = new Date('2026-06-14T23:59:59.999Z');
  expect(deriveFrom({ birthdate: '2008-06-15' }, ['age_over_18', 'age_over_16'], eve)).toEqual({
    age_over_18: false,
    age_over_16: true,
  });
});

test.each([
  [{ country: 'DE', locality: 'Berlin' }, { country: 'DE' }],
  [{ country: '' }, {}],
  [{ locality: 'Berlin' }, {}],
  ['DE', {}],
  [null, {}],
])('of the address %j, %j is told', (address, told) => {
  expect(deriveFrom({ address }, ['country'], new Date())).toEqual(told);
});

test('what is derived is held for the purpose of what it comes from, and comes with no scope', () => {
  const claims = claimsToApps(schema).filter(({ name }) => DERIVED.some(each => each === name));
  expect(claims.map(({ name, scope, purpose }) => [name, scope, purpose])).toEqual([
    ['age_over_13', undefined, 'age'],
    ['age_over_16', undefined, 'age'],
    ['age_over_18', undefined, 'age'],
    ['age_over_21', undefined, 'age'],
    ['country', undefined, 'delivery'],
  ]);
  expect(['age_over_21', 'country', 'name'].map(claim => sourceOf(schema, claim))).toEqual([
    'birthdate',
    'address',
    'name',
  ]);
});

test('nothing is derived of what apps may not have, nor under the name of an attribute', () => {
  const [birthdate, address] = ['birthdate', 'address'].map(name =>
    schema.attributes.find(each => each.name === name),
  );
  if (!birthdate || !address) throw new Error('the shipped declaration lost one');
  const own = { ...address, name: 'country' } as typeof address;
  const attributes = [{ ...birthdate, see: ['person' as const] }, address, own];
  expect(derivedClaims({ attributes })).toEqual([]);
  expect(sourceOf({ attributes }, 'country')).toBe('country');
});
