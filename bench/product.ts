import { openApp } from '../src/app.js';
import { type Config, readConfig } from '../src/config.js';
import { listen } from '../src/listener.js';
import { openLog } from '../src/platform/telemetry/log.js';
import { logOnly } from '../src/platform/telemetry/telemetry.js';
import type { Assignment } from './child.js';
import { BCRYPT_COST } from './seed.js';

/** Serves the whole product, limits on, as `main.ts` would; only the database is shared with the bench. */
export async function serveProduct({ port, seed, scheme }: Assignment): Promise<() => Promise<void>> {
  const given = {
    KEYHOLD_ISSUER: `http://localhost:${port}`,
    KEYHOLD_LOG_LEVEL: 'warn',
    KEYHOLD_SECRET: seed.secret,
    KEYHOLD_DATABASE_URL: seed.databaseUrl,
    KEYHOLD_MIGRATION_DATABASE_URL: seed.migrationDatabaseUrl,
    KEYHOLD_TRUSTED_PROXIES: '127.0.0.1,::1',
    KEYHOLD_PASSWORD_SCHEME: scheme === 'argon2id' ? 'argon2id' : 'bcrypt',
    KEYHOLD_BCRYPT_COST: String(BCRYPT_COST),
  };
  const config: Config = {
    ...readConfig(given, () => ''),
    secret: seed.secret,
    databaseUrl: seed.databaseUrl,
    migrationDatabaseUrl: seed.migrationDatabaseUrl,
  };
  const app = await openApp(config, logOnly(openLog(config.logLevel)));
  const listener = await listen(config, (request, response) => app.listener(request, response));
  return async () => {
    await listener.drain(1_000);
    await app.close();
  };
}
