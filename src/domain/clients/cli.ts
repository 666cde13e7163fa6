import { Refusal } from '../../platform/errors.js';
import { answering, readJsonFile, readWords, type Shell, Usage } from '../../platform/shell.js';
import type { Db } from '../../platform/storage/db.js';
import { openWork, type Work } from '../../platform/storage/work.js';
import {
  type Client,
  type ClientRules,
  changeToldBy,
  checkMetadata,
  disableClient,
  enableClient,
  getClient,
  listClients,
  registerClient,
  removeClient,
  reviewClient,
  rotateSecret,
  toRegistrationAnswer,
  updateClient,
} from './clients.js';

/** What `keyhold clients …` works with. */
export interface CommandContext extends Shell {
  readonly config: ClientRules;
  /** What an app's own SAML metadata says, as the member `saml`. */
  readonly readSaml: (text: string) => object;
}

export const CLIENTS_USAGE = `keyhold clients add FILE.json [--saml METADATA.xml] [--first-party] [--verified]   register a client (- reads standard input)
keyhold clients list                                         all clients
keyhold clients show ID                                      one client
keyhold clients update ID FILE.json [--saml METADATA.xml] [--plan] [--verified]    other metadata in place of a client's; --plan shows what would change
keyhold clients review ID [--take-back]                      you looked at who it is and what it asks for; or no longer
keyhold clients told-by ID FILE.json                         how an app hears about people: {} for not at all
keyhold clients rotate-secret ID [--keep-old MINUTES]        a new secret, the old one good for a while
keyhold clients disable ID | enable ID | remove ID`;

type Verb = (words: readonly string[], context: CommandContext) => Promise<unknown>;

const VERBS: Readonly<Record<string, Verb>> = {
  add,
  list: async (words, { db }) => {
    only(words, 0);
    return listAll(db);
  },
  show: async (words, { db }) => present(await getClient(db, idOf(words))),
  review,
  'told-by': async (words, { db, config }) => {
    const [id = '', file = ''] = only(words, 2);
    const input = await readJsonFile(file);
    return present(await asOperator(db, work => changeToldBy(work, id, { input, rules: config })));
  },
  update,
  'rotate-secret': rotate,
  disable: (words, context) => change(words, context, disableClient),
  enable: (words, context) => change(words, context, enableClient),
  remove: async (words, { db }) => {
    const id = idOf(words);
    await asOperator(db, work => removeClient(work, id));
    return { client_id: id, state: 'removed' };
  },
};

/** Runs `keyhold clients …` and gives the exit code: 0 done, 1 refused, 2 not understood. */
export function runClients(argv: readonly string[], context: CommandContext): Promise<number> {
  const [name = '', ...words] = argv;
  return answering(context, CLIENTS_USAGE, async () => {
    const verb = Object.hasOwn(VERBS, name) ? VERBS[name] : undefined;
    if (!verb) throw new Usage(name === '' ? 'Say what to do with clients.' : `There is no verb ${name}.`);
    return verb(words, context);
  });
}

/*
 * What the file says, and for an app that speaks SAML what its own metadata says; where both say something, the file does.
 */
async function inputOf(words: readonly string[], { readSaml }: CommandContext) {
  const at = words.indexOf('--saml');
  if (at < 0) return { rest: words, read: (file: string) => readJsonFile(file) };
  const metadata = words[at + 1];
  if (metadata === undefined || metadata.startsWith('--'))
    throw new Usage('--saml takes a file of metadata.');
  const saml = readSaml(await readWords(metadata));
  const read = async (file: string) => {
    const input = (await readJsonFile(file)) as { readonly saml?: object };
    return { ...input, saml: { ...saml, ...input.saml } };
  };
  return { rest: words.toSpliced(at, 2), read };
}

async function add(given: readonly string[], context: CommandContext): Promise<unknown> {
  const { db, config } = context;
  const { rest: words, read } = await inputOf(given, context);
  const flags = words.filter(word => word.startsWith('--'));
  const stray = flags.find(flag => flag !== '--first-party' && flag !== '--verified');
  if (stray !== undefined) throw new Usage(`There is no option ${stray}.`);
  const [file = ''] = only(
    words.filter(word => !word.startsWith('--')),
    1,
  );
  const input = await read(file);
  const checked = checkMetadata(input, config, { operator: true });
  if (!checked.ok) {
    const lines = checked.issues.map(({ field, message }) => `${field} ${message}`);
    throw new Refusal('invalid', 'invalid_client_metadata', lines.join('\n'));
  }
  const issued = await asOperator(db, work =>
    registerClient(work, input, {
      rules: config,
      operator: true,
      firstParty: flags.includes('--first-party'),
      verified: flags.includes('--verified'),
    }),
  );
  return toRegistrationAnswer(issued);
}

async function review(words: readonly string[], { db, config }: CommandContext): Promise<unknown> {
  const verified = !words.includes('--take-back');
  const id = idOf(words.filter(word => word !== '--take-back'));
  return present(await asOperator(db, work => reviewClient(work, id, { rules: config, verified })));
}

async function update(given: readonly string[], context: CommandContext): Promise<unknown> {
  const { db, config } = context;
  const { rest: words, read } = await inputOf(given, context);
  const flags = words.filter(word => word.startsWith('--'));
  const stray = flags.find(flag => flag !== '--plan' && flag !== '--verified');
  if (stray !== undefined) throw new Usage(`There is no option ${stray}.`);
  const [id = '', file = '', ...rest] = words.filter(word => !word.startsWith('--'));
  if (file === '' || rest.length > 0) throw new Usage('This takes the id of a client and a file.');
  const input = await read(file);
  const options = { rules: config, verified: flags.includes('--verified'), dry: flags.includes('--plan') };
  const { client, secret, changes, review } = await asOperator(db, work =>
    updateClient(work, id, input, options),
  );
  return {
    ...present(client),
    ...(secret !== undefined && { client_secret: secret, client_secret_expires_at: 0 }),
    ...(options.dry && { planned: true }),
    /* JSON leaves out what was not there. */
    changes: changes.map(({ member, before = null, after = null }) => ({ member, before, after })),
    review_again: review,
  };
}

async function rotate(words: readonly string[], { db }: CommandContext): Promise<unknown> {
  const at = words.indexOf('--keep-old');
  const minutes = at < 0 ? 0 : Number(words[at + 1]);
  if (!Number.isInteger(minutes) || minutes < 0 || minutes > 43_200) {
    throw new Usage('--keep-old takes whole minutes, 43200 (30 days) at most.');
  }
  const id = idOf(at < 0 ? words : words.toSpliced(at, 2));
  const { secret } = await asOperator(db, work => rotateSecret(work, id, { overlap: minutes * 60 }));
  return { client_id: id, client_secret: secret, client_secret_expires_at: 0 };
}

async function change(
  words: readonly string[],
  { db }: CommandContext,
  verb: (work: Work, id: string) => Promise<Client>,
): Promise<unknown> {
  const id = idOf(words);
  return present(await asOperator(db, work => verb(work, id)));
}

async function listAll(db: Db): Promise<unknown> {
  const all: unknown[] = [];
  let after: string | undefined = '';
  while (after !== undefined) {
    const page = await listClients(db, { after, limit: 200 });
    all.push(...page.clients.map(present));
    after = page.after;
  }
  return all;
}

/** What is shown of a client that exists: all but its secret, of which nothing can be shown. */
function present(client: Client): Readonly<Record<string, unknown>> {
  const { state, verified, createdAt, updatedAt } = client;
  const times = { created_at: createdAt.toISOString(), updated_at: updatedAt.toISOString() };
  return { ...toRegistrationAnswer({ client }), verified, state, ...times };
}

function asOperator<T>(db: Db, act: (work: Work) => Promise<T>): Promise<T> {
  return openWork(db, { kind: 'operator' }, act);
}

function idOf(words: readonly string[]): string {
  const [id = ''] = only(words, 1);
  return id;
}

function only(words: readonly string[], count: number): readonly string[] {
  if (words.length !== count || words.includes('')) {
    throw new Usage(
      count === 0
        ? 'This takes nothing more.'
        : `This takes ${count === 1 ? 'one thing' : 'two things'} more.`,
    );
  }
  return words;
}
