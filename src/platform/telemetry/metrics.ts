import { setTimeout as pause } from 'node:timers/promises';
import { AggregatorRegistry, Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';
import type { Metrics, Reading, Watched } from './telemetry.js';

/** Metrics that can be scraped. */
export interface ScrapedMetrics extends Metrics {
  /** In the Prometheus text format. */
  text(): Promise<string>;
}

const SECONDS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];

/** Opens the metrics of this process. */
export function openMetrics(version: string): ScrapedMetrics {
  const registry = new Registry();
  const registers = [registry];
  collectDefaultMetrics({ register: registry });
  const build = { name: 'keyhold_build_info', help: 'What runs here.', labelNames: ['version', 'node'] };
  new Gauge({ ...build, registers, aggregator: 'first' }).set({ version, node: process.versions.node }, 1);
  const requests = new Histogram({
    name: 'keyhold_http_request_duration_seconds',
    help: 'Answered requests by method, route and status.',
    labelNames: ['method', 'route', 'status'],
    buckets: SECONDS,
    registers,
  });
  const jobs = new Histogram({
    name: 'keyhold_job_duration_seconds',
    help: 'Tries of jobs by name and outcome.',
    labelNames: ['job', 'outcome'],
    buckets: SECONDS,
    registers,
  });
  const signIns = new Counter({
    name: 'keyhold_sign_ins_total',
    help: 'Sign-ins by way in (amr of RFC 8176).',
    labelNames: ['way'],
    registers,
  });
  /* In a worker, also makes it answer its primary. */
  new AggregatorRegistry();
  AggregatorRegistry.setRegistries(registers);
  return {
    request: (labels, seconds) => requests.observe(labels, seconds),
    job: (job, outcome, seconds) => jobs.observe({ job, outcome }, seconds),
    signIn: way => signIns.inc({ way }),
    watch: watched => watch(watched, registry),
    text: () => registry.metrics(),
  };
}

/* A scrape must not wait for a database that is not there. */
const READ_MS = 1_000;

/** What is read now, or nothing where that fails or takes long: an old number would be told as a new one. */
async function readNow(read: Watched['read']): Promise<readonly Reading[]> {
  const ending = new AbortController();
  const late = pause(READ_MS, [], { signal: ending.signal }).catch(() => []);
  try {
    return await Promise.race([read(), late]);
  } catch {
    return [];
  } finally {
    ending.abort();
  }
}

function watch({ kind, name, help, of = 'process', labels = [], read }: Watched, registry: Registry): void {
  const aggregator = of === 'database' ? ('max' as const) : ('sum' as const);
  const options = { name, help, labelNames: [...labels], registers: [registry], aggregator };
  const metric = kind === 'gauge' ? new Gauge({ ...options, collect }) : new Counter({ ...options, collect });
  async function collect() {
    const readings = await readNow(read);
    metric.reset();
    /* One with labels has no series left by now. */
    if (readings.length === 0 && labels.length === 0) metric.remove();
    for (const [value, about = {}] of readings) metric.inc(about, value);
  }
}

/** The metrics of all the processes that this one started with node:cluster, added up. */
export function openClusterMetrics(): Pick<ScrapedMetrics, 'text'> {
  const registry = new AggregatorRegistry();
  return { text: () => registry.clusterMetrics() };
}
