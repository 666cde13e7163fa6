import { expect, test } from '@jest/globals';
import { openPlace } from '../battery/place.js';
import { openRig } from '../battery/rig.js';
import { runWithdrawals } from '../battery/withdrawals.js';

test('killed while people take back what an app may have: each is there as a whole or not at all, and the app is told once', async () => {
  const place = await openPlace(true);
  const rig = await openRig(place);
  try {
    const result = await runWithdrawals(rig, { people: 6, kills: 2, seed: 20_261_122 });
    expect(result.problems).toEqual([]);
    expect(result.kills).toBeGreaterThanOrEqual(1);
  } finally {
    await rig.close();
    await place.close();
  }
}, 60_000);
