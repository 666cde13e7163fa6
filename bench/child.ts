import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Diagnosis, Question } from './diagnosis.js';
import type { Scheme, Seed } from './seed.js';

/** (a) the product, (b) the bare engine in memory, (c) the engine on a naive adapter; and the calibration. */
export type Variant = 'product' | 'bare' | 'naive' | 'hello';

/** What a server process is told to be. */
export interface Assignment {
  readonly variant: Variant;
  readonly scheme: Scheme;
  readonly port: number;
  readonly seed: Seed;
}

/** A server in a process of its own. */
export interface Served {
  readonly variant: Variant;
  readonly origin: string;
  /** From the start of the process to the first answer of 200, in milliseconds. */
  readonly upAfter: number;
  ask(question?: Question): Promise<Diagnosis>;
  stop(): Promise<void>;
}

/** Starts one variant, on the given processor core if any, and waits for its first answer. */
export async function startServer(
  variant: Variant,
  scheme: Scheme,
  seed: Seed,
  core: string | undefined,
): Promise<Served> {
  const port = await freePort();
  const folder = await mkdtemp(join(tmpdir(), 'keyhold-bench-'));
  const path = join(folder, 'assignment.json');
  await writeFile(path, JSON.stringify({ variant, scheme, port, seed } satisfies Assignment), {
    mode: 0o600,
  });
  const server = fileURLToPath(new URL('./server.js', import.meta.url));
  const command = [process.execPath, '--no-warnings', ...profiling(variant), server, path];
  const began = performance.now();
  const child = run(core === undefined ? command : ['taskset', '-c', core, ...command]);
  const origin = `http://localhost:${port}`;
  const lost = gone(child);
  lost.catch(() => undefined);
  const said = ready(child);
  await Promise.race([firstAnswer(`${origin}/.well-known/openid-configuration`), lost]);
  const upAfter = performance.now() - began;
  await Promise.race([said, lost]);
  await rm(folder, { recursive: true });
  return {
    variant,
    origin,
    upAfter,
    ask: async (question = 'tell') => {
      child.send(question);
      const [told] = await once(child, 'message');
      return told as Diagnosis;
    },
    stop: async () => {
      const ended = once(child, 'exit');
      child.send('end');
      await ended;
    },
  };
}

/** With KEYHOLD_BENCH_PROFILE=<variant> that variant leaves a processor profile in the current folder. */
function profiling(variant: Variant): readonly string[] {
  return process.env['KEYHOLD_BENCH_PROFILE'] === variant ? ['--cpu-prof'] : [];
}

const children = new Set<ChildProcess>();
process.once('exit', () => {
  for (const child of children) child.kill('SIGKILL');
});

function run([program = '', ...args]: readonly string[]): ChildProcess {
  const child = spawn(program, args, { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
  children.add(child);
  child.once('exit', () => children.delete(child));
  return child;
}

async function gone(child: ChildProcess): Promise<never> {
  const [code] = await once(child, 'exit');
  throw new Error(`a server ended with ${code} before it answered`);
}

async function ready(child: ChildProcess): Promise<void> {
  const [message] = await once(child, 'message');
  if (message !== 'ready') throw new Error(`unexpected: ${message}`);
}

/** Asks until there is a 200. */
export async function firstAnswer(url: string): Promise<void> {
  for (;;) {
    try {
      const { ok } = await fetch(url);
      if (ok) return;
    } catch {
      // Not yet.
    }
    await new Promise(resolve => setTimeout(resolve, 5));
  }
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
