import { execFileSync } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { availableParallelism, cpus, loadavg, totalmem } from 'node:os';
import { type Served, startServer } from './child.js';
import { type Cluster, openCluster, pin } from './cluster.js';
import { closedLoop, inviteVisitors, openLoop } from './load.js';
import { CC_JWT, OPERATIONS, type Operation, signInWith } from './operations.js';
import { type Pressure, underPressure } from './pressure.js';
import { type Findings, type OpenLoop, report } from './report.js';
import {
  COMPARED,
  type Compared,
  compare,
  countVolume,
  type Pace,
  type Rounds,
  type Volume,
} from './rounds.js';
import { plant, type Scheme, type Seed } from './seed.js';
import { measureStartUp } from './start-up.js';
import { median, quantile } from './statistics.js';
import { newVisitor, openTarget } from './visitor.js';

/** `npm run bench [-- --quick] [-- --only=userinfo] [-- --stretch=MILLISECONDS] [-- --out=FILE]`: measures, and prints the report as Markdown. */
const quick = process.argv.includes('--quick');
const option = (name: string) =>
  process.argv.find(argument => argument.startsWith(`--${name}=`))?.slice(name.length + 3);
const only = option('only');
const operations = OPERATIONS.filter(({ name }) => only === undefined || name.includes(only));
const pace: Pace = {
  rounds: quick ? 2 : 5,
  stretch: Number(option('stretch') ?? (quick ? 1_000 : 5_000)),
  connections: 16,
};

/* Servers on the first core; load and Postgres on the second. Alone where the machine has more, else as it comes. */
const cores = availableParallelism();
const pinned = cores > 1 && hasTaskset();
const [serverCore, otherCore] = pinned ? ['0', '1'] : [undefined, undefined];

function hasTaskset(): boolean {
  try {
    execFileSync('taskset', ['-V'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

async function startAll(seed: Seed, scheme: Scheme): Promise<Record<Compared, Served>> {
  const core = scheme === 'none' ? serverCore : undefined;
  const started = [];
  for (const variant of COMPARED) started.push([variant, await startServer(variant, scheme, seed, core)]);
  return Object.fromEntries(started) as Record<Compared, Served>;
}

const stopAll = (servers: Record<Compared, Served>) =>
  Promise.all(COMPARED.map(variant => servers[variant].stop()));

async function calibrate(cluster: Cluster, seed: Seed) {
  const served = await startServer('hello', 'none', seed, serverCore);
  const target = openTarget(served, seed, pace.connections);
  const hello: Operation = {
    name: 'hello',
    asMember: false,
    writes: false,
    goals: { bare: 0 },
    run: async ({ http }) => (await http.request({ method: 'GET', path: '/' })).body.text(),
  };
  const visitors = Array.from({ length: pace.connections }, () => newVisitor({ id: '', email: '' }));
  await closedLoop(cluster, target, hello, visitors, 700);
  const { rate, serverCpu } = await closedLoop(cluster, target, hello, visitors, 1_500);
  await target.close();
  await served.stop();
  return { rate, cpu: serverCpu, load: loadavg()[0] ?? 0 };
}

async function countAll(cluster: Cluster, seed: Seed, servers: Record<Compared, Served>) {
  const volumes = new Map<Operation, Record<'product' | 'naive', Volume>>();
  for (const operation of operations) {
    const counted = [];
    for (const variant of ['product', 'naive'] as const) {
      const target = openTarget(servers[variant], seed, pace.connections);
      const url = variant === 'product' ? seed.databaseUrl : seed.naiveUrl;
      const times = operation.writes ? (quick ? 160 : 480) : 80;
      counted.push([variant, await countVolume(cluster, target, operation, url, times)]);
      await target.close();
    }
    volumes.set(operation, Object.fromEntries(counted));
  }
  return volumes;
}

async function halfLoaded(
  seed: Seed,
  served: Served,
  compared: ReadonlyMap<Operation, Rounds>,
): Promise<OpenLoop[]> {
  const found: OpenLoop[] = [];
  for (const operation of operations) {
    const rate = median(compared.get(operation)?.product.map(stretch => stretch.rate) ?? []) / 2;
    const target = openTarget(served, seed, 64);
    const visitors = await inviteVisitors(target, operation, 'bcrypt', 64);
    const { latencies, errors } = await openLoop(target, operation, visitors, rate, quick ? 2_000 : 4_000);
    const [p50, p95, p99] = [0.5, 0.95, 0.99].map(q => quantile(latencies, q)) as [number, number, number];
    found.push({ operation, rate, p50, p95, p99, errors, count: latencies.length });
    await target.close();
  }
  return found;
}

async function withHashes(cluster: Cluster, seed: Seed, scheme: 'bcrypt' | 'argon2id') {
  const servers = await startAll(seed, scheme);
  const signIn = signInWith(scheme);
  const gentle = { ...pace, stretch: pace.stretch, connections: 8 };
  const compared = await compare(cluster, seed, servers, [signIn], scheme, gentle);
  await Promise.all([servers.bare.stop(), servers.naive.stop()]);
  const target = openTarget(servers.product, seed, 64);
  const signed = OPERATIONS.find(({ name }) => name === CC_JWT) ?? signIn;
  const pressure = await underPressure(target, signIn, signed, scheme, quick ? 3_000 : 8_000);
  await target.close();
  await servers.product.stop();
  return { compared, pressure };
}

async function measure(): Promise<Findings> {
  if (otherCore !== undefined) pin(process.pid, otherCore);
  const cluster = await openCluster(otherCore);
  try {
    const seed = await plant(cluster);
    const before = await calibrate(cluster, seed);
    const servers = await startAll(seed, 'none');
    const volumes = await countAll(cluster, seed, servers);
    const compared = new Map(await compare(cluster, seed, servers, operations, 'bcrypt', pace));
    const rss = new Map<Compared, number>();
    for (const variant of COMPARED) rss.set(variant, (await servers[variant].ask()).rss);
    const open = await halfLoaded(seed, servers.product, compared);
    const upAfter = new Map(COMPARED.map(variant => [variant, servers[variant].upAfter]));
    await stopAll(servers);
    const pressures: Pressure[] = [];
    for (const scheme of only === undefined ? (['bcrypt', 'argon2id'] as const) : []) {
      const hashed = await withHashes(cluster, seed, scheme);
      for (const [operation, rounds] of hashed.compared) compared.set(operation, rounds);
      pressures.push(hashed.pressure);
    }
    const after = await calibrate(cluster, seed);
    const startUp = only === undefined ? await measureStartUp() : undefined;
    return {
      machine: machine(cluster),
      pace,
      hello: [before, after],
      compared,
      volumes,
      open,
      pressures,
      rss,
      upAfter,
      startUp,
    };
  } finally {
    await cluster.close();
  }
}

function machine(cluster: Cluster): string {
  const model = cpus()[0]?.model.trim() ?? 'unknown processor';
  const memory = Math.round(totalmem() / 2 ** 30);
  const place = pinned
    ? 'servers pinned to one core, load generator and Postgres to another'
    : 'nothing pinned to a core';
  return `${cores} cores of ${model}, ${memory} GiB; Node ${process.versions.node}, embedded Postgres ${cluster.version} on the same machine; ${place}`;
}

const text = report(await measure(), new Date());
process.stdout.write(text);
const out = option('out');
if (out !== undefined) await writeFile(out, text);
process.exit(0);
