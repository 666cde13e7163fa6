import { listDeclaring } from './domain/clients/clients.js';
import { COUNTED_CONSENTS, countConsentsBefore } from './domain/consents/consents.js';
import {
  applySchema,
  COUNTED,
  findSchema,
  openSchema,
  type ProfileSchema,
  readSchema,
  standardSchema,
  valuesEnding,
  valuesInTheWay,
} from './domain/profiles/profiles.js';
import { type NextNotice, planNotices } from './domain/purposes/purposes.js';
import type { Telling } from './journeys/notices/tell.js';
import { Refusal } from './platform/errors.js';
import { readWords, type Shell } from './platform/shell.js';
import { openWork } from './platform/storage/work.js';
import { noticesInWords, planChanges, planInWords } from './profile-plan.js';
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

/** What stands, or would: looking changes nothing, also before the first start. */
export async function standingIn({ db }: Pick<ProfileCommand, 'db'>) {
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
  return planFile(file, command, 'profile');
}

async function apply(words: readonly string[], command: ProfileCommand): Promise<number> {
  const deleteValues = words.includes('--delete-values');
  const [file, ...rest] = words.filter(word => word !== '--delete-values');
  if (file === undefined || rest.length > 0) return notUnderstood(command);
  return applyFile(file, command, 'profile', deleteValues);
}

/** What is declared: all of it, or with `purposes` perhaps no more than why. */
export type Declared = 'profile' | 'purposes';

/** What applying a file would change, and of whom it would ask something again. */
export interface PlannedFile {
  readonly standing: ProfileSchema;
  readonly schema: ProfileSchema;
  readonly version: number;
  readonly changes: ReturnType<typeof planChanges>;
  readonly notices: readonly NextNotice[];
}

/** Reads a file and compares it with what stands; undefined when it says nothing that can be used, which was told. */
export async function compareFile(
  file: string,
  command: ProfileCommand,
  declared: Declared,
): Promise<(PlannedFile & { readonly source: string | undefined }) | undefined> {
  const standing = await standingIn(command);
  const read = await readFile(file, command, declared === 'purposes' ? standing.attributes : undefined);
  if (!read) return undefined;
  const { schema, version } = read;
  const planned = await planNotices(command.db, schema.purposes, schema.attributes);
  const source = 'source' in standing ? standing.source : undefined;
  /* Before the first start nothing was ever said to anybody. */
  const notices = source === undefined ? [] : planned.filter(({ changes: why }) => why.length > 0);
  return { standing, schema, version, changes: planChanges(standing, schema), notices, source };
}

/** Says what applying a file would change. */
export async function planFile(file: string, command: ProfileCommand, declared: Declared): Promise<number> {
  const compared = await compareFile(file, command, declared);
  if (!compared) return 1;
  command.print(await differencesInWords(compared, command));
  const { standing, schema, changes, notices } = compared;
  if (changes.length + notices.length === 0) return 0;
  await mustBeUndeclared(command.db, standing, schema);
  const inTheWay = await tellInTheWay(command, standing, schema, true);
  await tellEnding(command, standing, schema);
  command.fail(
    `Nothing was done. keyhold ${declared} apply ${file}${inTheWay ? ' --delete-values' : ''} does it.`,
  );
  return 0;
}

/** What applying changes, in plain words. */
export async function differencesInWords(
  { changes, notices }: PlannedFile,
  { db }: ProfileCommand,
): Promise<string> {
  const counted = notices.map(async notice => {
    if (!notice.asksAgain) return { notice, people: '' };
    const count = await countConsentsBefore(db, notice.purpose, notice.countsFrom);
    const people =
      count >= COUNTED_CONSENTS
        ? `${COUNTED_CONSENTS} consents or more`
        : `${count} ${count === 1 ? 'consent' : 'consents'}`;
    return { notice, people };
  });
  if (changes.length === 0 && notices.length > 0) return noticesInWords(await Promise.all(counted));
  return planInWords(changes) + noticesInWords(await Promise.all(counted));
}

/** Makes a file the one that stands. */
export async function applyFile(
  file: string,
  command: ProfileCommand,
  declared: Declared,
  deleteValues: boolean,
): Promise<number> {
  await openSchema(command.db);
  const compared = await compareFile(file, command, declared);
  if (!compared) return 1;
  const { standing, schema, version, changes, notices, source } = compared;
  const words = await differencesInWords(compared, command);
  if (changes.length + notices.length === 0 && source === 'operator') {
    command.print(words);
    return 0;
  }
  const inTheWay = await tellInTheWay(command, standing, schema, deleteValues);
  if (inTheWay && !deleteValues) {
    command.fail('Nothing was done. Leave these attributes in, or say --delete-values.');
    return 1;
  }
  await tellEnding(command, standing, schema);
  await openWork(command.db, { kind: 'operator' }, async work => {
    await mustBeUndeclared(work.tx, standing, schema);
    return applySchema(work, schema, { source: 'operator', version, deleteValues });
  });
  command.print(words);
  command.fail('Applied. Every running process follows within a moment.');
  return 0;
}

/* An app that declared a purpose would ask for nothing that there is. */
async function mustBeUndeclared(
  db: Parameters<typeof listDeclaring>[0],
  { purposes: now }: ProfileSchema,
  { purposes: next }: ProfileSchema,
): Promise<void> {
  const gone = now.map(({ id }) => id).filter(id => !next.some(each => each.id === id));
  const declared = gone.length > 0 ? await listDeclaring(db, gone) : [];
  if (declared.length === 0) return;
  const lines = declared.map(
    ({ purpose, clientId }) => `purpose ${purpose}: the app ${clientId} declares it.`,
  );
  const what = 'Change these apps first (keyhold clients update), or leave the purposes in.';
  throw new Refusal('conflict', 'purpose_declared', [...lines, what].join('\n'));
}

async function readFile(file: string, { fail }: ProfileCommand, attributes?: ProfileSchema['attributes']) {
  const read = readSchema(await readWords(file), attributes);
  if ('schema' in read) return read;
  for (const { line, path, message } of read.problems) {
    fail(`${file}:${line}: ${path === '' ? '' : `${path}: `}${message}`);
  }
  return undefined;
}

/* Whoever can see such a value is told two weeks before it goes, where it was kept for four weeks at least. */
async function tellEnding(
  { db, fail }: ProfileCommand,
  standing: ProfileSchema,
  next: ProfileSchema,
): Promise<void> {
  for (const { attribute, values } of await valuesEnding(db, standing, next, { most: COUNTED }))
    fail(`attribute ${attribute}: the values of ${peopleOf(values)} have come to their end by this.`);
}

const peopleOf = (values: number) =>
  values >= COUNTED ? `${COUNTED} people or more` : values === 1 ? '1 person' : `${values} people`;

/* What people have given must not go by accident, and is never read as something else than they gave. */
async function tellInTheWay(
  { db, fail }: ProfileCommand,
  standing: ProfileSchema,
  next: ProfileSchema,
  mayDelete: boolean,
): Promise<boolean> {
  const found = await valuesInTheWay(db, standing, next);
  for (const { attribute, why, values } of found) {
    const people = peopleOf(values);
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
