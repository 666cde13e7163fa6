import { expect, test } from '@jest/globals';
import { openPlace } from '../battery/place.js';
import { runRestarts } from '../battery/restart.js';
import { openRig } from '../battery/rig.js';

test('while Postgres restarts, people are asked to come back, and everything goes on by itself', async () => {
  const place = await openPlace(true);
  const rig = await openRig(place);
  try {
    const options = { restarts: 1, terminations: 15, members: 5, seed: 20_261_121 };
    const result = await runRestarts(rig, options, () => undefined);
    expect(result.problems).toEqual([]);
    expect([result.restarts, result.backAfter.length, result.terminated]).toEqual([1, 2, 15]);
  } finally {
    await rig.close();
    await place.close();
  }
}, 120_000);
