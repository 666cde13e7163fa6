import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { startEmbedded } from '../src/platform/storage/embedded.js';
import { migrate, roleOf } from '../src/platform/storage/migrate.js';

/** What the cluster has done so far. */
export interface Tally {
  /** Microseconds of processor time, of all its processes. */
  readonly cpu: number;
  /** Bytes of write-ahead log. */
  readonly wal: number;
  /** Transactions that wrote. */
  readonly commits: number;
}

/** A Postgres of the bench's own, with the settings it has by default, one database for each variant that uses one. */
export interface Cluster {
  readonly url: string;
  readonly ownerUrl: string;
  readonly naiveUrl: string;
  readonly version: string;
  /** How much processor time the cluster has used, in microseconds; costs the cluster nothing. */
  cpu(): number;
  tally(): Promise<Tally>;
  checkpoint(): Promise<void>;
  /** How many rows there are in all tables of a database. */
  rows(url: string): Promise<number>;
  /** How many transactions a database has committed, as `pg_stat_database` says once its backends have told. */
  committed(url: string): Promise<number>;
  close(): Promise<void>;
}

const NAIVE = 'keyhold_bench_naive';

/** Starts it in a folder that `close` removes; on the given processor core, if any. */
export async function openCluster(core: string | undefined): Promise<Cluster> {
  const dataDir = await mkdtemp(join(tmpdir(), 'keyhold-bench-'));
  await chmod(dataDir, 0o711);
  const embedded = await startEmbedded({ dataDir, settings: ['max_connections=200'] });
  await migrate({ migrationUrl: embedded.migrationUrl, appRole: roleOf(embedded.url) });
  const own = new pg.Client({ connectionString: embedded.superuserUrl });
  await own.connect();
  await own.query(`CREATE DATABASE ${NAIVE} OWNER ${roleOf(embedded.url)}`);
  const { rows } = await own.query<{ pid: number; version: string }>(
    `SELECT pg_backend_pid() AS pid, current_setting('server_version') AS version`,
  );
  const postmaster = parentOf(rows[0]?.pid ?? 0);
  if (core !== undefined) for (const pid of familyOf(postmaster)) pin(pid, core);
  const number = async (sql: string): Promise<number> => {
    const { rows: found } = await own.query<{ value: string }>(sql);
    return Number(found[0]?.value);
  };
  return {
    url: embedded.url,
    ownerUrl: embedded.migrationUrl,
    naiveUrl: named(embedded.url, NAIVE),
    version: rows[0]?.version ?? '',
    cpu: () => familyOf(postmaster).reduce((sum, pid) => sum + cpuOf(pid), 0),
    tally: async () => ({
      cpu: familyOf(postmaster).reduce((sum, pid) => sum + cpuOf(pid), 0),
      wal: await number(`SELECT pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0') AS value`),
      commits: await number(`SELECT pg_snapshot_xmax(pg_current_snapshot()) AS value`),
    }),
    checkpoint: async () => void (await own.query('CHECKPOINT')),
    rows: url => countRows(named(embedded.superuserUrl, databaseOf(url))),
    committed: url =>
      number(`SELECT xact_commit AS value FROM pg_stat_database WHERE datname = '${databaseOf(url)}'`),
    close: async () => {
      await own.end();
      await embedded.stop();
      await rm(dataDir, { recursive: true, force: true });
    },
  };
}

/** Keeps a process, and what it starts, on one core. */
export function pin(pid: number, core: string): void {
  execFileSync('taskset', ['-a', '-p', '-c', core, String(pid)], { stdio: 'ignore' });
}

const databaseOf = (url: string) => new URL(url).pathname.slice(1);

function named(url: string, database: string): string {
  const other = new URL(url);
  other.pathname = `/${database}`;
  return other.href;
}

async function countRows(url: string): Promise<number> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  const { rows } = await client.query<{ name: string }>(
    `SELECT format('%I.%I', schemaname, tablename) AS name FROM pg_tables
     WHERE schemaname NOT IN ('pg_catalog', 'information_schema', 'graphile_worker')`,
  );
  let sum = 0;
  for (const { name } of rows) {
    const counted = await client.query<{ count: string }>(`SELECT count(*) FROM ONLY ${name}`);
    sum += Number(counted.rows[0]?.count);
  }
  await client.end();
  return sum;
}

const fieldsOf = (pid: number): string[] =>
  (readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1] ?? '').split(' ');

function parentOf(pid: number): number {
  return Number(fieldsOf(pid)[1]);
}

function familyOf(postmaster: number): number[] {
  const pids = readdirSync('/proc').filter(name => /^\d+$/.test(name));
  return [postmaster, ...pids.map(Number).filter(pid => safely(() => parentOf(pid)) === postmaster)];
}

/* Nanoseconds where the kernel tells, else the hundredths of a second that it always tells. */
function cpuOf(pid: number): number {
  const precise = safely(() => Number(readFileSync(`/proc/${pid}/schedstat`, 'utf8').split(' ')[0]) / 1_000);
  if (precise !== undefined) return precise;
  const [user, system] = safely(() => fieldsOf(pid).slice(11, 13)) ?? [];
  return (Number(user ?? 0) + Number(system ?? 0)) * 10_000;
}

function safely<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch {
    return undefined;
  }
}
