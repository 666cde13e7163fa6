import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { chown, open, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { createConnection } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { ClusterHome } from './embedded-home.js';
import { bareEnvironment, programPath, type RunAs, runProgram } from './embedded-native.js';
import { fileTrouble, OR_ANOTHER_DATABASE, StorageTrouble } from './trouble.js';

/** Creates the cluster in one step: a process that dies half-way leaves a draft behind, never half a cluster. */
export async function createCluster(home: ClusterHome, native: string, fleeting: boolean): Promise<void> {
  const draft = join(home.folder, `draft-${randomUUID()}`);
  const passwordFile = `${draft}.password`;
  try {
    await writeFile(passwordFile, `${home.notes.superuser}\n`, { mode: 0o600 });
    if (home.runAs) await chown(passwordFile, home.runAs.uid, home.runAs.gid);
    const { code, output } = await runProgram(
      programPath(native, 'initdb'),
      [
        '-D',
        draft,
        '-U',
        'postgres',
        '-A',
        'scram-sha-256',
        `--pwfile=${passwordFile}`,
        '--no-locale',
        '-E',
        'UTF8',
        ...(fleeting ? ['--no-sync'] : []),
      ],
      home.runAs,
    );
    if (code !== 0) throw explain(home, output);
    await rename(draft, home.cluster);
  } catch (error) {
    if (!(await stat(join(home.cluster, 'PG_VERSION')).catch(() => undefined))) {
      throw fileTrouble(home.folder, error);
    }
  } finally {
    await rm(passwordFile, { force: true }).catch(() => undefined);
    await rm(draft, { recursive: true, force: true }).catch(() => undefined);
  }
}

/** Whether there is a cluster in the folder; throws when what is there is something else. */
export async function hasCluster(home: ClusterHome): Promise<boolean> {
  const there = await stat(home.cluster).catch(() => undefined);
  if (!there) return false;
  const whole = await stat(join(home.cluster, 'global', 'pg_control')).catch(() => undefined);
  if (whole && (await stat(join(home.cluster, 'PG_VERSION')).catch(() => undefined))) return true;
  throw new StorageTrouble(
    `The database in ${home.cluster} is damaged (files are missing); restore it from a backup, or move ${home.folder} away to begin empty.`,
  );
}

/** What the postmaster that runs on this cluster, if any, says of itself. */
export async function readPostmaster(home: ClusterHome): Promise<{ pid: number; port: number } | undefined> {
  const text = await readFile(join(home.cluster, 'postmaster.pid'), 'utf8').catch(() => '');
  const [pid, , , port] = text.split('\n');
  return Number(pid) > 0 && Number(port) > 0 ? { pid: Number(pid), port: Number(port) } : undefined;
}

/**
 * Whether a server answers for this folder. The local socket is asked first: unlike a process id it is right in another
 * container that shares the folder, and after a crash.
 */
export function answers(home: ClusterHome, port: number): Promise<boolean> {
  const target = home.socketFolder
    ? { path: join(home.socketFolder, `.s.PGSQL.${port}`) }
    : { port, host: '127.0.0.1' };
  return new Promise(resolve => {
    const socket = createConnection(target);
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}

/** How a try to start ended. */
export type StartResult = 'started' | 'port taken' | 'already running';

/** Starts Postgres apart from our process group, so that Ctrl-C reaches us alone, and waits until it answers. */
export async function startCluster(
  home: ClusterHome,
  native: string,
  port: number,
  settings: readonly string[],
): Promise<StartResult> {
  const logPath = join(home.folder, 'postgres.log');
  const log = await open(logPath, 'w', 0o600).catch(error => Promise.reject(fileTrouble(logPath, error)));
  try {
    if (home.runAs) await log.chown(home.runAs.uid, home.runAs.gid);
    const ended = launch(
      programPath(native, 'postgres'),
      serverArguments(home, port, settings),
      home.runAs,
      log.fd,
    );
    for (;;) {
      const early = await Promise.race([ended, sleep(15)]);
      if (early !== undefined) return failedStart(home, early, await readFile(logPath, 'utf8'));
      if ((await readPostmaster(home))?.port === port && (await answers(home, port))) return 'started';
    }
  } finally {
    await log.close();
  }
}

function serverArguments(home: ClusterHome, port: number, settings: readonly string[]): readonly string[] {
  const all = [
    'listen_addresses=127.0.0.1',
    `unix_socket_directories=${home.socketFolder ?? ''}`,
    'password_encryption=scram-sha-256',
    'timezone=UTC',
    'log_timezone=UTC',
    // A statement or a failing row in a log file would be personal data in clear.
    'log_min_error_statement=panic',
    'log_error_verbosity=terse',
    ...settings,
  ];
  return ['-D', home.cluster, '-p', String(port), ...all.flatMap(setting => ['-c', setting])];
}

function launch(
  program: string,
  args: readonly string[],
  runAs: RunAs | undefined,
  log: number,
): Promise<Error | number> {
  return new Promise(resolve => {
    const identity = runAs ? { uid: runAs.uid, gid: runAs.gid } : {};
    const child = spawn(program, args, {
      ...identity,
      cwd: '/',
      env: bareEnvironment(),
      detached: true,
      stdio: ['ignore', log, log],
    });
    child.on('error', resolve);
    child.on('exit', code => resolve(code ?? -1));
    child.unref();
  });
}

function failedStart(home: ClusterHome, reason: Error | number, log: string): StartResult {
  if (/could not bind|could not create any TCP\/IP sockets/.test(log)) return 'port taken';
  if (/lock file ".*" already exists/.test(log)) return 'already running';
  throw explain(home, log || String(reason));
}

/** Stops the server of this cluster, by its own process id and no other, and waits until it is gone. */
export async function stopCluster(home: ClusterHome): Promise<void> {
  const running = await readPostmaster(home);
  if (!running) return;
  // Postgres: SIGINT ends sessions and shuts down cleanly; SIGQUIT leaves the rest to crash recovery.
  for (const [signal, patience] of [
    ['SIGINT', 30_000],
    ['SIGQUIT', 5_000],
  ] as const) {
    if (!sendSignal(running.pid, signal)) return;
    const until = Date.now() + patience;
    while (Date.now() < until) {
      if ((await readPostmaster(home))?.pid !== running.pid) return;
      await sleep(15);
    }
  }
}

function sendSignal(pid: number, signal: NodeJS.Signals): boolean {
  try {
    return process.kill(pid, signal);
  } catch {
    return false;
  }
}

function explain(home: ClusterHome, output: string): StorageTrouble {
  const words = (output.match(/(?:FATAL|PANIC|error):\s+(.*)/)?.[1] ?? output.split('\n')[0] ?? '').trim();
  if (/No space left on device|Disk quota exceeded/.test(output)) {
    return new StorageTrouble(
      `The disk that holds ${home.folder} is full; free some space (about 100 MB) and start again.`,
    );
  }
  if (/could not look up effective user ID/.test(output)) {
    return new StorageTrouble(
      `The user with the id ${process.getuid?.()} has no entry in /etc/passwd, and Postgres needs one to create its files; start Keyhold as a user that has one, ${OR_ANOTHER_DATABASE}.`,
    );
  }
  if (/Permission denied|Read-only file system|wrong ownership|invalid permissions/.test(output)) {
    return new StorageTrouble(
      `Postgres may not use ${home.folder} (${words}); change its owner, or set KEYHOLD_DATA_DIR to another folder.`,
    );
  }
  return new StorageTrouble(
    `The database in ${home.folder} does not start (Postgres says: ${words}); restore it from a backup, or move the folder away to begin empty, ${OR_ANOTHER_DATABASE}.`,
  );
}
