import type { Operation } from './operations.js';
import type { Pressure } from './pressure.js';
import type { Compared, Pace, Rounds, Volume } from './rounds.js';
import type { StartUp } from './start-up.js';
import { bootstrap, type Interval, median, quantile } from './statistics.js';

export interface OpenLoop {
  readonly operation: Operation;
  readonly rate: number;
  readonly p50: number;
  readonly p95: number;
  readonly p99: number;
  readonly errors: number;
  readonly count: number;
}

interface Calibration {
  readonly rate: number;
  readonly cpu: number;
  readonly load: number;
}

/** All that a run found. */
export interface Findings {
  readonly machine: string;
  readonly pace: Pace;
  /** Before and after. */
  readonly hello: readonly [Calibration, Calibration];
  readonly compared: ReadonlyMap<Operation, Rounds>;
  readonly volumes: ReadonlyMap<Operation, Readonly<Record<'product' | 'naive', Volume>>>;
  readonly open: readonly OpenLoop[];
  readonly pressures: readonly Pressure[];
  readonly rss: ReadonlyMap<Compared, number>;
  readonly upAfter: ReadonlyMap<Compared, number>;
  readonly startUp: StartUp | undefined;
}

type Cell = string | number;

const whole = (value: number) => Math.round(value).toLocaleString('en-US');
const short = (value: number) => (value >= 100 ? whole(value) : value.toPrecision(2));
const megabytes = (bytes: number) => `${Math.round(bytes / 1e6)} MB`;

function table(heads: readonly string[], rows: readonly (readonly Cell[])[]): string {
  const line = (cells: readonly Cell[]) => `| ${cells.join(' | ')} |`;
  return [line(heads), line(heads.map((_, i) => (i === 0 ? '---' : '--:'))), ...rows.map(line)].join('\n');
}

/** The report as Markdown, ratios first. */
export function report(findings: Findings, at: Date): string {
  const { machine, pace, hello, compared } = findings;
  const greeting = hello.map(
    ({ rate, cpu, load }) => `${whole(rate)}/s at ${cpu.toFixed(0)} µs (load average ${load.toFixed(1)})`,
  );
  const operations = [...compared];
  return `${[
    `Measured ${at.toISOString().slice(0, 16).replace('T', ' ')} UTC: ${machine}. ${pace.rounds} interleaved rounds of ${pace.stretch / 1000} s for each operation and variant, ${pace.connections} connections (8 with password hashes). Node "hello" before and after: ${greeting.join('; ')}.`,
    '### Ratios',
    table(
      [
        'Operation',
        'rate ÷ bare engine',
        'goal',
        'CPU: bare ÷ Keyhold',
        'rate ÷ naive adapter',
        'goal',
        'CPU: naive ÷ Keyhold',
        'Postgres CPU: naive ÷ Keyhold',
      ],
      operations.map(([operation, rounds]) => ratioRow(operation, rounds)),
    ),
    '### Rates, latencies and processor time',
    table(
      ['Operation', 'variant', 'per s', 'p50 ms', 'p95 ms', 'p99 ms', 'server CPU µs', 'Postgres CPU µs'],
      operations.flatMap(([operation, rounds]) => rateRows(operation, rounds)),
    ),
    '### What one operation asks of the database',
    table(
      ['Operation', 'variant', 'statements', 'writing commits', 'WAL bytes', 'rows left'],
      [...findings.volumes].flatMap(([operation, { product, naive }]) => [
        volumeRow(operation, 'Keyhold', product),
        volumeRow(operation, 'naive', naive),
      ]),
    ),
    '### At half of capacity, arrivals at random',
    table(
      ['Operation', 'per s', 'p50 ms', 'p95 ms', 'p99 ms', 'operations', 'errors'],
      findings.open.map(open => [
        open.operation.name,
        whole(open.rate),
        ...[open.p50, open.p95, open.p99].map(short),
        whole(open.count),
        open.errors,
      ]),
    ),
    ...pressureSection(findings.pressures),
    '### Start and memory',
    standing(findings),
  ].join('\n\n')}\n`;
}

const ratios = (
  rounds: Rounds,
  other: Compared,
  of: (stretch: Rounds['product'][number]) => number,
  flip = false,
): Interval =>
  bootstrap(
    rounds.product.map((stretch, i) => {
      const against = rounds[other][i];
      if (!against) return 0;
      return flip ? of(against) / of(stretch) : of(stretch) / of(against);
    }),
  );

const interval = ({ median: middle, low, high }: Interval) =>
  `**${middle.toFixed(2)}** (${low.toFixed(2)}–${high.toFixed(2)})`;

function verdict(found: Interval, goal: number | undefined, wanted?: number): string {
  if (!goal) return '';
  const wish = wanted === undefined ? '' : `, wanted ${wanted}`;
  return `≥ ${goal}${wish}: ${found.median >= goal ? 'met' : found.high >= goal ? 'not shown' : 'missed'}`;
}

function ratioRow({ name, goals }: Operation, rounds: Rounds): Cell[] {
  const bare = ratios(rounds, 'bare', ({ rate }) => rate);
  const naive = ratios(rounds, 'naive', ({ rate }) => rate);
  const usesDatabase = median(rounds.naive.map(({ databaseCpu }) => databaseCpu)) > 50;
  const database = ratios(rounds, 'naive', ({ databaseCpu }) => Math.max(1, databaseCpu), true);
  return [
    name,
    interval(bare),
    verdict(bare, goals.bare, goals.wanted),
    ratios(rounds, 'bare', ({ serverCpu }) => serverCpu, true).median.toFixed(2),
    interval(naive),
    verdict(naive, goals.naive),
    ratios(rounds, 'naive', ({ serverCpu }) => serverCpu, true).median.toFixed(2),
    usesDatabase ? database.median.toFixed(1) : '–',
  ];
}

function rateRows({ name }: Operation, rounds: Rounds): Cell[][] {
  return (['product', 'bare', 'naive'] as const).map(variant => {
    const stretches = rounds[variant];
    const latencies = stretches.flatMap(stretch => stretch.latencies);
    return [
      variant === 'product' ? name : '',
      variant === 'product' ? 'Keyhold' : variant,
      short(median(stretches.map(({ rate }) => rate))),
      ...[0.5, 0.95, 0.99].map(q => short(quantile(latencies, q))),
      whole(median(stretches.map(({ serverCpu }) => serverCpu))),
      variant === 'bare' ? '–' : whole(median(stretches.map(({ databaseCpu }) => databaseCpu))),
    ];
  });
}

function volumeRow({ name }: Operation, variant: string, volume: Volume): Cell[] {
  return [
    variant === 'naive' ? '' : name,
    variant,
    volume.trips.toFixed(1),
    volume.commits.toFixed(1),
    whole(volume.wal),
    volume.rows.toFixed(1),
  ];
}

function pressureSection(pressures: readonly Pressure[]): string[] {
  if (pressures.length === 0) return [];
  return [
    '### Everybody else, while 50 sign in with a password side by side',
    table(
      [
        'Scheme',
        'signed in',
        'told to come again (503)',
        'event loop p99 ms (≤ 50)',
        'event loop max ms',
        'signature p99 ms (< 2)',
        'token request p50 ms',
        'p99 ms',
      ],
      pressures.map(pressure => [
        pressure.scheme,
        pressure.signedIn,
        pressure.turnedAway,
        ...[
          pressure.loopP99,
          pressure.loopMax,
          pressure.signingP99,
          pressure.tokenP50,
          pressure.tokenP99,
        ].map(short),
      ]),
    ),
  ];
}

function standing({ startUp, upAfter, rss }: Findings): string {
  const seconds = (milliseconds: number | undefined) =>
    milliseconds === undefined ? '–' : `${(milliseconds / 1000).toFixed(2)} s`;
  const rows: Cell[][] = [
    [
      '`main.js` to the first 200, everything new (creates and migrates its database, makes keys)',
      seconds(startUp?.first),
    ],
    ['`main.js` to the first 200, second start (starts its database)', seconds(startUp?.second)],
    ['… memory at rest (Node process)', startUp ? megabytes(startUp.idleRss) : '–'],
  ];
  for (const [variant, milliseconds] of upAfter) {
    const name = variant === 'product' ? 'Keyhold' : variant;
    rows.push([`${name}, database running: to the first 200`, seconds(milliseconds)]);
    rows.push([`${name}, after the load: memory`, megabytes(rss.get(variant) ?? 0)]);
  }
  return table(['', ''], rows);
}
