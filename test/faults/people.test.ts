import { expect, test } from '@jest/globals';
import { runPeople } from '../battery/people.js';
import { openPlace } from '../battery/place.js';
import { openRig } from '../battery/rig.js';

test('people who do things at once in one browser, over two processes on a slow database, never get in each other’s way', async () => {
  const place = await openPlace(true);
  const rig = await openRig(place, { slow: true });
  try {
    const { problems, scenarios } = await runPeople(rig, { rounds: 2 }, () => undefined);
    expect(problems).toEqual([]);
    expect(scenarios).toBe(7);
  } finally {
    await rig.close();
    await place.close();
  }
}, 120_000);
