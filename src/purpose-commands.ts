import { Refusal } from './platform/errors.js';
import {
  applyFile,
  compareFile,
  differencesInWords,
  type ProfileCommand,
  planFile,
  standingIn,
} from './profile-commands.js';

export const PURPOSES_USAGE = `keyhold purposes show                                        why anything is held, as a file
keyhold purposes plan FILE                                   what applying would change, and who is asked again
keyhold purposes apply FILE [--delete-values]                make the purposes of a file those that stand
keyhold purposes drift FILE                                  whether a file is what stands: 0 if so, 3 if not`;

const DRIFTED = 3;

type Verb = (words: readonly string[], command: ProfileCommand) => Promise<number | undefined>;

const VERBS: Readonly<Record<string, Verb>> = {
  show: async (words, command) => (words.length > 0 ? undefined : show(command)),
  plan: async ([file, ...rest], command) =>
    file === undefined || rest.length > 0 ? undefined : planFile(file, command, 'purposes'),
  apply: async (words, command) => {
    const [file, ...rest] = words.filter(word => word !== '--delete-values');
    if (file === undefined || rest.length > 0) return undefined;
    return applyFile(file, command, 'purposes', words.includes('--delete-values'));
  },
  drift: async ([file, ...rest], command) =>
    file === undefined || rest.length > 0 ? undefined : drift(file, command),
};

/** Runs `keyhold purposes …` and gives the exit code: 0 done, 1 refused, 2 not understood, 3 the file is not what stands. */
export async function runPurposes(argv: readonly string[], command: ProfileCommand): Promise<number> {
  const [name = '', ...words] = argv;
  try {
    const code = Object.hasOwn(VERBS, name) ? await VERBS[name]?.(words, command) : undefined;
    if (code !== undefined) return code;
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    command.fail(error.message);
    return 1;
  }
  command.fail(PURPOSES_USAGE);
  return 2;
}

/* With the versions that stand, so that it can be applied as it is. */
async function show(command: ProfileCommand): Promise<number> {
  const standing = await standingIn(command);
  const notices = new Map('notices' in standing ? standing.notices.map(each => [each.purpose, each]) : []);
  const purposes = standing.purposes.map(purpose => {
    const notice = notices.get(purpose.id);
    return { ...purpose, ...(notice && { version: notice.version, counts_from: notice.countsFrom }) };
  });
  command.print(`${JSON.stringify({ version: standing.version, purposes }, null, 2)}\n`);
  return 0;
}

async function drift(file: string, command: ProfileCommand): Promise<number> {
  const compared = await compareFile(file, command, 'purposes');
  if (!compared) return 1;
  command.print(await differencesInWords(compared, command));
  if (compared.changes.length + compared.notices.length === 0) return 0;
  command.fail(`What stands is not what ${file} says.`);
  return DRIFTED;
}
