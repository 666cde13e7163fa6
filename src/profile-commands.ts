import {
  applySchema,
  COUNTED,
  findSchema,
  openSchema,
  type ProfileSchema,
  readSchema,
  standardSchema,
  valuesInTheWay,
} from './domain/profiles/profiles.js';
import type { Telling } from './journeys/notices/tell.js';
import { Refusal } from './platform/errors.js';
import { readWords, type Shell } from './platform/shell.js';
import { openWork } from './platform/storage/work.js';
import { planChanges, planInWords } from './profile-plan.js';
import { REQUESTS_USAGE, runChanges, runCorrections } from './profile-requests.js';

/** What `keyhold profile …` works with. */
export interface ProfileCommand extends Shell {
  readonly telling: Telling;
}

export const PROFILE_USAGE = `keyhold profile show                                         what is known about people and why, as a file
keyhold profile plan FILE                                    what applying a file would change; changes nothing
keyhold profile apply FILE [--delete-values]                 make a file the one that stands, whole
${REQUESTS_USAGE}`;

type Verb = (words: readonly string[], command: ProfileCommand) => Promise<number>;

const VERBS: Readonly<Record<string, Verb>> = {
  show,
  plan,
  apply,
  changes: runChanges,
  corrections: runCorrections,
};

/** Runs `keyhold profile …` and gives the exit code: 0 done, 1 refused, 2 not understood. */
export async function runProfile(argv: readonly string[], command: ProfileCommand): Promise<number> {
  const [name = '', ...words] = argv;
  const verb = Object.hasOwn(VERBS, name) ? VERBS[name] : undefined;
  try {
    if (verb) return await verb(words, command);
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    command.fail(error.message);
    return 1;
  }
  return notUnderstood(command);
}

/* Looking changes nothing, also before the first start. */
async function standingIn({ db }: ProfileCommand) {
  const { schema, version } = standardSchema();
  return (await findSchema(db)) ?? { ...schema, version };
}

function notUnderstood({ fail }: ProfileCommand): number {
  fail(PROFILE_USAGE);
  return 2;
}

async function show(words: readonly string[], command: ProfileCommand): Promise<number> {
  if (words.length > 0) return notUnderstood(command);
  const { version, purposes, attributes } = await standingIn(command);
  command.print(`${JSON.stringify({ version, purposes, attributes }, null, 2)}\n`);
  return 0;
}

async function plan(words: readonly string[], command: ProfileCommand): Promise<number> {
  const [file] = words;
  if (file === undefined || words.length > 1) return notUnderstood(command);
  const read = await readFile(file, command);
  if (!read) return 1;
  const standing = await standingIn(command);
  const changes = planChanges(standing, read.schema);
  command.print(planInWords(changes));
  if (changes.length === 0) return 0;
  const inTheWay = await tellInTheWay(command, standing, read.schema, true);
  command.fail(
    `Nothing was done. keyhold profile apply ${file}${inTheWay ? ' --delete-values' : ''} does it.`,
  );
  return 0;
}

async function apply(words: readonly string[], command: ProfileCommand): Promise<number> {
  const deleteValues = words.includes('--delete-values');
  const [file, ...rest] = words.filter(word => word !== '--delete-values');
  if (file === undefined || rest.length > 0) return notUnderstood(command);
  const read = await readFile(file, command);
  if (!read) return 1;
  const standing = await openSchema(command.db);
  const changes = planChanges(standing, read.schema);
  if (changes.length === 0 && standing.source === 'operator') {
    command.print(planInWords(changes));
    return 0;
  }
  const inTheWay = await tellInTheWay(command, standing, read.schema, deleteValues);
  if (inTheWay && !deleteValues) {
    command.fail('Nothing was done. Leave these attributes in, or say --delete-values.');
    return 1;
  }
  await openWork(command.db, { kind: 'operator' }, work =>
    applySchema(work, read.schema, { source: 'operator', version: read.version, deleteValues }),
  );
  command.print(planInWords(changes));
  command.fail('Applied. Every running process follows within a moment.');
  return 0;
}

async function readFile(file: string, { fail }: ProfileCommand) {
  const read = readSchema(await readWords(file));
  if ('schema' in read) return read;
  for (const { line, path, message } of read.problems) {
    fail(`${file}:${line}: ${path === '' ? '' : `${path}: `}${message}`);
  }
  return undefined;
}

/* What people have given must not go by accident, and is never read as something else than they gave. */
async function tellInTheWay(
  { db, fail }: ProfileCommand,
  standing: ProfileSchema,
  next: ProfileSchema,
  mayDelete: boolean,
): Promise<boolean> {
  const found = await valuesInTheWay(db, standing, next);
  for (const { attribute, why, values } of found) {
    const people =
      values >= COUNTED ? `${COUNTED} people or more` : values === 1 ? '1 person' : `${values} people`;
    if (why === 'other_type') {
      throw new Refusal(
        'conflict',
        'other_type',
        `attribute ${attribute}: ${people} have a value of the type it has now; declare the new type under another name.`,
      );
    }
    fail(
      mayDelete
        ? `attribute ${attribute}: the values of ${people} will be deleted.`
        : `attribute ${attribute} is left out, and ${people} have a value.`,
    );
  }
  return found.length > 0;
}
