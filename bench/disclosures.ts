import { runDisclosures } from '../test/battery/disclosures.js';
import { openPlace } from '../test/battery/place.js';
import { openRig } from '../test/battery/rig.js';

// How many disclosures are put on record in a second, and whether any is lost when processes are killed meanwhile:
// `npm run bench:disclosures`.

const WANTED = 1_000;
const say = (sentence: string): void => void process.stdout.write(`  ${sentence}\n`);

const place = await openPlace(false);
const rig = await openRig(place);
let failed = false;
try {
  for (const [name, kills] of [
    ['two processes', 0],
    ['the same, killed in turns', 5],
  ] as const) {
    say(name);
    const telling = { seed: 7, members: 2_000, clients: 32, rounds: 1, changing: false, kills };
    const { perSecond, problems } = await runDisclosures(rig, telling, say);
    for (const problem of problems.slice(0, 10)) say(`✗ ${problem}`);
    failed ||= problems.length > 0 || (kills === 0 && perSecond < WANTED);
  }
} finally {
  await rig.close();
  await place.close();
}
process.exitCode = failed ? 1 : 0;
