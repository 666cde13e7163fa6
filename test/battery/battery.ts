import { randomInt } from 'node:crypto';
import { cpus } from 'node:os';
import { killAll } from '../support/keyhold-process.js';
import { runChooser } from './chooser.js';
import { runCommands } from './commands.js';
import { runDeletions } from './deletions.js';
import { runDisclosures } from './disclosures.js';
import { runDrains } from './drain.js';
import { runEnumeration } from './enumeration.js';
import { runExports } from './exports.js';
import { runKills } from './kills.js';
import { runPeople } from './people.js';
import { openPlace, type Place } from './place.js';
import { runPlans } from './plans.js';
import { runRaces } from './races.js';
import { runRestarts } from './restart.js';
import { runRetention } from './retention.js';
import { openRig, type Rig } from './rig.js';
import { runRotations } from './rotation.js';
import { runWithdrawals } from './withdrawals.js';

interface Outcome {
  readonly problems: readonly string[];
  readonly summary: Readonly<Record<string, unknown>>;
}

type Part = (rig: Rig, seed: number) => Promise<Outcome>;

/** Parts whose database is some milliseconds away, so that what happens at once really overlaps. */
const SLOW: ReadonlySet<string> = new Set(['people']);

/* A smaller form, such as 200x12x60: people, apps, and seconds during which sign-ins are measured meanwhile. */
const { BATTERY_DELETIONS: DELETED } = process.env;

const say = (sentence: string): void => void process.stdout.write(`  ${sentence}\n`);

const PARTS: Readonly<Record<string, Part>> = {
  races: async rig => {
    const results = await runRaces(rig, { rounds: 20, parallel: 100 }, say);
    const won = results.filter(({ rounds, oneWinner }) => rounds === oneWinner).length;
    return {
      problems: results.flatMap(({ problems }) => problems),
      summary: {
        races: results.length,
        oneSuccessInEveryRound: won,
        turnedAway: results.reduce((sum, { turnedAway }) => sum + turnedAway, 0),
      },
    };
  },
  people: async rig => parted(await runPeople(rig, { rounds: 20 }, say)),
  chooser: async rig => {
    for (const server of rig.servers) await server.end('SIGKILL');
    return parted(await runChooser(rig.place));
  },
  rotation: async (rig, seed) =>
    parted(await runRotations(rig, { rotations: 5, maxAge: 20, every: 60, members: 4, seed }, say)),
  restart: async (rig, seed) => {
    const result = await runRestarts(rig, { restarts: 5, terminations: 300, members: 6, seed }, say);
    const late = result.backAfter.filter(each => each > 10_000).map(each => `first success after ${each} ms`);
    return parted({ ...result, problems: [...result.problems, ...late] });
  },
  kills: async (rig, seed) => {
    const result = await runKills(rig, { kills: 50, members: 8, seed }, say);
    const late = result.restarts.filter(each => each > 5_000).map(each => `ready after ${each} ms`);
    const { problems, restarts, ...rest } = result;
    return { problems: [...problems, ...late], summary: { ...rest, readyAfter: spread(restarts) } };
  },
  disclosures: async (rig, seed) => {
    const telling = { seed, members: 200, clients: 16, rounds: 12, changing: true, kills: 30 };
    return parted(await runDisclosures(rig, telling, say));
  },
  commands: async (rig, seed) => {
    for (const server of rig.servers) await server.end('SIGKILL');
    const telling = { secret: rig.secret, seed, people: 1_000, recipients: 50, kills: 20 };
    return parted(await runCommands(rig.place, telling, say));
  },
  deletions: async (rig, seed) => {
    const [people = 1_000, recipients = 50, seconds = 90] = DELETED?.split('x').map(Number) ?? [];
    const measured = { before: 500 * seconds, meanwhile: 1_000 * seconds };
    return parted(await runDeletions(rig, { seed, people, recipients, kills: 40, measured }, say));
  },
  retention: async (rig, seed) => {
    for (const server of rig.servers) await server.end('SIGKILL');
    const kills = { inside: 10, anywhere: 10 };
    const { place, secret } = rig;
    return parted(await runRetention({ db: place.db, url: place.url, secret, seed, people: 2_000, kills }));
  },
  withdrawals: async (rig, seed) => parted(await runWithdrawals(rig, { people: 150, kills: 15, seed })),
  exports: async rig => parted(await runExports(rig, { rows: 1_000_000, kills: 2 }, say)),
  enumeration: async (rig, seed) => parted(await runEnumeration(rig, { samples: 200, seed }, say)),
  plans: async rig => parted(await runPlans(rig, 1_000_000, say)),
  drain: async (rig, seed) => {
    const { problems, endedAfter, ...rest } = await runDrains(rig, { stops: 20, members: 6, seed }, say);
    const late = endedAfter.filter(each => each > 15_000).map(each => `over after ${each} ms`);
    return { problems: [...problems, ...late], summary: { ...rest, overAfter: spread(endedAfter) } };
  },
};

function parted({ problems, ...summary }: { readonly problems: readonly string[] } & object): Outcome {
  return { problems, summary: { ...summary } };
}

function spread(numbers: readonly number[]) {
  const sorted = numbers.toSorted((a, b) => a - b);
  return { least: sorted[0], median: sorted[Math.floor(sorted.length / 2)], most: sorted.at(-1) };
}

/** A part that takes longer hangs: it is cut off, and counts as failed; so does one that there is no time for any more. */
const LONGEST_MINUTES = 9;
/* 50,000 apps are told, and a third of them more than once. */
const LONGER: Readonly<Record<string, number>> = { deletions: 16 };
const ALL_MINUTES = 44;
const latestEnd = Date.now() + ALL_MINUTES * 60_000;

async function runPart(name: string, part: Part, seed: number): Promise<boolean> {
  const began = Date.now();
  process.stdout.write(`\n${name}\n`);
  let place: Place | undefined;
  let rig: Rig | undefined;
  let outcome: Outcome;
  const cut = new AbortController();
  try {
    place = await openPlace(false);
    rig = await openRig(place, { slow: SLOW.has(name) });
    outcome = await Promise.race([part(rig, seed), tooLong(name, cut.signal)]);
  } catch (error) {
    outcome = {
      problems: [error instanceof Error ? (error.stack ?? error.message) : String(error)],
      summary: {},
    };
  }
  cut.abort();
  await rig?.close();
  await place?.close();
  const seconds = Math.round((Date.now() - began) / 1_000);
  say(JSON.stringify({ ...outcome.summary, answers: Object.fromEntries(rig?.witness.answers ?? []) }));
  for (const problem of outcome.problems.slice(0, 20)) say(`✗ ${problem}`);
  if (outcome.problems.length > 20) say(`✗ and ${outcome.problems.length - 20} more`);
  const passed = outcome.problems.length === 0;
  process.stdout.write(
    `${name}: ${passed ? 'passed' : `FAILED, ${outcome.problems.length} problems`} in ${seconds} s\n`,
  );
  return passed;
}

function tooLong(name: string, signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    const left = Math.max(0, Math.min((LONGER[name] ?? LONGEST_MINUTES) * 60_000, latestEnd - Date.now()));
    const patience = setTimeout(
      () => reject(new Error(`not over after ${Math.round(left / 60_000)} minutes`)),
      left,
    );
    signal.addEventListener('abort', () => clearTimeout(patience));
  });
}

async function main(wanted: readonly string[]): Promise<number> {
  const unknown = wanted.filter(name => !PARTS[name]);
  if (unknown.length > 0) {
    process.stderr.write(
      `there is no part ${unknown.join(', ')}; there are ${Object.keys(PARTS).join(', ')}\n`,
    );
    return 2;
  }
  const seed = Number(process.env['BATTERY_SEED'] ?? randomInt(1, 1_000_000_000));
  const [processor] = cpus();
  process.stdout.write(
    `seed ${seed} (BATTERY_SEED=${seed} brings it back); ${cpus().length} × ${processor?.model}\n`,
  );
  const names = wanted.length > 0 ? wanted : Object.keys(PARTS);
  const failed: string[] = [];
  for (const name of names) {
    const part = PARTS[name];
    if (part && !(await runPart(name, part, seed))) failed.push(name);
  }
  process.stdout.write(`\n${names.length - failed.length} parts passed, ${failed.length} failed\n`);
  return failed.length === 0 ? 0 : 1;
}

process.once('exit', killAll);
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(130));
process.exit(await main(process.argv.slice(2)));
