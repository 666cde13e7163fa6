import type { Cluster } from './cluster.js';
import type { Operation } from './operations.js';
import { randomNumbers } from './statistics.js';
import { newVisitor, signIn, type Target, type Visitor } from './visitor.js';

/** What one stretch of load found. */
export interface Stretch {
  readonly count: number;
  /** Operations per second. */
  readonly rate: number;
  /** Each operation's duration, in milliseconds. */
  readonly latencies: readonly number[];
  /** Microseconds of processor time per operation, of the server and of Postgres. */
  readonly serverCpu: number;
  readonly databaseCpu: number;
  readonly errors: number;
}

const random = randomNumbers(7);

/** As many visitors as will act at once; signed in beforehand where the operation needs that. */
export async function inviteVisitors(
  target: Target,
  operation: Operation,
  scheme: 'bcrypt' | 'argon2id',
  count: number,
): Promise<readonly Visitor[]> {
  const accounts = target.seed.accounts[scheme];
  const first = Math.floor(random() * accounts.length);
  const visitors = Array.from({ length: count }, (_, i) => {
    const account = accounts[(first + i * 7) % accounts.length];
    if (!account) throw new Error('nobody was seeded');
    return newVisitor(account);
  });
  if (operation.asMember) await Promise.all(visitors.map(visitor => signIn(target, visitor)));
  return visitors;
}

/** Lets each visitor act again as soon as they are served: finds what the server can do. */
export async function closedLoop(
  cluster: Cluster,
  target: Target,
  operation: Operation,
  visitors: readonly Visitor[],
  milliseconds: number,
): Promise<Stretch> {
  const latencies: number[] = [];
  const [before, databaseBefore] = [await target.served.ask(), cluster.cpu()];
  const began = performance.now();
  const until = began + milliseconds;
  await Promise.all(
    visitors.map(async visitor => {
      for (let now = performance.now(); now < until; now = performance.now()) {
        await operation.run(target, visitor);
        latencies.push(performance.now() - now);
      }
    }),
  );
  const seconds = (performance.now() - began) / 1000;
  const [after, databaseAfter] = [await target.served.ask(), cluster.cpu()];
  const count = latencies.length;
  return {
    count,
    rate: count / seconds,
    latencies,
    serverCpu: (after.cpu - before.cpu) / count,
    databaseCpu: (databaseAfter - databaseBefore) / count,
    errors: 0,
  };
}

/**
 * Lets visits begin at random moments (Poisson) of a given rate, whether the server keeps up or not; a latency counts
 * from the moment that was meant, so that waiting for a free visitor is part of it.
 */
export async function openLoop(
  target: Target,
  operation: Operation,
  visitors: readonly Visitor[],
  rate: number,
  milliseconds: number,
): Promise<{ readonly latencies: readonly number[]; readonly errors: number }> {
  const free = [...visitors];
  const queue: number[] = [];
  const latencies: number[] = [];
  const running = new Set<Promise<void>>();
  let errors = 0;
  const act = async (visitor: Visitor, meant: number) => {
    try {
      await operation.run(target, visitor);
      latencies.push(performance.now() - meant);
    } catch {
      errors += 1;
    }
    const next = queue.shift();
    if (next === undefined) free.push(visitor);
    else await act(visitor, next);
  };
  const pause = () => (-Math.log(1 - random()) / rate) * 1000;
  const began = performance.now();
  for (let meant = began; meant < began + milliseconds; meant += pause()) {
    const early = meant - performance.now();
    /* Waiting busily would take from the server what is measured: less than a millisecond early is on time. */
    if (early >= 1) await new Promise(resolve => setTimeout(resolve, early));
    const from = Math.min(meant, performance.now());
    const visitor = free.pop();
    if (!visitor) queue.push(from);
    else {
      const acting = act(visitor, from).finally(() => running.delete(acting));
      running.add(acting);
    }
  }
  await Promise.all(running);
  return { latencies, errors };
}
