import { afterAll, beforeAll, beforeEach, expect, test } from '@jest/globals';
import { v7 as uuidv7 } from 'uuid';
import {
  beginRecovery,
  dueOf,
  findRecovery,
  RECOVERY_EDGES,
  type RecoveryState,
  type RecoveryStep,
  stepRecovery,
} from '../../src/domain/recoveries/recoveries.js';
import { nextLook } from '../../src/domain/recoveries/recovery.js';
import { openWork } from '../../src/platform/storage/work.js';
import { openTestDatabase, type TestDatabase } from '../support/database.js';

// The table of legal steps, held against the database: each state, each step, before and after each of its times.

let database: TestDatabase;
let accountId: string;
const HOUR = 3_600_000;
const askedFrom = Buffer.from('sealed');
const STATES: readonly RecoveryState[] = ['waiting', 'stopped', 'expired', 'completed', 'undone', 'settled'];
const STEPS = Object.keys(RECOVERY_EDGES) as readonly RecoveryStep[];

beforeAll(async () => {
  database = await openTestDatabase();
});

beforeEach(async () => {
  accountId = uuidv7();
  const at = new Date();
  await database.db('accounts').insert({
    id: accountId,
    state: 'active',
    language: 'en',
    opened_at: at,
    updated_at: at,
  });
});

afterAll(() => database?.close());

const work = <T>(act: Parameters<typeof openWork<T>>[2]) => openWork(database.db, { kind: 'system' }, act);

async function begin(waitHours = 72) {
  const { recovery } = await work(each => beginRecovery(each, { accountId, waitHours, askedFrom }));
  if (!recovery) throw new Error('it did not begin');
  return recovery;
}

test('a step is taken from its state and in its time, and nowhere else', async () => {
  const recovery = await begin();
  const { id, readyAt, expiresAt } = recovery;
  const settlesAt = new Date(expiresAt.getTime() + HOUR);
  const times = { ready_at: readyAt, expires_at: expiresAt, settles_at: settlesAt };
  const moments = Object.values(times).flatMap(time => [new Date(time.getTime() - 1), time]);
  for (const state of STATES)
    for (const step of STEPS)
      for (const at of moments) {
        await database.db('recoveries').where({ id }).update({ state, settles_at: settlesAt });
        const edge = RECOVERY_EDGES[step];
        const legal =
          edge.from === state &&
          (edge.since === undefined || times[edge.since] <= at) &&
          (edge.until === undefined || times[edge.until] > at);
        const taken = await work(each => stepRecovery(each, recovery, step, { at }));
        expect({ state, step, at, taken: taken?.state }).toEqual({
          state,
          step,
          at,
          taken: legal ? edge.to : undefined,
        });
        expect((await findRecovery(database.db, accountId, id))?.state).toBe(legal ? edge.to : state);
      }
});

test('of many who stop and complete at once one wins', async () => {
  const recovery = await begin(0);
  const steps = ['stop', 'complete', 'stop', 'complete', 'stop', 'complete'] as const;
  const taken = await Promise.all(steps.map(step => work(each => stepRecovery(each, recovery, step))));
  expect(taken.filter(Boolean)).toHaveLength(1);
  const facts = await database
    .db('events')
    .where({ account_id: accountId })
    .whereNot({ type: 'recovery.begun' });
  expect(facts).toHaveLength(1);
});

test('of many who begin at once one does; after a stop nobody does for seven days', async () => {
  const all = await Promise.all(
    [1, 2, 3, 4].map(() => work(each => beginRecovery(each, { accountId, waitHours: 1, askedFrom }))),
  );
  expect(all.map(({ outcome }) => outcome).sort()).toEqual(['begun', 'waiting', 'waiting', 'waiting']);
  const begun = all.find(({ recovery, outcome }) => outcome === 'begun' && recovery)?.recovery;
  if (!begun) throw new Error('nobody began');
  await work(each => stepRecovery(each, begun, 'stop'));
  const again = () => work(each => beginRecovery(each, { accountId, waitHours: 1, askedFrom }));
  expect((await again()).outcome).toBe('resting');
  const long = new Date(Date.now() - 7 * 24 * HOUR - 1);
  await database.db('recoveries').where({ account_id: accountId }).update({ ended_at: long });
  expect((await again()).outcome).toBe('begun');
});

test('it is looked at each day, six hours before its time, then, and at its end', () => {
  const startedAt = new Date('2026-03-01T00:00:00Z');
  const hours = (n: number) => new Date(startedAt.getTime() + n * HOUR);
  const looks = (wait: number) => {
    const times = { startedAt, readyAt: hours(wait), expiresAt: hours(wait + 168) };
    const found: [number, string][] = [];
    for (let at = startedAt; at < times.expiresAt; ) {
      at = nextLook(times, at);
      found.push([(at.getTime() - startedAt.getTime()) / HOUR, dueOf(times, at)]);
    }
    return found;
  };
  expect(looks(72)).toEqual([
    [24, 'remind'],
    [48, 'remind'],
    [66, 'remind'],
    [72, 'ready'],
    [240, 'expire'],
  ]);
  expect(looks(4)).toEqual([
    [4, 'ready'],
    [172, 'expire'],
  ]);
  expect(looks(0)).toEqual([[168, 'expire']]);
});
