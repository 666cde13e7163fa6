import { type ChildProcess, spawn } from 'node:child_process';
import { createServer } from 'node:net';
import { fileURLToPath } from 'node:url';

/** A program of ours that ended. */
export interface Ended {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

/** A program of ours that runs with nothing in its environment but what it was given. */
export interface Running {
  readonly child: ChildProcess;
  /** Settles when the program has printed `text`, or fails with all it printed when it ended before. */
  printed(text: string): Promise<void>;
  readonly ended: Promise<Ended>;
}

const children = new Set<ChildProcess>();

/** Kills what a failed test left running. */
export function killAll(): void {
  for (const child of children) child.kill('SIGKILL');
}

/** Runs `dist/src/<program>.js`. */
export function run(
  program: 'main' | 'cli',
  args: readonly string[],
  env: Readonly<Record<string, string>>,
): Running {
  const path = fileURLToPath(new URL(`../../src/${program}.js`, import.meta.url));
  const child = spawn(process.execPath, [path, ...args], { env, stdio: ['ignore', 'pipe', 'pipe'] });
  children.add(child);
  child.once('exit', () => children.delete(child));
  let out = '';
  let err = '';
  child.stdout.on('data', chunk => {
    out += chunk;
  });
  child.stderr.on('data', chunk => {
    err += chunk;
  });
  const ended = new Promise<Ended>(resolve => void child.once('close', code => resolve({ code, out, err })));
  const printed = (text: string): Promise<void> =>
    new Promise((resolve, reject) => {
      const look = (): void => void (out.includes(text) && resolve());
      child.stdout.on('data', look);
      look();
      void ended.then(() => reject(new Error(`it ended: ${out}${err}`)));
    });
  return { child, printed, ended };
}

/** A port nobody listens on. */
export function freePort(): Promise<number> {
  return new Promise(resolve => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const address = server.address();
      server.close(() => resolve(typeof address === 'object' && address ? address.port : 0));
    });
  });
}
