import { createServer, type IncomingHttpHeaders, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type Config, readConfig } from '../../src/config.js';
import type { TestDatabase } from './database.js';
import { register } from './keyhold.js';
import { type Ended, freePort, type Running, run } from './keyhold-process.js';
import type { Issuing } from './relying-party.js';

/** Keyhold as an operator runs it: a process of its own, on a database of the test. */
export interface KeyholdProcess extends Issuing, Running {
  readonly origin: string;
  readonly port: number;
  /** Ends it as an orchestrator does. */
  stop(): Promise<Ended>;
}

/** What every process of a test has in common. */
export const SECRET = 'kV9x2mQw7ZpL4tRb8nHs3cYd6fGj1aEu';

/** Starts it and waits until it runs; `env` are whole names. */
export async function startProcess(
  database: TestDatabase,
  env: Readonly<Record<string, string>> = {},
): Promise<KeyholdProcess> {
  const port = await freePort();
  const origin = `http://localhost:${port}`;
  const settings = {
    KEYHOLD_ISSUER: origin,
    KEYHOLD_SECRET: SECRET,
    KEYHOLD_DATABASE_URL: database.url,
    KEYHOLD_MIGRATION_DATABASE_URL: database.migrationUrl,
    KEYHOLD_ALLOW_PRIVATE_NETWORK: 'on',
    KEYHOLD_RATE_LIMITS: 'off',
    ...env,
  };
  const running = run('main', [], settings);
  await running.printed('Keyhold is running at');
  const config = readConfig(settings, () => '') as Config;
  return {
    ...running,
    origin,
    issuer: origin,
    port,
    registerClient: metadata => register(database.db, config, metadata),
    stop: async () => {
      running.child.kill('SIGTERM');
      return running.ended;
    },
  };
}

/** A server that keeps whatever it is sent. */
export interface Sink {
  readonly url: string;
  readonly received: readonly {
    readonly path: string;
    readonly headers: IncomingHttpHeaders;
    readonly body: string;
  }[];
  close(): void;
}

/** Opens it on a free loopback port. */
export async function openSink(): Promise<Sink> {
  const received: Sink['received'][number][] = [];
  const server: Server = createServer(async (request, response) => {
    let body = '';
    for await (const chunk of request.setEncoding('utf8')) body += chunk;
    received.push({ path: request.url ?? '', headers: request.headers, body });
    response.writeHead(200, { 'Content-Type': 'application/json' }).end('{}');
  });
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return { url: `http://127.0.0.1:${port}`, received, close: () => void server.close() };
}
