import { expect, test } from '@jest/globals';
import { type DormancyPolicy, dormancyStep } from '../../src/domain/accounts/accounts.js';

const policy: DormancyPolicy = { after: 365, notices: 3, every: 30 };
const DAY = 86_400_000;
const lastUse = new Date('2026-01-01T00:00:00Z');
const after = (days: number) => new Date(lastUse.getTime() + days * DAY);

test.each([
  [0, 0, { step: 'rest', lookAt: after(365) }],
  [364, 0, { step: 'rest', lookAt: after(365) }],
  [365, 0, { step: 'notice', notices: 1, lookAt: after(395), archiveAt: after(455) }],
  [395, 1, { step: 'notice', notices: 2, lookAt: after(425), archiveAt: after(455) }],
  [425, 2, { step: 'notice', notices: 3, lookAt: after(455), archiveAt: after(455) }],
  [455, 3, { step: 'archive' }],
  [10, 2, { step: 'stopped', lookAt: after(365) }],
] as const)('%i days after the last use, with %i notices sent', (days, notices, step) => {
  expect(dormancyStep(policy, { lastUse, notices }, after(days))).toEqual(step);
});

test('who is looked at for the first time after years gets every notice, with the days between', () => {
  const steps = [];
  let [day, notices] = [3_000, 0];
  for (;;) {
    const step = dormancyStep(policy, { lastUse, notices }, after(day));
    steps.push([day, step.step]);
    if (step.step !== 'notice') break;
    notices = step.notices;
    day = (step.lookAt.getTime() - lastUse.getTime()) / DAY;
  }
  expect(steps).toEqual([
    [3_000, 'notice'],
    [3_030, 'notice'],
    [3_060, 'notice'],
    [3_090, 'archive'],
  ]);
});

test('with one notice the whole way is after + every', () => {
  const one = { after: 31, notices: 1, every: 1 };
  expect(dormancyStep(one, { lastUse, notices: 0 }, after(31))).toMatchObject({
    step: 'notice',
    archiveAt: after(32),
  });
  expect(dormancyStep(one, { lastUse, notices: 1 }, after(32))).toEqual({ step: 'archive' });
});
