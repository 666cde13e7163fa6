import { readFileSync } from 'node:fs';
import { openApp } from './app.js';
import { banner } from './banner.js';
import { type Config, ConfigError, type Environment, readConfig, type Settings } from './config.js';
import { type Prepared, prepareDatabase } from './database.js';
import { restoredBackup } from './deletions-watch.js';
import { type ExampleApp, loadExamples, startExample } from './examples.js';
import { checkPort, type Listener, ListenTrouble, listen } from './listener.js';
import { StorageTrouble } from './platform/storage/trouble.js';
import { type Logger, openLog } from './platform/telemetry/log.js';
import { logOnly } from './platform/telemetry/telemetry.js';
import { openClusterWatching, openWatching, type Watching } from './watching.js';
import {
  askedToDrain,
  askHandover,
  isWorker,
  startWorkers,
  tellServing,
  type Workers,
  workerId,
} from './workers.js';

/** How long requests that are under way may take when we stop, in milliseconds; orchestrators kill after 30 s. */
const DRAIN = 10_000;
/** How much longer a whole worker may take to close. */
const CLOSE = 5_000;

/** What is open and must be closed, from the outside in. */
interface Open {
  drainDelay: number;
  workers?: Workers;
  listener?: Listener;
  example?: ExampleApp;
  app?: Awaited<ReturnType<typeof openApp>>;
  watching?: Watching;
  database?: Prepared;
}

/** Runs the server until a signal ends it, and gives the exit code. */
export async function start(env: Environment, argv: readonly string[]): Promise<number> {
  const open: Open = { drainDelay: 0 };
  const stopped = isWorker ? workerStopped() : stopSignal();
  stopped.catch(() => undefined);
  let log: Logger | undefined;
  try {
    const settings = readConfig(env, path => readFileSync(path, 'utf8'));
    log = openLog(settings.logLevel);
    const run = isWorker ? runWorker : settings.workers > 1 ? runPrimary : runAlone;
    log = isWorker ? log.child({ worker: workerId() }) : log;
    const code = await run({ settings, log, argv, open, stopped });
    open.drainDelay = settings.drainDelay;
    await shut(open, log);
    return code;
  } catch (error) {
    tell(error);
    await shut(open, log);
    return 1;
  }
}

interface Run {
  readonly settings: Settings;
  readonly log: Logger;
  readonly argv: readonly string[];
  readonly open: Open;
  readonly stopped: Promise<string>;
}

async function runAlone(run: Run): Promise<number> {
  const { log, open } = run;
  const { config, exampleUrl } = await prepare(run);
  open.watching = await openWatching(config, log, false);
  await serve(run, config, exampleUrl);
  if (exampleUrl) open.example = await startExample(config, warn);
  announce(config, log, exampleUrl);
  void lookForBackup(config, log);
  return untilStopped(run);
}

/** Holds what there is one of, and lets its workers serve. */
async function runPrimary(run: Run): Promise<number> {
  const { log, open } = run;
  const { config, exampleUrl } = await prepare(run);
  open.watching = await openClusterWatching(config, log);
  open.workers = startWorkers(config, exampleUrl, log);
  await open.workers.serving;
  if (exampleUrl) open.example = await startExample(config, warn);
  announce(config, log, exampleUrl);
  void lookForBackup(config, log);
  return untilStopped(run);
}

/* A long list is read for a while: nobody who wants to sign in waits for that. */
async function lookForBackup({ databaseUrl, erasedList }: Config, log: Logger): Promise<void> {
  try {
    const restored = await restoredBackup(databaseUrl, erasedList);
    if (restored) log.error(restored);
  } catch (error) {
    log.warn({ err: error }, 'the list of what was erased could not be held against the database');
  }
}

async function runWorker(run: Run): Promise<number> {
  const { exampleUrl, ...made } = await askHandover();
  const config = Object.freeze({ ...run.settings, ...made });
  run.open.watching = await openWatching(config, run.log, true);
  await serve(run, config, exampleUrl);
  tellServing();
  return untilStopped(run);
}

async function prepare({ settings, log, argv, open }: Run) {
  const say = speaker(settings, log);
  for (const warning of settings.warnings) log.warn(warning);
  await checkPort(settings);
  say('Starting the database …');
  open.database = await prepareDatabase(settings, say);
  const { config } = open.database;
  const exampleUrl = argv.includes('--with-example') ? await loadExamples(config) : undefined;
  return { config, exampleUrl };
}

async function serve({ open, log }: Run, config: Config, exampleUrl: string | undefined): Promise<void> {
  const telemetry = open.watching?.telemetry ?? logOnly(log);
  const app = await openApp(config, telemetry, exampleUrl);
  open.app = app;
  open.listener = await listen(config, (request, response) => app.listener(request, response));
}

async function untilStopped({ open, stopped, log, settings }: Run): Promise<number> {
  const never = new Promise<void>(() => undefined);
  const reason = await Promise.race([stopped, (open.database?.lost ?? never).then(() => undefined)]);
  if (reason === undefined) {
    throw new StorageTrouble(
      `The embedded database ended unexpectedly; see postgres.log beside it in ${settings.dataDir}, then start Keyhold again.`,
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
  const { issuer, port, workers } = config;
  if (config.production) log.info({ issuer: issuer.origin, port, workers }, 'Keyhold is running');
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

/** The same for a worker: a terminal signals every process of ours, and the primary says when. */
function workerStopped(): Promise<string> {
  for (const signal of ['SIGINT', 'SIGHUP'] as const) process.on(signal, () => undefined);
  return new Promise((resolve, reject) => {
    process.once('SIGTERM', resolve);
    process.once('uncaughtException', reject);
    void askedToDrain().then(resolve);
  });
}

async function shut(open: Open, log: Logger | undefined): Promise<void> {
  open.example?.stop();
  open.app?.drain();
  const steps = [
    () => open.workers?.drain(open.drainDelay + DRAIN + CLOSE),
    () => open.listener?.drain(DRAIN, open.drainDelay),
    () => open.app?.close(),
    () => open.watching?.close(),
    () => open.database?.stop(),
  ];
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
