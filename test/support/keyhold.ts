import { randomBytes } from 'node:crypto';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Agent, buildConnector, type Dispatcher } from 'undici';
import { type App, openApp } from '../../src/app.js';
import { type Config, type Environment, readConfig } from '../../src/config.js';
import { registerClient, STANDARD_SCOPES, toRegistrationAnswer } from '../../src/domain/clients/clients.js';
import { declarableOf, findSchema, standardSchema } from '../../src/domain/profiles/profiles.js';
import { listResourceScopes } from '../../src/domain/resources/resources.js';
import type { Db } from '../../src/platform/storage/db.js';
import { openWork } from '../../src/platform/storage/work.js';
import { openLog } from '../../src/platform/telemetry/log.js';
import { logOnly, type Telemetry } from '../../src/platform/telemetry/telemetry.js';
import { openTestDatabase, type TestDatabase } from './database.js';
import { devMailbox, type Mailbox } from './mailbox.js';
import { openPair } from './pair.js';
import type { Issuing, RegisteredClient } from './relying-party.js';
import { countTrips, type Trips } from './trips.js';

/** A whole Keyhold with a database of its own, listening on loopback. */
export interface TestKeyhold extends Issuing {
  readonly origin: string;
  /** Where it listens, whatever its issuer says. */
  readonly port: number;
  /** Reaches this one by its issuer, also where another process of the same issuer listens there. */
  readonly dispatcher: Dispatcher;
  readonly config: Config;
  readonly db: Db;
  readonly mailbox: Mailbox;
  readonly trips: Trips;
  /** Takes no further job, as a process that is told to stop. */
  retire(): void;
  close(): Promise<void>;
}

/** Settings by their names without `KEYHOLD_`; without an issuer, it is http://localhost with a free port. */
export type TestSettings = Readonly<Record<string, string>>;

/** What a Keyhold shares with others. */
export interface Company {
  /** Another process of this one's issuer, on its database. */
  readonly beside?: TestKeyhold;
  /** A database that somebody else opened, and closes. */
  readonly database?: TestDatabase;
  /** How it is watched; by a log alone unless said otherwise. */
  readonly telemetry?: Telemetry;
}

/** Starts Keyhold; one beside another is set up the same, but for a secret of its own. Unless told otherwise it lets loopback apps in and does not limit rates. */
export async function startKeyhold(
  settings: TestSettings = {},
  { beside, database: given, telemetry }: Company = {},
): Promise<TestKeyhold> {
  const database = given ?? (beside ? borrowed(beside) : await openTestDatabase());
  let app: App | undefined;
  // Listening comes first, since the port is part of the issuer.
  const server = createServer((request, response) => {
    if (app) app.listener(request, response);
    else response.writeHead(503).end();
  });
  await new Promise<void>((resolve, reject) => {
    server.on('error', reject);
    server.listen(0, 'localhost', resolve);
  });
  const { port } = server.address() as AddressInfo;
  const config: Config = beside
    ? { ...beside.config, ...(settings.SECRET && { secret: settings.SECRET }) }
    : {
        ...readConfig(environment(port, settings), () => ''),
        bcryptCost: Number(settings.BCRYPT_COST ?? BCRYPT_COST),
        secret: settings.SECRET ?? randomBytes(32).toString('base64'),
        databaseUrl: database.url,
        migrationDatabaseUrl: database.migrationUrl,
      };
  const trips = countTrips(database.url);
  app =
    process.env['KEYHOLD_TEST_PAIR'] && !beside
      ? await openPair(config, environment(port, settings) as Readonly<Record<string, string>>)
      : await openApp(config, telemetry ?? logOnly(openLog(config.logLevel)));
  const dispatcher = agentTo(port);
  return {
    issuer: config.issuer.origin,
    origin: config.issuer.origin,
    port,
    dispatcher,
    config,
    db: database.db,
    mailbox: devMailbox(config.issuer),
    trips,
    registerClient: metadata => register(database.db, config, metadata),
    retire: () => app?.drain(),
    close: async () => {
      await dispatcher.destroy();
      server.closeAllConnections();
      await new Promise(resolve => server.close(resolve));
      await app?.close();
      trips.stop();
      await database.close();
    },
  };
}

/* What operators may set begins at 10; hashing as costly took a third of a whole run, and no test is about it. */
const BCRYPT_COST = 4;

function borrowed({ config, db }: TestKeyhold): TestDatabase {
  const { databaseUrl: url, migrationDatabaseUrl: migrationUrl } = config;
  return { url, migrationUrl, db, close: async () => undefined };
}

function agentTo(port: number): Agent {
  const connect = buildConnector({});
  return new Agent({
    connect: (options, callback) =>
      connect({ ...options, hostname: 'localhost', port: String(port) }, callback),
  });
}

function environment(port: number, settings: TestSettings): Environment {
  const given = {
    ISSUER: `http://localhost:${port}`,
    LOG_LEVEL: 'error',
    ...LOOPBACK(settings),
    ...settings,
  };
  return Object.fromEntries(Object.entries(given).map(([name, value]) => [`KEYHOLD_${name}`, value]));
}

// Both are refused where the issuer is public.
const LOOPBACK = (settings: TestSettings): TestSettings =>
  settings.ISSUER ? {} : { ALLOW_PRIVATE_NETWORK: 'on', RATE_LIMITS: 'off' };

/** The same provider, whose operator has looked at no app that is registered this way. */
export const unchecked = ({ issuer, db, config }: TestKeyhold) => ({
  issuer,
  registerClient: (metadata: Readonly<Record<string, unknown>>) => register(db, config, metadata, false),
});

/** Registers an app as an operator would. */
export async function register(
  db: Db,
  config: Pick<Config, 'issuer' | 'allowPrivateNetwork'>,
  metadata: Readonly<Record<string, unknown>>,
  verified = true,
): Promise<RegisteredClient> {
  const scopes = [...STANDARD_SCOPES, ...(await listResourceScopes(db))];
  const declarable = declarableOf((await findSchema(db)) ?? standardSchema().schema);
  const { issuer, allowPrivateNetwork } = config;
  const rules = { issuer, allowPrivateNetwork, scopes, declarable };
  const issued = await openWork(db, { kind: 'operator' }, work =>
    registerClient(work, metadata, { operator: true, rules, verified }),
  );
  return toRegistrationAnswer(issued) as unknown as RegisteredClient;
}
