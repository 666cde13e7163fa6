import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { firstAnswer, freePort } from './child.js';

/** How long the product takes from nothing to its first answer, in milliseconds, and what it then occupies. */
export interface StartUp {
  /** With an empty folder: the embedded database is created, migrated, and keys are made. */
  readonly first: number;
  /** Everything is there, but the embedded database is started. */
  readonly second: number;
  /** Resident memory in bytes, at rest, of the Node process. */
  readonly idleRss: number;
}

/** Starts `dist/src/main.js` twice on one new folder, with the database that it brings. */
export async function measureStartUp(): Promise<StartUp> {
  const folder = await mkdtemp(join(tmpdir(), 'keyhold-bench-'));
  await chmod(folder, 0o711);
  try {
    const first = await startOnce(folder);
    const second = await startOnce(folder);
    return { first: first.after, second: second.after, idleRss: second.rss };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function startOnce(folder: string): Promise<{ readonly after: number; readonly rss: number }> {
  const port = await freePort();
  const main = fileURLToPath(new URL('../src/main.js', import.meta.url));
  const env = {
    PATH: process.env['PATH'],
    HOME: process.env['HOME'],
    KEYHOLD_ISSUER: `http://localhost:${port}`,
    KEYHOLD_DATA_DIR: join(folder, 'keyhold'),
  };
  const began = performance.now();
  const child = spawn(process.execPath, [main], { env, stdio: 'ignore' });
  await firstAnswer(`http://localhost:${port}/.well-known/openid-configuration`);
  const after = performance.now() - began;
  await pause(3_000);
  const rss = rssOf(child.pid ?? 0);
  const ended = once(child, 'exit');
  child.kill('SIGTERM');
  await ended;
  return { after, rss };
}

function rssOf(pid: number): number {
  const [, kilobytes = '0'] = /VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? [];
  return Number(kilobytes) * 1024;
}
