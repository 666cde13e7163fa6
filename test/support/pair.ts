import { mkdtemp, rm } from 'node:fs/promises';
import { request as ask, type IncomingMessage, type ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { App } from '../../src/app.js';
import type { Config } from '../../src/config.js';
import { until } from './jobs.js';
import { freePort, run } from './keyhold-process.js';
import { openSlowStore } from './slow-store.js';

/**
 * Two processes of Keyhold on one database that is some milliseconds away, behind one door: each request goes to the other
 * one than the one before. What a test does with one Keyhold it does with these.
 */
export async function openPair(config: Config, env: Readonly<Record<string, string>>): Promise<App> {
  const far = await openSlowStore(config.databaseUrl);
  const folder = await mkdtemp(join(tmpdir(), 'keyhold-pair-'));
  const ports = [await freePort(), await freePort()];
  const running = ports.map(port =>
    run('main', [], {
      ...env,
      KEYHOLD_SECRET: config.secret,
      KEYHOLD_DATABASE_URL: far.url,
      KEYHOLD_MIGRATION_DATABASE_URL: config.migrationDatabaseUrl ?? '',
      KEYHOLD_DATA_DIR: join(folder, String(port)),
      KEYHOLD_PORT: String(port),
    }),
  );
  const isReady = async (port: number) =>
    (await fetch(`http://127.0.0.1:${port}/health/ready`).catch(() => undefined))?.status === 200;
  for (const port of ports) await until(() => isReady(port));
  let turn = 0;
  const end = async () => {
    for (const { child } of running) child.kill('SIGKILL');
    await Promise.all(running.map(({ ended }) => ended));
  };
  return {
    listener: (request, response) => pass(request, response, ports[turn++ % ports.length] ?? 0),
    drain: () => void end(),
    close: async () => {
      await end();
      await far.close();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

function pass(request: IncomingMessage, response: ServerResponse, port: number): void {
  const { method, url: path, rawHeaders: headers } = request;
  const onward = ask({ host: '127.0.0.1', port, method, path, headers, setHost: false }, answer => {
    response.writeHead(answer.statusCode ?? 502, answer.rawHeaders);
    answer.pipe(response);
  });
  onward.on('error', () => response.destroy());
  request.pipe(onward);
}
