import { AggregatorRegistry, Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';
import type { Labels, Metrics, Watched } from './telemetry.js';

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

function watch({ kind, name, help, of = 'process', labels = [], read }: Watched, registry: Registry): void {
  const options = { name, help, labelNames: [...labels], registers: [registry] };
  const aggregator = of === 'database' ? ('max' as const) : ('sum' as const);
  const collect = async (set: (labels: Labels, value: number) => void) => {
    // One that cannot be read now is left out; the others are still told.
    for (const [value, about = {}] of await Promise.resolve(read()).catch(() => [])) set(about, value);
  };
  if (kind === 'gauge') {
    const gauge = new Gauge({
      ...options,
      aggregator,
      collect: () => collect((about, value) => gauge.set(about, value)),
    });
  } else {
    const counter = new Counter({
      ...options,
      collect: () => {
        counter.reset();
        return collect((about, value) => counter.inc(about, value));
      },
    });
  }
}

/** The metrics of all the processes that this one started with node:cluster, added up. */
export function openClusterMetrics(): Pick<ScrapedMetrics, 'text'> {
  const registry = new AggregatorRegistry();
  return { text: () => registry.clusterMetrics() };
}
