import cluster, { type Worker } from 'node:cluster';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { Config } from './config.js';
import type { Logger } from './platform/telemetry/log.js';

/** What the primary process found out or made, and its workers need. */
export interface Handover {
  readonly secret: string;
  readonly databaseUrl: string;
  readonly migrationDatabaseUrl: string;
  readonly exampleUrl: string | undefined;
}

/** What the processes tell each other. */
type Message = { readonly keyhold: 'begin' | 'serving' | 'drain'; readonly handover?: Handover };

/** The processes that serve behind the one port. */
export interface Workers {
  /** Settles when each of them serves, or fails when one ended before. */
  readonly serving: Promise<void>;
  /** Asks each to stop, and ends those that have not after `patience` milliseconds. */
  drain(patience: number): Promise<void>;
}

const FIRST_WAIT = 250;
const LONGEST_WAIT = 30_000;
/** Whoever has served for so long is not what fails again and again. */
const STEADY = 60_000;

/** Starts them, and each one anew that ends, ever more slowly while they keep ending. */
export function startWorkers(config: Config, exampleUrl: string | undefined, log: Logger): Workers {
  cluster.setupPrimary({ exec: fileURLToPath(new URL('./main.js', import.meta.url)), args: [] });
  const { secret, databaseUrl, migrationDatabaseUrl } = config;
  const handover: Handover = { secret, databaseUrl, migrationDatabaseUrl, exampleUrl };
  const stopping = new AbortController();
  const running = new Set<Worker>();

  const startOne = (wait: number): Promise<void> =>
    new Promise((resolve, reject) => {
      const worker = cluster.fork();
      const since = Date.now();
      let hasServed = false;
      running.add(worker);
      worker.on('message', (message: Message) => {
        if (message.keyhold === 'begin') worker.send({ keyhold: 'begin', handover } satisfies Message);
        if (message.keyhold !== 'serving') return;
        hasServed = true;
        resolve();
      });
      worker.once('exit', (code, signal) => {
        running.delete(worker);
        reject(new Error('a process ended before it could serve'));
        if (stopping.signal.aborted) return;
        log.error({ worker: worker.id, code, signal, wait }, 'a process ended and is started anew');
        const next = hasServed && Date.now() - since > STEADY ? FIRST_WAIT : Math.min(wait * 2, LONGEST_WAIT);
        sleep(wait, undefined, { signal: stopping.signal }).then(
          () => startOne(next).catch(() => undefined),
          () => undefined,
        );
      });
    });

  const serving = Promise.all(Array.from({ length: config.workers }, () => startOne(FIRST_WAIT)));
  return {
    serving: serving.then(() => undefined),
    drain: async patience => {
      stopping.abort();
      const ended = [...running].map(worker => new Promise(resolve => void worker.once('exit', resolve)));
      for (const worker of running)
        if (worker.isConnected()) worker.send({ keyhold: 'drain' } satisfies Message);
      const late = setTimeout(() => {
        for (const worker of running) worker.process.kill('SIGKILL');
      }, patience);
      await Promise.all(ended);
      clearTimeout(late);
    },
  };
}

/** Whether this process is a worker. */
export const isWorker = cluster.isWorker;

/** The number of this worker. */
export function workerId(): number | undefined {
  return cluster.worker?.id;
}

/** Asks the primary for what it made. */
export function askHandover(): Promise<Handover> {
  return new Promise(resolve => {
    const listen = (message: Message): void => {
      if (message.keyhold !== 'begin' || !message.handover) return;
      process.off('message', listen);
      resolve(message.handover);
    };
    process.on('message', listen);
    process.send?.({ keyhold: 'begin' } satisfies Message);
  });
}

/** Tells the primary that this worker serves. */
export function tellServing(): void {
  process.send?.({ keyhold: 'serving' } satisfies Message);
}

/** Settles when the primary asks this worker to stop, or is gone. */
export function askedToDrain(): Promise<string> {
  return new Promise(resolve => {
    process.on('message', (message: Message) => {
      if (message.keyhold === 'drain') resolve('asked by the primary');
    });
    process.once('disconnect', () => resolve('the primary is gone'));
  });
}
