import { randomBytes } from 'node:crypto';
import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Config, Settings } from './config.js';
import { type Embedded, startEmbedded } from './platform/storage/embedded.js';
import { keepOnce, prepareFolder } from './platform/storage/folder.js';
import { migrate, roleOf } from './platform/storage/migrate.js';
import { explain, reachDatabase } from './platform/storage/reach.js';
import { StorageTrouble } from './platform/storage/trouble.js';

/** An installation whose database answers. */
export interface Prepared {
  readonly config: Config;
  /** Settles when the embedded database ends though nobody here stopped it. */
  readonly lost: Promise<void>;
  /** The migrations that had to run. */
  readonly migrated: readonly string[];
  /** Leaves the embedded database, if there is one. */
  stop(): Promise<void>;
}

/** Completes the settings: the secret of the data folder, the database outside or embedded, and the schema in it. */
export async function prepareDatabase(
  settings: Settings,
  progress: (sentence: string) => void,
): Promise<Prepared> {
  const secret = settings.secret ?? (await keepSecret(settings));
  const embedded = settings.databaseUrl
    ? undefined
    : await startEmbedded({ dataDir: settings.dataDir, progress });
  try {
    const config = { ...settings, secret, ...(await databaseUrls(settings, embedded, progress)) };
    const migrated = await migrateDatabase(config, progress);
    const never = new Promise<void>(() => undefined);
    return {
      config: Object.freeze(config),
      lost: embedded?.lost ?? never,
      migrated,
      stop: async () => embedded?.stop(),
    };
  } catch (error) {
    await embedded?.stop();
    throw error;
  }
}

type Urls = Pick<Config, 'databaseUrl' | 'migrationDatabaseUrl'>;

async function databaseUrls(
  settings: Settings,
  embedded: Embedded | undefined,
  progress: (sentence: string) => void,
): Promise<Urls> {
  if (embedded) return { databaseUrl: embedded.url, migrationDatabaseUrl: embedded.migrationUrl };
  const { databaseUrl = '', migrationDatabaseUrl = databaseUrl } = settings;
  await reachDatabase(databaseUrl, 'KEYHOLD_DATABASE_URL', progress);
  if (migrationDatabaseUrl !== databaseUrl) {
    await reachDatabase(migrationDatabaseUrl, 'KEYHOLD_MIGRATION_DATABASE_URL', progress);
  }
  return { databaseUrl, migrationDatabaseUrl };
}

async function migrateDatabase(
  config: Config,
  progress: (sentence: string) => void,
): Promise<readonly string[]> {
  const { databaseUrl, migrationDatabaseUrl } = config;
  try {
    return await migrate({ migrationUrl: migrationDatabaseUrl, appRole: roleOf(databaseUrl), progress });
  } catch (error) {
    const isOurs = migrationDatabaseUrl !== databaseUrl;
    const setting = isOurs ? 'KEYHOLD_MIGRATION_DATABASE_URL' : 'KEYHOLD_DATABASE_URL';
    const code = typeof error === 'object' && error && 'code' in error ? error.code : undefined;
    throw code === '42501' ? explain(migrationDatabaseUrl, setting, error) : error;
  }
}

async function keepSecret(settings: Settings): Promise<string> {
  await prepareFolder(settings.dataDir);
  const path = join(settings.dataDir, 'secret');
  const hasDatabase = await exists(join(settings.dataDir, 'database.json'));
  if (hasDatabase && !(await exists(path))) {
    throw new StorageTrouble(
      `${path} is missing, and what the database beside it holds cannot be read without it; restore it from a backup, set KEYHOLD_SECRET, or move ${settings.dataDir} away to begin empty.`,
    );
  }
  const secret = (await keepOnce(path, () => `${randomBytes(48).toString('base64url')}\n`)).trim();
  if (secret.length >= 32) return secret;
  throw new StorageTrouble(`${path} is damaged; restore it from a backup, or set KEYHOLD_SECRET.`);
}

async function exists(path: string): Promise<boolean> {
  return (await stat(path).catch(() => undefined)) !== undefined;
}

/** The installation as it is, for whoever looks at it and makes nothing; undefined where there is none yet. */
export async function findDatabase(settings: Settings): Promise<Omit<Prepared, 'migrated'> | undefined> {
  const kept = join(settings.dataDir, 'secret');
  const secret = settings.secret ?? (await readFile(kept, 'utf8').catch(() => undefined))?.trim();
  const isMade =
    settings.databaseUrl !== undefined || (await exists(join(settings.dataDir, 'database.json')));
  if (secret === undefined || !isMade) return undefined;
  const embedded = settings.databaseUrl ? undefined : await startEmbedded({ dataDir: settings.dataDir });
  try {
    const urls = await databaseUrls(settings, embedded, () => undefined);
    const lost = embedded?.lost ?? new Promise<void>(() => undefined);
    return { config: { ...settings, secret, ...urls }, lost, stop: async () => embedded?.stop() };
  } catch (error) {
    await embedded?.stop();
    throw error;
  }
}
