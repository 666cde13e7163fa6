import { expect, test } from '@jest/globals';
import { type ConsentState, isWithin, narrowerOf } from '../../src/domain/consents/consents.js';

const state = (more: Partial<ConsentState>): ConsentState => ({
  id: 'one',
  scopes: [],
  claims: [],
  refusedScopes: [],
  refusedClaims: [],
  uses: [],
  refusedUses: [],
  resources: {},
  notices: {},
  language: 'en',
  givenAt: new Date(0),
  validUntil: undefined,
  ...more,
});

test('the narrower of two consents allows what both allow, and refuses what either refuses', () => {
  const one = state({
    scopes: ['email', 'openid', 'profile'],
    claims: ['birthdate', 'phone_number'],
    uses: ['ads'],
    resources: { 'https://a.example': 'read write', 'https://b.example': 'read' },
    validUntil: new Date(2_000),
  });
  const other = state({
    scopes: ['openid', 'profile'],
    claims: ['phone_number'],
    refusedClaims: ['gender'],
    resources: { 'https://a.example': 'read' },
    validUntil: new Date(1_000),
  });
  const narrower = narrowerOf(one, other);
  expect(narrower).toEqual({
    scopes: ['openid', 'profile'],
    claims: ['phone_number'],
    uses: [],
    refusedScopes: ['email'],
    refusedClaims: ['birthdate', 'gender'],
    refusedUses: ['ads'],
    resources: { 'https://a.example': 'read' },
    validUntil: new Date(1_000),
  });
  expect([isWithin(one, narrower), isWithin(other, narrowerOf(other, one))]).toEqual([false, true]);
});

test('a claim that comes with a scope and was refused in one account is had from neither', () => {
  const one = state({ scopes: ['openid', 'profile'] });
  const other = state({ scopes: ['openid', 'profile'], refusedClaims: ['birthdate'] });
  expect(narrowerOf(one, other).refusedClaims).toEqual(['birthdate']);
  expect(isWithin(one, narrowerOf(one, other))).toBe(false);
  expect(isWithin(one, narrowerOf(one, one))).toBe(true);
});
