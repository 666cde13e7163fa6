import { setTimeout as pause } from 'node:timers/promises';
import { fetch } from 'undici';
import { until } from '../support/jobs.js';
import { auditRecord } from './audit.js';
import { type Load, startLoad } from './load.js';
import { openRandom } from './random.js';
import type { Rig, Server } from './rig.js';
import { compare } from './told.js';
import { brokenAnswers } from './witness.js';

/** What came of taking the database away. */
export interface RestartResult {
  readonly restarts: number;
  /** Milliseconds from when Postgres answered again to the first success of each process. */
  readonly backAfter: readonly number[];
  /** Milliseconds until a mail was delivered again. */
  readonly mailAfter: readonly number[];
  readonly unavailable: number;
  readonly terminated: number;
  readonly unavailableByTermination: number;
  readonly done: Readonly<Record<string, number>>;
  readonly problems: readonly string[];
}

/** How Postgres is ill-treated. */
export interface RestartOptions {
  readonly restarts: number;
  /** How many connections are cut one after the other. */
  readonly terminations: number;
  readonly members: number;
  readonly seed: number;
}

/** Restarts Postgres under load, then cuts its connections one by one. */
export async function runRestarts(
  rig: Rig,
  { restarts, terminations, members, seed }: RestartOptions,
  progress: (sentence: string) => void,
): Promise<RestartResult> {
  const load = await startLoad(rig, { seed, members });
  const machine = await rig.registerClient(MACHINE);
  const backAfter: number[] = [];
  const mailAfter: number[] = [];
  try {
    await until(() => load.told.members.size >= members);
    for (let restart = 1; restart <= restarts; restart++) {
      await rig.place.stopPostgres();
      await pause(300);
      await rig.place.startPostgres();
      const at = Date.now();
      await Promise.all(
        rig.servers.map(async server => {
          await succeeds(rig, server, machine);
          backAfter.push(Date.now() - at);
        }),
      );
      await goesOn(load);
      mailAfter.push(await mailComes(load, at));
      progress(
        `restart ${restart}: back after ${backAfter.slice(-2).join(' and ')} ms, mail after ${mailAfter.at(-1)} ms`,
      );
    }
    const unavailable = rig.witness.faults.length;
    const terminated = await terminate(rig, terminations, seed);
    progress(`${terminated} connections cut; ${rig.witness.faults.length - unavailable} answers of 503`);
    await goesOn(load);
    await load.stop();
    const byTermination = rig.witness.faults.length - unavailable;
    return {
      restarts,
      backAfter,
      mailAfter,
      unavailable,
      terminated,
      unavailableByTermination: byTermination,
      done: Object.fromEntries(load.done),
      problems: [
        ...load.surprises,
        ...brokenAnswers(rig.witness),
        ...rig.witness.cutOff.map(({ path }) => `${path} was cut off`),
        ...rig.servers.filter(server => server.isGone()).map(server => `a process ended: ${server.log()}`),
        ...(byTermination > terminated ? [`${byTermination} × 503 for ${terminated} cut connections`] : []),
        ...(await compare(load.told, rig, load.app)),
        ...(await auditRecord(rig.place)),
      ],
    };
  } finally {
    await load.stop();
    await load.close();
  }
}

const MACHINE = {
  client_name: 'Machine',
  grant_types: ['client_credentials'],
  token_endpoint_auth_method: 'client_secret_post',
  development: true,
};

type Machine = Awaited<ReturnType<Rig['registerClient']>>;

async function succeeds(rig: Rig, { dispatcher }: Server, machine: Machine): Promise<void> {
  const { client_id, client_secret = '' } = machine;
  await until(async () => {
    const body = new URLSearchParams({ grant_type: 'client_credentials', client_id, client_secret });
    const answer = await fetch(`${rig.issuer}/token`, { method: 'POST', body, dispatcher });
    await answer.text();
    return answer.status === 200;
  });
}

/* Every kind of act is done again to its end. */
async function goesOn({ done }: Load): Promise<void> {
  const before = new Map(done);
  await until(() => ['code', 'refresh', 'join'].every(act => (done.get(act) ?? 0) > (before.get(act) ?? 0)));
}

/* Whoever signed up since needed a mail. */
async function mailComes({ told }: Load, since: number): Promise<number> {
  const before = told.members.size;
  await until(() => told.members.size > before);
  return Date.now() - since;
}

async function terminate(rig: Rig, count: number, seed: number): Promise<number> {
  const random = openRandom(seed);
  let terminated = 0;
  while (terminated < count) {
    const rows = await rig.place.ask(
      `SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND application_name LIKE 'keyhold%'
       AND backend_type = 'client backend' AND application_name <> 'keyhold presence' AND usename <> 'keyhold_owner'`,
    );
    if (rows.length > 0) {
      await rig.place.ask('SELECT pg_terminate_backend($1)', [random.pick(rows)['pid']]);
      terminated += 1;
    }
    await pause(200);
  }
  return terminated;
}
