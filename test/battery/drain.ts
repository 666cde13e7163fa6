import { setTimeout as pause } from 'node:timers/promises';
import { until } from '../support/jobs.js';
import { auditRecord } from './audit.js';
import { startLoad } from './load.js';
import { openRandom } from './random.js';
import type { Rig } from './rig.js';
import { compare } from './told.js';
import { brokenAnswers } from './witness.js';

/** What came of asking processes to stop. */
export interface DrainResult {
  readonly stops: number;
  /** Milliseconds from the signal to the end of the process. */
  readonly endedAfter: readonly number[];
  readonly done: Readonly<Record<string, number>>;
  readonly problems: readonly string[];
}

/** How long connections that were begun before may take to be accepted, in milliseconds. */
const UNDER_WAY = 500;

/**
 * Stops a process under load with SIGTERM, again and again: nothing new is sent there from then on, as a load balancer
 * would do, and whatever was accepted is answered.
 */
export async function runDrains(
  rig: Rig,
  { stops, members, seed }: { stops: number; members: number; seed: number },
  progress: (sentence: string) => void,
): Promise<DrainResult> {
  const random = openRandom(seed);
  const load = await startLoad(rig, { seed, members, through: rig.oneByOne });
  const endedAfter: number[] = [];
  const problems: string[] = [];
  try {
    await until(() => load.told.members.size >= members / 2);
    for (let stop = 1; stop <= stops; stop++) {
      await pause(random.between(300, 900));
      const server = random.pick(rig.servers);
      server.open = false;
      await pause(UNDER_WAY);
      const at = Date.now();
      const { code } = await server.end('SIGTERM');
      endedAfter.push(Date.now() - at);
      if (code !== 0) problems.push(`a process ended with ${code}: ${server.log()}`);
      await server.start();
      server.open = true;
      if (stop % 5 === 0) progress(`${stop} stops, the last one over after ${endedAfter.at(-1)} ms`);
    }
    await load.stop();
    return {
      stops,
      endedAfter,
      done: Object.fromEntries(load.done),
      problems: [
        ...problems,
        ...load.surprises,
        ...brokenAnswers(rig.witness),
        ...rig.witness.cutOff.map(({ path }) => `${path} was cut off`),
        ...(await compare(load.told, rig, load.app)),
        ...(await auditRecord(rig.place)),
      ],
    };
  } finally {
    await load.stop();
    await load.close();
  }
}
