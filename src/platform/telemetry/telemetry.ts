import type { Logger } from './log.js';

/** Names and bounded words only: never a secret, never something about a person. */
export type Labels = Readonly<Record<string, string>>;

/** What is counted of a running process. */
export interface Metrics {
  request(
    labels: { readonly method: string; readonly route: string; readonly status: string },
    seconds: number,
  ): void;
  job(name: string, outcome: 'done' | 'failed', seconds: number): void;
  signIn(way: string): void;
  /** Reads a gauge or counter of somebody else's at each scrape; `of: 'database'` is the same seen from every process. */
  watch(watched: Watched): void;
}

/** A number that somebody else keeps. */
export interface Watched {
  readonly kind: 'gauge' | 'counter';
  readonly name: string;
  readonly help: string;
  readonly of?: 'process' | 'database';
  readonly labels?: readonly string[];
  read(): readonly Reading[] | Promise<readonly Reading[]>;
}

/** A value, and what it is the value of. */
export type Reading = readonly [value: number, labels?: Labels];

/** What a span says about itself. */
export type Attributes = Readonly<Record<string, string | number | boolean>>;

/** One step of a trace, while it runs. */
export interface Span {
  rename(name: string): void;
  set(attributes: Attributes): void;
}

/** How a span begins. */
export interface SpanStart {
  readonly kind: 'server' | 'client' | 'consumer';
  readonly attributes?: Attributes;
  /** The W3C `traceparent` of whoever asks, where they are believed. */
  readonly parent?: string | undefined;
}

/** Where traces go. */
export interface Traces {
  /** Runs `act` as one step; it fails when `act` throws. */
  span<T>(name: string, start: SpanStart, act: (span: Span) => Promise<T>): Promise<T>;
  /** Begins a step that ends elsewhere: with what is returned. */
  begin(name: string, start: SpanStart): (error?: unknown) => void;
  close(): Promise<void>;
}

/** How a process is watched from outside. */
export interface Telemetry {
  readonly log: Logger;
  readonly metrics: Metrics;
  /** Undefined where nobody asked for traces, so that nothing is spent on them. */
  readonly traces: Traces | undefined;
}

const NO_METRICS: Metrics = {
  request: () => undefined,
  job: () => undefined,
  signIn: () => undefined,
  watch: () => undefined,
};

/** A log, and neither metrics nor traces. */
export function logOnly(log: Logger): Telemetry {
  return { log, metrics: NO_METRICS, traces: undefined };
}
