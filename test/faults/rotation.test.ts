import { expect, test } from '@jest/globals';
import { openPlace } from '../battery/place.js';
import { openRig } from '../battery/rig.js';
import { runRotations } from '../battery/rotation.js';

test('while keys rotate, no token fails to verify and nothing that was begun is lost', async () => {
  const place = await openPlace(true);
  const rig = await openRig(place);
  try {
    const options = { rotations: 2, maxAge: 2, members: 4, seed: 20_261_121 };
    const result = await runRotations(rig, options, () => undefined);
    expect(result.problems).toEqual([]);
    expect([result.rotations, result.kids, result.carried]).toEqual([2, 3, 12]);
    expect(result.verified).toBeGreaterThan(3);
  } finally {
    await rig.close();
    await place.close();
  }
}, 120_000);
