import { loadavg } from 'node:os';
import type { Served, Variant } from './child.js';
import type { Cluster } from './cluster.js';
import { closedLoop, inviteVisitors, type Stretch } from './load.js';
import type { Operation } from './operations.js';
import type { Seed } from './seed.js';
import { openTarget, type Target } from './visitor.js';

export type Compared = Exclude<Variant, 'hello'>;

export const COMPARED = ['product', 'bare', 'naive'] as const satisfies readonly Compared[];

/** All stretches of one operation, by variant, one for each round. */
export type Rounds = Readonly<Record<Compared, Stretch[]>>;

export interface Pace {
  readonly rounds: number;
  /** How long each variant is loaded in each round, in milliseconds. */
  readonly stretch: number;
  readonly connections: number;
}

/* Milliseconds of each operation and variant: in less, what there is the most code of is still being compiled. */
const WARM_UP = 3_000;

/** Loads each variant with each operation in turn, round after round; who goes first changes with the round. */
export async function compare(
  cluster: Cluster,
  seed: Seed,
  servers: Readonly<Record<Compared, Served>>,
  operations: readonly Operation[],
  scheme: 'bcrypt' | 'argon2id',
  pace: Pace,
): Promise<ReadonlyMap<Operation, Rounds>> {
  const found = new Map<Operation, Rounds>(
    operations.map(operation => [operation, { product: [], bare: [], naive: [] }]),
  );
  const targets = COMPARED.map(variant => openTarget(servers[variant], seed, pace.connections));
  for (let round = 0; round <= pace.rounds; round += 1) {
    /* The first round only warms up: code gets compiled and connections opened. */
    const stretch = round === 0 ? WARM_UP : pace.stretch;
    for (const operation of operations) {
      for (const target of ordered(targets, round)) {
        const visitors = await inviteVisitors(target, operation, scheme, pace.connections);
        const measured = await closedLoop(cluster, target, operation, visitors, stretch);
        if (round > 0) found.get(operation)?.[target.served.variant as Compared].push(measured);
      }
    }
    const name = round === 0 ? 'warm-up' : `round ${round} of ${pace.rounds}`;
    process.stderr.write(`${name}, ${scheme}: load average ${loadavg()[0]?.toFixed(1)}\n`);
  }
  await Promise.all(targets.map(target => target.close()));
  return found;
}

function ordered(targets: readonly Target[], round: number): readonly Target[] {
  const from = round % targets.length;
  return [...targets.slice(from), ...targets.slice(0, from)];
}

/** What one operation costs the database, per operation. */
export interface Volume {
  readonly trips: number;
  readonly commits: number;
  readonly wal: number;
  readonly rows: number;
}

/** Counts statements, writing transactions, log and rows of many operations after a checkpoint, with nothing else going on. */
export async function countVolume(
  cluster: Cluster,
  target: Target,
  operation: Operation,
  databaseUrl: string,
  times: number,
): Promise<Volume> {
  const visitors = await inviteVisitors(target, operation, 'bcrypt', 8);
  await Promise.all(visitors.map(visitor => operation.run(target, visitor)));
  const rowsBefore = operation.writes ? await cluster.rows(databaseUrl) : 0;
  await cluster.checkpoint();
  const [told, tally] = [await target.served.ask(), await cluster.tally()];
  const each = Math.ceil(times / visitors.length);
  await Promise.all(
    visitors.map(async visitor => {
      for (let i = 0; i < each; i += 1) await operation.run(target, visitor);
    }),
  );
  const [toldAfter, tallyAfter] = [await target.served.ask(), await cluster.tally()];
  const rows = operation.writes ? (await cluster.rows(databaseUrl)) - rowsBefore : 0;
  const count = each * visitors.length;
  return {
    trips: (toldAfter.trips - told.trips) / count,
    commits: (tallyAfter.commits - tally.commits) / count,
    wal: (tallyAfter.wal - tally.wal) / count,
    rows: rows / count,
  };
}
