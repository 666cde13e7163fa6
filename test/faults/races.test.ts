import { expect, test } from '@jest/globals';
import { openPlace } from '../battery/place.js';
import { runRaces } from '../battery/races.js';
import { openRig } from '../battery/rig.js';

test('of twenty uses at two processes one succeeds, of whatever is used once', async () => {
  const place = await openPlace(true);
  const rig = await openRig(place);
  try {
    const results = await runRaces(rig, { rounds: 2, parallel: 20 }, () => undefined);
    expect(results.flatMap(({ problems }) => problems)).toEqual([]);
    expect(results.map(({ name, oneWinner }) => [name, oneWinner])).toEqual(
      results.map(({ name }) => [name, 2]),
    );
    expect(results.length).toBe(14);
  } finally {
    await rig.close();
    await place.close();
  }
}, 120_000);
