import { readFile, rm } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import {
  answers,
  createCluster,
  hasCluster,
  readPostmaster,
  startCluster,
  stopCluster,
} from './embedded-cluster.js';
import { type ClusterHome, freePort, openHome } from './embedded-home.js';
import { nativeFolder } from './embedded-native.js';
import { errorCode, StorageTrouble } from './trouble.js';

/** What `startEmbedded` takes. */
export interface EmbeddedOptions {
  readonly dataDir: string;
  /** Told what takes long, one sentence at a time. */
  readonly progress?: (sentence: string) => void;
  /** More settings of the server, `name=value`. */
  readonly settings?: readonly string[];
  /** Nothing has to survive a crash of the machine: for tests. */
  readonly fleeting?: boolean;
}

/** A running embedded Postgres. */
export interface Embedded {
  /** The lesser role, which the server works under. */
  readonly url: string;
  /** The role that owns the database. */
  readonly migrationUrl: string;
  /** The superuser, for tests that make databases. */
  readonly superuserUrl: string;
  /** Where it keeps everything; outside the data folder when whoever runs Postgres cannot get there. */
  readonly folder: string;
  /** Settles when the cluster ends though nobody here left it. */
  readonly lost: Promise<void>;
  /** Leaves the cluster; whoever leaves last stops it. */
  stop(): Promise<void>;
}

const OWNER = 'keyhold_owner';
const APP = 'keyhold';
const DATABASE = 'keyhold';
/** Each process that uses the cluster holds this advisory lock shared, so that the last one knows it is the last. */
const PRESENCE = 7_203_114;

/** Starts the Postgres that belongs to a data folder, or joins the one that runs there already. */
export async function startEmbedded(options: EmbeddedOptions): Promise<Embedded> {
  const home = await openHome(options.dataDir);
  for (let round = 1; ; round += 1) {
    const { port, isOurs } = await bringUp(home, options);
    try {
      const presence = await enter(home, superuserUrl(home, port));
      return embedded(home, port, presence);
    } catch (error) {
      // Whoever ran it may have stopped it while we were joining.
      if (!LEAVING.has(errorCode(error)) || round === 5) {
        if (isOurs) await stopCluster(home);
        throw joinTrouble(home, error);
      }
    }
    await sleep(100);
  }
}

const LEAVING = new Set(['57P01', '57P03', 'ECONNREFUSED', 'ECONNRESET', '']);

function embedded(home: ClusterHome, port: number, presence: pg.Client): Embedded {
  const urlOf = (user: string, password: string): string =>
    `postgresql://${user}:${password}@127.0.0.1:${port}/${DATABASE}`;
  let leaving = false;
  const lost = new Promise<void>(settle => {
    presence.once('end', () => {
      if (!leaving) settle();
    });
  });
  return {
    url: urlOf(APP, home.notes.app),
    migrationUrl: urlOf(OWNER, home.notes.owner),
    superuserUrl: superuserUrl(home, port),
    folder: home.folder,
    lost,
    stop: async () => {
      leaving = true;
      try {
        // The exclusive lock is kept until the server is gone, so that nobody joins what is about to stop.
        if (await isLast(presence)) await stopCluster(home);
      } finally {
        await presence.end().catch(() => undefined);
      }
    },
  };
}

function superuserUrl(home: ClusterHome, port: number): string {
  return `postgresql://postgres:${home.notes.superuser}@127.0.0.1:${port}/postgres`;
}

const FLEETING = ['fsync=off', 'full_page_writes=off', 'synchronous_commit=off'];

interface Running {
  readonly port: number;
  /** This call started it. */
  readonly isOurs: boolean;
}

async function bringUp(home: ClusterHome, options: EmbeddedOptions): Promise<Running> {
  const progress = options.progress ?? (() => undefined);
  const settings = [...(options.settings ?? []), ...(options.fleeting ? FLEETING : [])];
  let native: string | undefined;
  let port = home.notes.port;
  for (let round = 0; round < 8; round += 1) {
    const running = await readPostmaster(home);
    if (running && (await answers(home, running.port))) return { port: running.port, isOurs: false };
    native ??= await nativeFolder(home.runAs, home.folder);
    if (!(await hasCluster(home))) {
      const place = isWithin(options.dataDir, home.folder) ? '' : ` in ${home.folder}`;
      progress(`Creating the database${place} (once) …`);
      await createCluster(home, native, options.fleeting ?? false);
    }
    const result = await startCluster(home, native, port, settings);
    if (result === 'started') return { port, isOurs: true };
    if (result === 'port taken') port = await freePort();
    else await waitForOther(home);
  }
  throw new StorageTrouble(
    `The database in ${home.folder} could not be started after several tries; see ${join(home.folder, 'postgres.log')}.`,
  );
}

function isWithin(folder: string, path: string): boolean {
  return path.startsWith(`${resolve(folder)}/`);
}

// Another process may be starting or stopping it this moment; or a crash left a process id that is somebody else's now.
async function waitForOther(home: ClusterHome): Promise<void> {
  const until = Date.now() + 10_000;
  while (Date.now() < until) {
    const running = await readPostmaster(home);
    if (!running || (await answers(home, running.port))) return;
    const command = await readFile(`/proc/${running.pid}/cmdline`, 'utf8').catch(() => undefined);
    if (command !== undefined && !command.includes('postgres')) {
      await rm(join(home.cluster, 'postmaster.pid'), { force: true });
      return;
    }
    await sleep(50);
  }
  throw new StorageTrouble(
    `The database in ${home.folder} is held by process ${(await readPostmaster(home))?.pid}, which does not answer; end that process and start again.`,
  );
}

async function enter(home: ClusterHome, connectionString: string): Promise<pg.Client> {
  const client = await connect(connectionString);
  try {
    await client.query('SELECT pg_advisory_lock_shared($1)', [PRESENCE]);
    await makeRoles(client, home);
    return client;
  } catch (error) {
    await client.end().catch(() => undefined);
    throw error;
  }
}

async function connect(connectionString: string): Promise<pg.Client> {
  const until = Date.now() + 60_000;
  for (;;) {
    const client = new pg.Client({ connectionString, application_name: 'keyhold presence' });
    client.on('error', () => undefined);
    try {
      await client.connect();
      return client;
    } catch (error) {
      await client.end().catch(() => undefined);
      // 57P03: starting up, recovering from a crash, or shutting down.
      if (errorCode(error) !== '57P03' || Date.now() > until) throw error;
      await sleep(50);
    }
  }
}

function joinTrouble(home: ClusterHome, error: unknown): StorageTrouble {
  if (errorCode(error) === 'ECONNREFUSED') {
    return new StorageTrouble(
      `Another Keyhold, perhaps in another container, is using ${home.folder}; stop it first, or give both one KEYHOLD_DATABASE_URL.`,
      error,
    );
  }
  if (errorCode(error) === '28P01') {
    return new StorageTrouble(
      `The passwords kept beside ${home.folder} are not those of the database in it; restore both from one backup, or move the data folder away to begin empty.`,
      error,
    );
  }
  const reason = error instanceof Error ? error.message : String(error);
  return new StorageTrouble(`The database in ${home.folder} does not answer: ${reason}.`, error);
}

async function makeRoles(client: pg.Client, home: ClusterHome): Promise<void> {
  const { rows } = await client.query(
    'SELECT 1 FROM pg_database d JOIN pg_roles r ON r.rolname = $2 WHERE d.datname = $1',
    [DATABASE, APP],
  );
  if (rows.length > 0) return;
  await client.query('SELECT pg_advisory_lock($1)', [PRESENCE + 1]);
  try {
    for (const [role, password] of [
      [OWNER, home.notes.owner],
      [APP, home.notes.app],
    ] as const) {
      const found = await client.query('SELECT 1 FROM pg_roles WHERE rolname = $1', [role]);
      const verb = found.rows.length > 0 ? 'ALTER' : 'CREATE';
      await client.query(`${verb} ROLE ${role} LOGIN PASSWORD ${client.escapeLiteral(password)}`);
    }
    const found = await client.query('SELECT 1 FROM pg_database WHERE datname = $1', [DATABASE]);
    if (found.rows.length === 0) await client.query(`CREATE DATABASE ${DATABASE} OWNER ${OWNER}`);
    await client.query(`REVOKE ALL ON DATABASE ${DATABASE} FROM PUBLIC`);
    await client.query(`GRANT CONNECT, TEMPORARY ON DATABASE ${DATABASE} TO ${APP}`);
  } finally {
    await client.query('SELECT pg_advisory_unlock($1)', [PRESENCE + 1]);
  }
}

async function isLast(presence: pg.Client): Promise<boolean> {
  try {
    await presence.query('SELECT pg_advisory_unlock_shared($1)', [PRESENCE]);
    const { rows } = await presence.query('SELECT pg_try_advisory_lock($1) AS alone', [PRESENCE]);
    return rows[0]?.alone === true;
  } catch {
    return false;
  }
}
