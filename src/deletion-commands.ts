import { parseArgs } from 'node:util';
import { type Command, commandsOf, giveUpCommand, retryCommand } from './domain/commands/commands.js';
import {
  type Deletion,
  type DeletionRecipient,
  findDeletion,
  isStuck,
  listDeletions,
  listMarks,
  listRecipients,
  noteLook,
  settleRecipient,
} from './domain/deletions/deletions.js';
import { erasedLine, readErased } from './journeys/privacy/deletion/erased-list.js';
import { reapply } from './journeys/privacy/deletion/reapply.js';
import { erasedOf, reasonOf } from './journeys/privacy/deletion/saga.js';
import { openKeyring } from './platform/crypto/keyring.js';
import { Refusal } from './platform/errors.js';
import { answering, type Shell, Usage } from './platform/shell.js';
import { openWork } from './platform/storage/work.js';

/** What `keyhold deletions …` works with. */
export interface DeletionCommand extends Shell {
  readonly config: { readonly secret: string; readonly commandsTried: number };
}

export const DELETIONS_USAGE = `keyhold deletions list [--stuck] [--before ID]               how far each deletion is; or those that do not go on
keyhold deletions show ID                                    one deletion, and what each app answered
keyhold deletions retry ID                                   go on now, and tell the apps anew that have not confirmed
keyhold deletions resolve ID CLIENT_ID --reason TEXT         an app was seen to by another way; the statement says which
keyhold deletions erased                                     the list of what was erased, a line each, to be kept elsewhere
keyhold deletions reapply FILE [--look]                      delete again what a backup brought back (FILE or folder, - for input)`;

const OPTIONS = {
  stuck: { type: 'boolean' },
  before: { type: 'string' },
  reason: { type: 'string' },
  look: { type: 'boolean' },
} as const;

/** Runs one verb and gives the exit code: 0 done, 1 refused, 2 not understood. */
export function runDeletions(words: readonly string[], command: DeletionCommand): Promise<number> {
  return answering(command, DELETIONS_USAGE, async () => {
    const { values, positionals } = parseArgs({ args: [...words], options: OPTIONS, allowPositionals: true });
    const [verb, first, second, ...rest] = positionals;
    if (rest.length > 0 || (second !== undefined && verb !== 'resolve')) throw new Usage();
    if (verb === 'list' && first === undefined) return list(command, values);
    if (verb === 'erased' && first === undefined) return erased(command);
    if (first === undefined) throw new Usage();
    if (verb === 'reapply') return again(command, first, values.look === true);
    if (verb === 'show') return show(command, first);
    if (verb === 'retry') return retry(command, first);
    if (verb === 'resolve' && second !== undefined) return resolve(command, first, second, values.reason);
    throw new Usage();
  });
}

const UUID = /^[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}$/;
const PAGE = 100;
const MOST = 4_000;

async function deletionOf({ db }: DeletionCommand, id: string): Promise<Deletion> {
  const found = UUID.test(id) ? await findDeletion(db, id) : undefined;
  if (!found) throw new Refusal('missing', 'deletion_unknown', `There is no deletion ${id}.`);
  return found;
}

const iso = (at: Date | undefined) => at?.toISOString();

const presented = ({ id, state, cause, trouble, tries, ...times }: Deletion) => ({
  id,
  state,
  cause,
  asked_at: iso(times.askedAt),
  begins_at: iso(times.beginsAt),
  begun_at: iso(times.begunAt),
  removed_at: iso(times.removedAt),
  finished_at: iso(times.finishedAt),
  looked_at_next: iso(times.lookAt),
  ...(trouble !== undefined && { trouble, tries }),
});

async function list(
  command: DeletionCommand,
  { stuck, before }: { readonly stuck?: boolean; readonly before?: string },
): Promise<object> {
  const { db } = command;
  let last = before === undefined ? undefined : await deletionOf(command, before);
  const listed: object[] = [];
  let page: readonly Deletion[];
  do {
    page = await listDeletions(db, { before: last }, PAGE);
    for (const deletion of page)
      if (!stuck || isStuck(deletion, await listRecipients(db, deletion.id, { limit: MOST }), new Date()))
        listed.push(presented(deletion));
    last = page.at(-1);
  } while (page.length === PAGE && listed.length < PAGE);
  const more = page.length === PAGE && last ? { before: last.id } : {};
  return { deletions: listed, ...more };
}

const recipientOf = (one: DeletionRecipient) => ({
  client_id: one.clientId,
  name: one.name,
  state: one.state,
  answer: one.answer,
  note: one.note,
  attempts: one.attempts,
  asked_at: iso(one.askedAt),
  ended_at: iso(one.endedAt),
  audit: one.audit,
});

async function show(command: DeletionCommand, id: string): Promise<object> {
  const deletion = await deletionOf(command, id);
  const recipients = await listRecipients(command.db, id, { limit: MOST });
  const stuck = isStuck(deletion, recipients, new Date());
  return { ...presented(deletion), stuck, recipients: recipients.map(recipientOf) };
}

async function toldFor({ db }: DeletionCommand, id: string): Promise<readonly Command[]> {
  const all: Command[] = [];
  let after: Parameters<typeof commandsOf>[2];
  do {
    const page = await commandsOf(db, reasonOf(id), { ...after, limit: PAGE });
    all.push(...page.commands);
    after = page.after && { after: page.after };
  } while (after);
  return all;
}

async function retry(command: DeletionCommand, id: string): Promise<object> {
  await deletionOf(command, id);
  const keyring = openKeyring(command.config.secret);
  const failed = (await toldFor(command, id)).filter(
    ({ state, tellable }) => tellable && (state === 'refused' || state === 'unreachable'),
  );
  await openWork(command.db, { kind: 'operator' }, async work => {
    await noteLook(work.tx, id, work.at);
    for (const { id: told } of failed)
      await retryCommand(work, keyring, told, { days: command.config.commandsTried });
  });
  return { id, told_anew: failed.map(({ clientId }) => clientId) };
}

const LONGEST = 300;

async function resolve(command: DeletionCommand, id: string, clientId: string, reason = ''): Promise<object> {
  const said = reason.replace(/[\p{C}\p{Zl}\p{Zp}]+/gu, ' ').trim();
  if (said === '' || said.length > LONGEST)
    throw new Usage('Say with --reason what was done; the person is shown it.');
  await deletionOf(command, id);
  const open = (await toldFor(command, id)).find(
    told => told.clientId === clientId && told.command === 'delete' && told.tellable,
  );
  const settled = await openWork(command.db, { kind: 'operator' }, async work => {
    if (!(await settleRecipient(work, { id, clientId, reason: said }))) return false;
    if (open) await giveUpCommand(work, open.id);
    await noteLook(work.tx, id, work.at);
    return true;
  });
  if (!settled)
    throw new Refusal('conflict', 'nothing_to_resolve', `${clientId} has confirmed, or was not to be told.`);
  return { id, client_id: clientId, state: 'settled' };
}

async function erased({ db, print }: DeletionCommand): Promise<undefined> {
  let after = { id: '00000000-0000-0000-0000-000000000000', removedAt: new Date(0) };
  for (;;) {
    const page = await listMarks(db, after, PAGE);
    for (const one of page) print(erasedLine(erasedOf(one, one.removedAt)));
    const last = page.at(-1);
    if (page.length < PAGE || !last) return undefined;
    after = last;
  }
}

async function again({ db, config }: DeletionCommand, place: string, look: boolean): Promise<object> {
  const list = readErased(place === '-' ? process.stdin : place);
  const { listed, back } = await reapply(db, openKeyring(config.secret), list, { look }).catch(cause => {
    if (cause instanceof Refusal) throw cause;
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new Refusal('invalid', 'list_unreadable', `The list cannot be read: ${why}`, { cause });
  });
  return { listed, back, ...(look ? {} : { deleted_again: back }) };
}
