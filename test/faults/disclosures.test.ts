import { expect, test } from '@jest/globals';
import { runDisclosures } from '../battery/disclosures.js';
import { openPlace } from '../battery/place.js';
import { openRig } from '../battery/rig.js';

test('after kills under load, everything that apps were told about people is on record', async () => {
  const place = await openPlace(true);
  const rig = await openRig(place, { slow: true });
  try {
    const telling = { seed: 20_261_122, members: 16, clients: 16, rounds: 14, changing: true, kills: 2 };
    const result = await runDisclosures(rig, telling, () => undefined);
    expect(result.problems).toEqual([]);
    expect(result.answers).toBeGreaterThan(400);
    expect(result.rows).toBeGreaterThan(400);
  } finally {
    await rig.close();
    await place.close();
  }
}, 120_000);
