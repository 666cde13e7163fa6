import { parseArgs } from 'node:util';
import { getClient } from './domain/clients/clients.js';
import {
  allCommands,
  type Command,
  countCommands,
  giveUpCommand,
  printedSecrets,
  retryCommand,
  rotateWebhookSecret,
} from './domain/commands/commands.js';
import { openKeyring } from './platform/crypto/keyring.js';
import { answering, type Shell, Usage } from './platform/shell.js';
import { openWork, type Work } from './platform/storage/work.js';

/** What `keyhold commands …` works with. */
export interface AppCommand extends Shell {
  readonly config: { readonly secret: string; readonly commandsTried: number };
}

export const COMMANDS_USAGE = `keyhold commands list [--open | --all] [--after ID]          what apps were told about people: what is stuck, by default
keyhold commands retry ID                                    tell an app once more, from the start
keyhold commands give-up ID                                  an app will not be told any more; what it knows the person by is forgotten
keyhold commands webhook-secret CLIENT_ID [--rotate]         the secret that an app checks webhooks with, or a new one`;

const OPTIONS = {
  open: { type: 'boolean' },
  all: { type: 'boolean' },
  after: { type: 'string' },
  rotate: { type: 'boolean' },
} as const;
const UUID = /^[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}$/;
const PAGE = 100;

/** Runs one verb and gives the exit code: 0 done, 1 refused, 2 not understood. */
export function runCommands(words: readonly string[], command: AppCommand): Promise<number> {
  return answering(command, COMMANDS_USAGE, async () => {
    const { values, positionals } = parseArgs({ args: [...words], options: OPTIONS, allowPositionals: true });
    const [verb, subject, ...rest] = positionals;
    if (rest.length > 0) throw new Usage();
    if (verb === 'list' && subject === undefined && !values.rotate) return list(command, values);
    const listing = values.open || values.all || values.after !== undefined;
    if (subject === undefined || listing) throw new Usage();
    if (verb === 'webhook-secret') return secret(command, subject, values.rotate === true);
    if (!UUID.test(subject) || values.rotate) throw new Usage('A command is named by its id.');
    if (verb === 'retry') return retry(command, subject);
    if (verb === 'give-up') return present(await asOperator(command, work => giveUpCommand(work, subject)));
    throw new Usage();
  });
}

const asOperator = <T>({ db }: AppCommand, act: (work: Work) => Promise<T>) =>
  openWork(db, { kind: 'operator' }, act);

interface Listing {
  readonly open?: boolean;
  readonly all?: boolean;
  readonly after?: string;
}

async function list({ db }: AppCommand, { open, all, after }: Listing): Promise<object> {
  if ((open && all) || (after !== undefined && !UUID.test(after))) throw new Usage();
  const which = all ? 'all' : open ? 'open' : 'stuck';
  const page = await allCommands(db, which, { limit: PAGE, ...(after !== undefined && { after }) });
  return {
    counted: await countCommands(db),
    commands: page.commands.map(present),
    ...(page.after !== undefined && { after: page.after }),
  };
}

async function retry(command: AppCommand, id: string): Promise<object> {
  const { secret: key, commandsTried: days } = command.config;
  return present(await asOperator(command, work => retryCommand(work, openKeyring(key), id, { days })));
}

async function secret(command: AppCommand, clientId: string, rotate: boolean): Promise<object> {
  await getClient(command.db, clientId);
  if (rotate) await asOperator(command, work => rotateWebhookSecret(work, clientId));
  return {
    client_id: clientId,
    ...(await printedSecrets(command.db, openKeyring(command.config.secret), clientId)),
  };
}

/** What operators see of a command: never whom it is about. */
function present({ accountId: _account, reason, clientId, ...command }: Command): object {
  const { accountState, dueAt, askedAt, sentAt, endedAt, until, ...rest } = command;
  return {
    ...rest,
    client_id: clientId,
    reason: reason.kind,
    about: reason.id,
    account_state: accountState,
    asked_at: askedAt,
    sent_at: sentAt,
    ended_at: endedAt,
    ...(endedAt === undefined && { due_at: dueAt, until }),
  };
}
