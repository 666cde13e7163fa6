import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { fillTables, type Heard, hearStatements, liveADay, readingThrough } from '../battery/plans.js';
import { inDatabase, type TestCluster } from '../support/global-setup.js';
import { startKeyhold, type TestKeyhold } from '../support/keyhold.js';

let keyhold: TestKeyhold;
let heard: Heard;

beforeAll(async () => {
  keyhold = await startKeyhold({ RATE_LIMITS: 'on' });
  heard = await hearStatements(() => liveADay(keyhold));
}, 60_000);

afterAll(() => keyhold?.close());

test('no hot statement reads a table through while tables are empty or nearly so', async () => {
  expect(heard.named.size).toBeGreaterThan(25);
  expect(await readingThrough(keyhold.config.databaseUrl, heard)).toEqual([]);
});

test('nor does any statement of a day where there are many rows, and the planner knows', async () => {
  const { superuserUrl }: TestCluster = JSON.parse(process.env.KEYHOLD_TEST_CLUSTER ?? '{}');
  const name = new URL(keyhold.config.databaseUrl).pathname.slice(1);
  const filled = await fillTables(inDatabase(superuserUrl, name), 5_000);
  for (const table of [
    'access_tokens',
    'refresh_tokens',
    'sessions',
    'accounts',
    'replays',
    'passkeys',
    'device_codes',
  ])
    expect([table, filled.get(table)]).toEqual([table, 5_000]);
  expect(heard.others.size).toBeGreaterThan(15);
  expect(await readingThrough(keyhold.config.databaseUrl, heard, filled)).toEqual([]);
});
