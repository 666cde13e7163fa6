import { setTimeout as pause } from 'node:timers/promises';
import { until } from '../support/jobs.js';
import { AUDITED, auditRecord } from './audit.js';
import { startLoad } from './load.js';
import { openRandom } from './random.js';
import type { Rig } from './rig.js';
import { compare } from './told.js';
import { brokenAnswers } from './witness.js';

/** What came of killing. */
export interface KillsResult {
  readonly kills: number;
  readonly restarts: readonly number[];
  readonly cutOff: number;
  readonly done: Readonly<Record<string, number>>;
  readonly told: Readonly<Record<string, number>>;
  readonly audited: number;
  readonly problems: readonly string[];
}

/** Kills a process of the two at a random instant, again and again, and compares what clients were told with the record. */
export async function runKills(
  rig: Rig,
  { kills, members, seed }: { kills: number; members: number; seed: number },
  progress: (sentence: string) => void,
): Promise<KillsResult> {
  const random = openRandom(seed);
  const load = await startLoad(rig, { seed, members });
  const restarts: number[] = [];
  try {
    await until(() => load.told.members.size >= members / 2);
    for (let kill = 1; kill <= kills; kill++) {
      await pause(random.between(0, 400) + 400);
      const victim = random.pick(rig.servers);
      await victim.end('SIGKILL');
      restarts.push(await victim.start());
      if (kill % 10 === 0) progress(`${kill} kills; ${load.told.members.size} members`);
    }
    await load.stop();
    await deliverMail(rig);
    const { told } = load;
    const problems = [
      ...load.surprises,
      ...brokenAnswers(rig.witness),
      ...(await compare(told, rig, load.app)),
      ...(await auditRecord(rig.place)),
    ];
    return {
      kills,
      restarts,
      cutOff: rig.witness.cutOff.length,
      done: Object.fromEntries(load.done),
      told: {
        members: told.members.size,
        consents: told.consents.size,
        families: told.families.length,
        usedOnce: told.taken.size,
        lateMails: told.mailed.size,
      },
      audited: AUDITED,
      problems,
    };
  } finally {
    await load.stop();
    await load.close();
  }
}

/* What a killed process held is freed after ninety seconds: made past by SQL. */
async function deliverMail({ place }: Rig): Promise<void> {
  await place.ask(
    `UPDATE graphile_worker._private_jobs SET locked_at = now() - interval '2 minutes' WHERE locked_at IS NOT NULL`,
  );
  await place.ask(`SELECT graphile_worker.add_job('free-stale-jobs')`);
  await until(async () => {
    const waiting = await place.ask(
      `SELECT 1 FROM graphile_worker.jobs WHERE task_identifier = 'send-mail' AND attempts < max_attempts`,
    );
    return waiting.length === 0;
  });
}
