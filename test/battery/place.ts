import { chmod, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { type Db, openDatabase } from '../../src/platform/storage/db.js';
import { type Embedded, startEmbedded } from '../../src/platform/storage/embedded.js';
import { until } from '../support/jobs.js';
import { RUN_FOLDER, removeLeftovers } from '../support/leftovers.js';

/** A Postgres of the battery's own, which may be ill-treated. */
export interface Place {
  readonly url: string;
  readonly migrationUrl: string;
  /** Of the superuser, in the database of the product. */
  readonly superuserUrl: string;
  /** Looks in as the owner of the schema. */
  readonly db: Db;
  /** Where processes keep their files. */
  readonly folder: string;
  /** As the superuser, in the database of the product. */
  ask(statement: string, values?: readonly unknown[]): Promise<readonly Readonly<Record<string, unknown>>[]>;
  /** Ends the server as `pg_ctl stop -m fast` does, and waits until it is gone. */
  stopPostgres(): Promise<void>;
  startPostgres(): Promise<void>;
  close(): Promise<void>;
}

/** Starts it; `fleeting` where nothing has to survive a crash of the machine. */
export async function openPlace(fleeting: boolean): Promise<Place> {
  await removeLeftovers();
  const folder = await mkdtemp(join(tmpdir(), `${RUN_FOLDER}${process.pid}-`));
  await chmod(folder, 0o711);
  const begin = () => startEmbedded({ dataDir: folder, settings: ['max_connections=200'], fleeting });
  let embedded = await begin();
  const { url, migrationUrl } = embedded;
  const db = openDatabase(migrationUrl);
  return {
    url,
    migrationUrl,
    superuserUrl: inProduct(embedded).href,
    db,
    folder,
    ask: (statement, values = []) => asSuperuser(embedded, statement, values),
    stopPostgres: () => stopFast(embedded),
    startPostgres: async () => {
      embedded = await begin();
      if (embedded.url !== url) throw new Error('Postgres came back at another port');
    },
    close: async () => {
      await db.destroy();
      await embedded.stop();
      for (const left of [embedded.folder, folder]) await rm(left, { recursive: true, force: true });
    },
  };
}

function inProduct({ superuserUrl }: Embedded): URL {
  const url = new URL(superuserUrl);
  url.pathname = '/keyhold';
  return url;
}

async function asSuperuser(embedded: Embedded, statement: string, values: readonly unknown[]) {
  const client = new pg.Client({ connectionString: inProduct(embedded).href, application_name: 'battery' });
  await client.connect();
  try {
    return (await client.query(statement, [...values])).rows as Readonly<Record<string, unknown>>[];
  } finally {
    await client.end();
  }
}

async function stopFast({ folder }: Embedded): Promise<void> {
  const read = () => readFile(join(folder, 'cluster', 'postmaster.pid'), 'utf8').catch(() => '');
  const pid = Number((await read()).split('\n')[0]);
  if (!pid) throw new Error('Postgres is not running');
  process.kill(pid, 'SIGINT');
  await until(async () => (await read()) === '');
}
