import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { errorCode, StorageTrouble } from './trouble.js';

const OLDEST = 14;
/** How long a database that is starting beside us is waited for, in milliseconds. */
const PATIENCE = 15_000;

/** Proves that the database at `url` (set by `setting`) answers, lets us in and is new enough. */
export async function reachDatabase(
  url: string,
  setting: string,
  progress: (sentence: string) => void,
): Promise<void> {
  const until = Date.now() + PATIENCE;
  for (let waited = false; ; waited = true) {
    try {
      return await look(url, setting);
    } catch (error) {
      if (error instanceof StorageTrouble) throw error;
      if (!isPassing(error) || Date.now() > until) throw explain(url, setting, error);
      if (!waited) progress(`Waiting for the database at ${placeOf(url)} …`);
      await sleep(500);
    }
  }
}

async function look(url: string, setting: string): Promise<void> {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 5_000 });
  client.on('error', () => undefined);
  try {
    await client.connect();
    const { rows } = await client.query("SELECT current_setting('server_version_num')::int AS version");
    const major = Math.floor(Number(rows[0].version) / 10_000);
    if (major < OLDEST) {
      throw new StorageTrouble(
        `The database of ${setting} is Postgres ${major}; Keyhold needs Postgres ${OLDEST} or newer.`,
      );
    }
  } finally {
    await client.end().catch(() => undefined);
  }
}

// Refused, not resolved yet (a container that is being made), or starting up.
function isPassing(error: unknown): boolean {
  return ['ECONNREFUSED', 'ECONNRESET', 'EAI_AGAIN', '57P03'].includes(errorCode(error));
}

const REASONS: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'nothing listens there',
  ECONNRESET: 'the connection was cut',
  ENOTFOUND: 'there is no host of that name',
  EAI_AGAIN: 'the host name cannot be looked up',
  ETIMEDOUT: 'it does not answer',
  EHOSTUNREACH: 'there is no way to that host',
  ENETUNREACH: 'there is no way to that network',
};

/** A failed connection or migration, told as one sentence about the setting that names the database. */
export function explain(url: string, setting: string, error: unknown): StorageTrouble {
  const code = errorCode(error);
  const words = error instanceof Error ? error.message : String(error);
  const place = placeOf(url);
  if (code === '28P01' || code === '28000') {
    return new StorageTrouble(
      `The database at ${place} refuses the user or the password of ${setting} (${words}); correct it.`,
      error,
    );
  }
  if (code === '3D000') {
    return new StorageTrouble(`At ${place} ${words}; create it, or correct ${setting}.`, error);
  }
  if (code === '42501') {
    return new StorageTrouble(
      `The role of ${setting} may not do what is needed (${words}); grant it that, or name a role that owns the database in KEYHOLD_MIGRATION_DATABASE_URL.`,
      error,
    );
  }
  const reason = REASONS[code] ?? words;
  return new StorageTrouble(
    `The database at ${place} cannot be reached (${reason}); start it or correct ${setting}.`,
    error,
  );
}

/** Host and port of a database URL, without the password. */
function placeOf(url: string): string {
  const { hostname, port, searchParams } = new URL(url);
  return `${hostname || searchParams.get('host') || 'localhost'}:${port || '5432'}`;
}
