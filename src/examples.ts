import { type ChildProcess, spawn } from 'node:child_process';
import { readFile, rename, stat, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Config } from './config.js';
import { findClient, registerClient, toRegistrationAnswer } from './domain/clients/clients.js';
import { type Db, openDatabase } from './platform/storage/db.js';
import { openWork } from './platform/storage/work.js';

/** The example app, running. */
export interface ExampleApp {
  stop(): void;
}

/** Seen from `dist/src`. */
const PROGRAM = fileURLToPath(new URL('../examples/web/main.js', import.meta.url));
const SOURCES = fileURLToPath(new URL('../../examples/', import.meta.url));
const FIRST_PORT = 3001;

/**
 * Registers the example clients that are not there yet and gives the address the example app will have; undefined where
 * there is none to run: in production and in the image. What the clients were issued is kept in the data folder.
 */
export async function loadExamples(config: Config): Promise<string | undefined> {
  if (config.production || !(await stat(PROGRAM).catch(() => undefined))) return undefined;
  const db = openDatabase(config.databaseUrl);
  try {
    for (const name of ['web', 'spa', 'native']) await loadExample(db, config, name);
  } finally {
    await db.destroy();
  }
  return addressOf(await issued(fileOf(config, 'web')));
}

/** Starts the example app beside us; its ending is told and hurts nobody. */
export async function startExample(config: Config, tell: (text: string) => void): Promise<ExampleApp> {
  const file = fileOf(config, 'web');
  const child = spawn(process.execPath, [PROGRAM], {
    env: {
      EXAMPLE_ISSUER: config.issuer.href,
      EXAMPLE_PORT: new URL(addressOf(await issued(file))).port,
      EXAMPLE_CLIENT_FILE: file,
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const ended = watch(child, tell);
  await Promise.race([listening(child), ended]);
  return { stop: () => void child.kill('SIGTERM') };
}

function addressOf(client: IssuedClient | undefined): string {
  return new URL('/', redirectUri(client) ?? `http://localhost:${FIRST_PORT}`).href;
}

function watch(child: ChildProcess, tell: (text: string) => void): Promise<void> {
  let said = '';
  child.stderr?.on('data', chunk => {
    said = `${said}${chunk}`.slice(-2_000);
  });
  return new Promise(resolve => {
    child.once('error', error => {
      tell(`The example app could not be started: ${error.message}`);
      resolve();
    });
    child.once('exit', code => {
      if (code) tell(`The example app ended: ${said.trim()}`);
      resolve();
    });
  });
}

function listening(child: ChildProcess): Promise<void> {
  return new Promise(resolve => child.stdout?.once('data', () => resolve()));
}

function fileOf(config: Config, name: string): string {
  return join(config.dataDir, `example-${name}.json`);
}

interface IssuedClient {
  readonly client_id?: string;
  readonly redirect_uris?: readonly string[];
}

async function issued(file: string): Promise<IssuedClient | undefined> {
  const text = await readFile(file, 'utf8').catch(() => 'null');
  try {
    return JSON.parse(text) ?? undefined;
  } catch {
    return undefined;
  }
}

function redirectUri(client: IssuedClient | undefined): string | undefined {
  const [uri] = client?.redirect_uris ?? [];
  return uri !== undefined && URL.canParse(uri) ? uri : undefined;
}

async function loadExample(db: Db, config: Config, name: string): Promise<void> {
  const file = fileOf(config, name);
  const before = await issued(file);
  const isKnown = before?.client_id !== undefined && (await findClient(db, before.client_id)) !== undefined;
  const port = Number(new URL(redirectUri(before) ?? 'http://localhost').port);
  if (isKnown && (port === 0 || (await isFree(port)))) return;
  const metadata = JSON.parse(await readFile(join(SOURCES, name, 'client.json'), 'utf8'));
  const registration = {
    rules: { issuer: config.issuer, allowPrivateNetwork: config.allowPrivateNetwork },
    operator: true,
    verified: true,
  };
  const free = await onFreePort(metadata, config.port);
  const moved = name === 'web' && config.allowPrivateNetwork ? { ...free, ...calledBack(free) } : free;
  const answer = await openWork(db, { kind: 'system' }, work => registerClient(work, moved, registration));
  const draft = `${file}.new`;
  await writeFile(draft, `${JSON.stringify(toRegistrationAnswer(answer), null, 2)}\n`, { mode: 0o600 });
  await rename(draft, file);
}

/* Where we may call addresses of this machine, the example app hears of sign-outs and of deletions. */
function calledBack(metadata: object): object {
  const { origin } = new URL(redirectUri(metadata) ?? `http://localhost:${FIRST_PORT}`);
  return {
    backchannel_logout_uri: `${origin}/backchannel-logout`,
    command_endpoint: `${origin}/commands`,
    commands_supported: ['delete', 'audit', 'invalidate'],
  };
}

// The ports in the examples' own metadata may be taken here.
async function onFreePort(metadata: Record<string, unknown>, ours: number): Promise<object> {
  const wanted = Number(new URL(redirectUri(metadata) ?? 'http://localhost').port);
  if (wanted === 0) return metadata;
  let port = wanted;
  while (port === ours || !(await isFree(port))) port += 2;
  return JSON.parse(JSON.stringify(metadata).replaceAll(`localhost:${wanted}/`, `localhost:${port}/`));
}

function isFree(port: number): Promise<boolean> {
  return new Promise(resolve => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen(port, 'localhost', () => void server.close(() => resolve(true)));
  });
}
