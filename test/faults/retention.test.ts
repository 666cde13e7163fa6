import { expect, test } from '@jest/globals';
import { runRetention } from '../battery/retention.js';
import { openTestDatabase } from '../support/database.js';

test('killed while values end, in the middle and anywhere: each is gone once, on record once, and told of once', async () => {
  const database = await openTestDatabase();
  try {
    const { db, url } = database;
    const secret = 'a secret that is only good for tests';
    const kills = { inside: 1, anywhere: 1 };
    const result = await runRetention({ db, url, secret, seed: 20_261_122, people: 80, kills });
    expect(result.problems).toEqual([]);
    expect(result.kills).toBeGreaterThanOrEqual(2);
    expect(result.values).toBe(160);
  } finally {
    await database.close();
  }
}, 60_000);
