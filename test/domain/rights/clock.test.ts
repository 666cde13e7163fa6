import { describe, expect, test } from '@jest/globals';
import {
  after,
  deadlinesOf,
  LAWS,
  latestOf,
  lawFor,
  objectionTo,
  STRICTEST,
  urgencyOf,
} from '../../../src/domain/rights/rights.js';

// By when a request has to be answered, by the law of the place.

const on = (day: string) => new Date(`${day}T15:30:00.000Z`);
const day = (at: Date | undefined) => at?.toISOString().slice(0, 10);

describe('a request is due', () => {
  test.each([
    ['DE', undefined, '2026-01-10', '2026-02-10', '2026-04-10'],
    ['DE', undefined, '2026-01-31', '2026-02-28', '2026-04-28'],
    ['DE', undefined, '2028-01-31', '2028-02-29', '2028-04-29'],
    ['fr', undefined, '2026-12-31', '2027-01-31', '2027-03-31'],
    ['GB', undefined, '2026-08-31', '2026-09-30', '2026-11-30'],
    ['US', 'ca', '2026-01-10', '2026-02-24', '2026-04-10'],
    ['US', 'IA', '2026-01-10', '2026-04-10', '2026-05-25'],
    ['US', 'ZZ', '2026-01-10', '2026-02-24', '2026-04-10'],
    ['CH', undefined, '2026-01-10', '2026-02-09', '2026-03-11'],
    ['BR', undefined, '2026-01-10', '2026-01-25', undefined],
    [undefined, undefined, '2026-01-10', '2026-01-25', undefined],
    ['__proto__', 'constructor', '2026-01-10', '2026-01-25', undefined],
  ])('in %s %s, asked on %s: on %s, put off at most to %s', (country, region, asked, due, latest) => {
    const law = lawFor({ country, region });
    const { dueAt } = deadlinesOf(law, on(asked));
    expect([day(dueAt), day(latestOf(law, dueAt))]).toEqual([due, latest]);
  });
});

test('ten working days leave out Saturdays and Sundays, from whatever day they are counted', () => {
  const asked = ['2026-01-09', '2026-01-10', '2026-01-11', '2026-01-12'];
  const confirm = asked.map(one => day(after(on(one), { workingDays: 10 })));
  expect(confirm).toEqual(['2026-01-23', '2026-01-23', '2026-01-23', '2026-01-26']);
});

test('nobody has less by being unknown: no law of the table is faster than what counts without a place', () => {
  for (const start of ['2026-01-29', '2026-02-01', '2028-02-28', '2026-12-31'].map(on)) {
    const { dueAt, acknowledgeBy } = deadlinesOf(STRICTEST, start);
    for (const law of LAWS) {
      const other = deadlinesOf(law, start);
      expect([law.place, dueAt <= other.dueAt, acknowledgeBy <= other.acknowledgeBy]).toEqual([
        law.place,
        true,
        true,
      ]);
    }
  }
  expect(latestOf(STRICTEST, on('2026-01-10'))).toBeUndefined();
});

test('each clock names the article that it comes from, and no place has two', () => {
  expect(new Set(LAWS.map(({ place }) => place)).size).toBe(LAWS.length);
  for (const { source } of LAWS) expect(source).toMatch(/\d/);
});

test('what is due within a week is near, and what was due is late', () => {
  const now = on('2026-01-10');
  expect(
    ['2026-01-18', '2026-01-17', '2026-01-10', '2026-01-09'].map(due => urgencyOf(on(due), now)),
  ).toEqual(['later', 'soon', 'soon', 'overdue']);
});

test('direct marketing can be objected to whatever it rests on, a legitimate interest with its grounds, and consent is taken back', () => {
  const terms = ['dpv:CommunicationManagement', 'dpv:DirectMarketing'];
  expect(objectionTo({ id: 'messages', basis: 'consent', terms })).toBe('absolute');
  expect(objectionTo({ id: 'ads', basis: 'legitimate_interest', terms })).toBe('absolute');
  expect(objectionTo({ id: 'fraud', basis: 'legitimate_interest', terms: [] })).toBe('on_grounds');
  expect(objectionTo({ id: 'count', basis: 'public_task', terms: [] })).toBe('on_grounds');
  for (const basis of ['consent', 'contract', 'legal_obligation', 'vital_interest'])
    expect(objectionTo({ id: 'it', basis, terms: [] })).toBeUndefined();
});
