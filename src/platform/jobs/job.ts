/** One try of one job. */
export interface JobTry {
  /** The same for every try of this job. */
  readonly id: string;
  /** 1 for the first try. */
  readonly attempt: number;
  /** No further try follows when this one throws. */
  readonly last: boolean;
  /** Aborts when the try has to end: its time is up or the process is draining. */
  readonly signal: AbortSignal;
}

/** What runs later: when something enqueued it, or `every` time the cron expression (UTC) says. At least once, so idempotent. */
export interface JobDefinition {
  readonly name: string;
  readonly every?: string;
  run(payload: unknown, attempt: JobTry): Promise<void>;
}
