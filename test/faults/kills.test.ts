import { expect, test } from '@jest/globals';
import { runKills } from '../battery/kills.js';
import { openPlace } from '../battery/place.js';
import { openRig } from '../battery/rig.js';

test('after three kills under load, all that clients were told is on record, and nothing else', async () => {
  const place = await openPlace(true);
  const rig = await openRig(place);
  try {
    const result = await runKills(rig, { kills: 3, members: 6, seed: 20_261_121 }, () => undefined);
    expect(result.problems).toEqual([]);
    expect(result.kills).toBe(3);
    expect(result.told.members).toBeGreaterThan(0);
    expect(result.told.families).toBeGreaterThan(0);
  } finally {
    await rig.close();
    await place.close();
  }
}, 120_000);
