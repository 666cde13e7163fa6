import { readFileSync } from 'node:fs';
import { openApp } from './app.js';
import { banner } from './banner.js';
import { type Config, ConfigError, type Environment, readConfig, type Settings } from './config.js';
import { type Prepared, prepareDatabase } from './database.js';
import { type ExampleApp, loadExamples, startExample } from './examples.js';
import { checkPort, type Listener, ListenTrouble, listen } from './listener.js';
import { StorageTrouble } from './platform/storage/trouble.js';
import { type Logger, openLog } from './platform/telemetry/log.js';

/** How long requests that are under way may take when we stop, in milliseconds; orchestrators kill after 30 s. */
const DRAIN = 20_000;

/** What is open and must be closed, from the outside in. */
interface Open {
  listener?: Listener;
  example?: ExampleApp;
  app?: Awaited<ReturnType<typeof openApp>>;
  database?: Prepared;
}

/** Runs the server until a signal ends it, and gives the exit code. */
export async function start(env: Environment, argv: readonly string[]): Promise<number> {
  const open: Open = {};
  const stopped = stopSignal();
  stopped.catch(() => undefined);
  let log: Logger | undefined;
  try {
    const settings = readConfig(env, path => readFileSync(path, 'utf8'));
    log = openLog(settings.logLevel);
    const code = await run(settings, log, argv, open, stopped);
    await shut(open, log);
    return code;
  } catch (error) {
    tell(error);
    await shut(open, log);
    return 1;
  }
}

async function run(
  settings: Settings,
  log: Logger,
  argv: readonly string[],
  open: Open,
  stopped: Promise<string>,
): Promise<number> {
  const say = speaker(settings, log);
  for (const warning of settings.warnings) log.warn(warning);
  await checkPort(settings);
  say('Starting the database …');
  open.database = await prepareDatabase(settings, say);
  const { config } = open.database;
  const exampleUrl = argv.includes('--with-example') ? await loadExamples(config) : undefined;
  open.app = await openApp(config, log, exampleUrl);
  const { app } = open;
  open.listener = await listen(config, (request, response) => app.listener(request, response));
  if (exampleUrl) open.example = await startExample(config, warn);
  announce(config, log, exampleUrl);
  const reason = await Promise.race([stopped, open.database.lost.then(() => undefined)]);
  if (reason === undefined) {
    throw new StorageTrouble(
      `The embedded database ended unexpectedly; see postgres.log beside it in ${config.dataDir}, then start Keyhold again.`,
    );
  }
  log.info(`${reason}: stopping`);
  return 0;
}

function speaker(settings: Settings, log: Logger): (sentence: string) => void {
  if (settings.production) return sentence => log.info(sentence);
  return sentence => void process.stdout.write(`${sentence}\n`);
}

function announce(config: Config, log: Logger, exampleUrl: string | undefined): void {
  if (config.production) log.info({ issuer: config.issuer.origin, port: config.port }, 'Keyhold is running');
  else process.stdout.write(`${banner(config, exampleUrl)}\n`);
}

function warn(text: string): void {
  process.stderr.write(`${text}\n`);
}

/** Settles with the first signal that asks us to stop, or fails with the first error that nobody caught. */
function stopSignal(): Promise<string> {
  return new Promise((resolve, reject) => {
    let askedAt = 0;
    for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) {
      process.on(signal, () => {
        // The terminal and npm may both pass on one Ctrl-C; a second one means "at once".
        if (askedAt > 0 && Date.now() - askedAt > 500) process.exit(130);
        askedAt ||= Date.now();
        resolve(signal);
      });
    }
    process.once('uncaughtException', reject);
  });
}

async function shut(open: Open, log: Logger | undefined): Promise<void> {
  open.example?.stop();
  const steps = [() => open.listener?.drain(DRAIN), () => open.app?.close(), () => open.database?.stop()];
  for (const step of steps) {
    try {
      await step();
    } catch (error) {
      log?.error({ err: error }, 'something did not close');
    }
  }
}

/** One sentence where the cause is known; everything where it is not. */
function tell(error: unknown): void {
  const isKnown = [ConfigError, StorageTrouble, ListenTrouble].some(kind => error instanceof kind);
  const text = isKnown && error instanceof Error ? error.message : `Keyhold cannot go on: ${describe(error)}`;
  process.stderr.write(`${text}\n`);
}

function describe(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}
