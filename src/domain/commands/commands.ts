import { v7 as uuidv7 } from 'uuid';
import type { Keyring } from '../../platform/crypto/keyring.js';
import { digest } from '../../platform/crypto/tokens.js';
import { Refusal } from '../../platform/errors.js';
import type { Db, Tx } from '../../platform/storage/db.js';
import type { Work } from '../../platform/storage/work.js';
import { judgeStatement } from './answers.js';
import { type Command, OPEN_STATES, type Reason, type Telling } from './command.js';
import { findGeneration, nextGeneration } from './due-store.js';
import { printedSecret, webhookSecret } from './requests.js';
import {
  callbackToken,
  openTold,
  recordOf,
  sealTold,
  settleCommand,
  TELL_APPS,
  wakeWhoWaits,
} from './settling.js';
import {
  type Awaited,
  beginAnew,
  findByCallback,
  findCommand,
  forgetAccount,
  forgetSubject,
  insertCommands,
  listByReason,
  listCommands,
  lockTellable,
  type Outcome,
  settle,
  updateSealed,
  useCallback,
} from './store.js';

export {
  ACCOUNT_STATES,
  type AccountState,
  CHANNELS,
  type Channel,
  COMMAND_STATES,
  COMMANDS,
  type Command,
  type CommandName,
  type CommandState,
  OPEN_STATES,
  type Reachable,
  type Reason,
  type Route,
  routeOf,
  type Telling,
} from './command.js';
export { exportCommands } from './exported.js';
export { sweepCommands, type TellingParts, tellApps, tellDue } from './jobs.js';
export { CALLBACK_PATH, type SignToken, type Unsigned } from './requests.js';
export { COMMAND_FACTS, settleCommand, TELL_APPS } from './settling.js';
export { countCommands, findCommand } from './store.js';

/** How many days an app is tried, unless the operator says otherwise. */
export const TRIED_DAYS = 7;
const DAY_MS = 86_400_000;
const BATCH = 500;

const woken = new WeakSet<Work>();

/* Once for each work, however much it tells. */
function wake(work: Work): void {
  if (woken.has(work)) return;
  woken.add(work);
  work.enqueue({ name: TELL_APPS, payload: {} });
}

/**
 * Tells apps something about a person, in the caller's transaction: on record now, sent as soon as it is committed, and again
 * until each has answered or cannot be reached. The same app is told the same command once for one reason, so a step that is
 * done again tells nobody twice. Gives the ids of those that are new.
 */
export async function sendCommands(
  work: Work,
  keyring: Keyring,
  tellings: readonly Telling[],
  { days = TRIED_DAYS }: { readonly days?: number } = {},
): Promise<readonly string[]> {
  const sent: string[] = [];
  for (let from = 0; from < tellings.length; from += BATCH) {
    const batch = tellings.slice(from, from + BATCH).map(telling => ({ id: uuidv7(), telling }));
    const added = await insertCommands(
      work.tx,
      batch.map(({ id, telling }) => newCommand(work, keyring, id, telling, days)),
    );
    for (const { id, telling } of batch.filter(each => added.includes(each.id))) {
      const { clientId, accountId, command, reason } = telling;
      work.record({
        type: 'command.sent',
        clientId,
        ...(accountId !== undefined && { accountId }),
        detail: { id, command, reason: reason.kind, about: reason.id },
      });
      sent.push(id);
    }
  }
  if (sent.length > 0) wake(work);
  return sent;
}

/** Tells one app; see `sendCommands`. Gives the id, or undefined when it has been told that for this reason. */
export async function sendCommand(
  work: Work,
  keyring: Keyring,
  telling: Telling,
  how: { readonly days?: number } = {},
): Promise<string | undefined> {
  const [id] = await sendCommands(work, keyring, [telling], how);
  return id;
}

function newCommand(work: Work, keyring: Keyring, id: string, telling: Telling, days: number) {
  const { clientId, command, reason, accountId, wakes, notBefore = work.at, ...told } = telling;
  return {
    id,
    reason,
    clientId,
    command,
    accountId,
    wakes,
    sealed: sealTold(keyring, told),
    dueAt: notBefore,
    until: new Date(notBefore.getTime() + days * DAY_MS),
    callbackDigest: digest(callbackToken(keyring, { id, round: 1 })),
    askedAt: work.at,
  };
}

/** A page of commands; `after` says where the next one begins, when there is one. */
export interface CommandPage<After> {
  readonly commands: readonly Command[];
  readonly after?: After;
}

/** What was told for a reason, by app and command, a page at a time. */
export async function commandsOf(
  db: Db | Tx,
  reason: Reason,
  page: { readonly after?: Pick<Command, 'clientId' | 'command'>; readonly limit?: number } = {},
): Promise<CommandPage<Pick<Command, 'clientId' | 'command'>>> {
  const limit = Math.min(page.limit ?? 100, BATCH);
  const found = await listByReason(db, reason, page.after, limit + 1);
  const commands = found.slice(0, limit);
  const last = commands.at(-1);
  if (found.length <= limit || !last) return { commands };
  return { commands, after: { clientId: last.clientId, command: last.command } };
}

/** What is stuck, open, or all there is, oldest first, a page at a time: stuck is what nobody tells any more, but could. */
export async function allCommands(
  db: Db | Tx,
  which: 'stuck' | 'open' | 'all',
  page: { readonly after?: string; readonly limit?: number } = {},
): Promise<CommandPage<string>> {
  const limit = Math.min(page.limit ?? 100, BATCH);
  const found = await listCommands(db, which, page.after, limit + 1);
  const commands = found.slice(0, limit);
  const last = commands.at(-1);
  return found.length > limit && last ? { commands, after: last.id } : { commands };
}

/** Tells an app anew what it refused, or what could not be told; what waits is told now. */
export async function retryCommand(
  work: Work,
  keyring: Keyring,
  id: string,
  { days = TRIED_DAYS }: { readonly days?: number } = {},
): Promise<Command> {
  const before = (await findCommand(work.tx, id)) ?? refuseMissing(id);
  const round = before.round + 1;
  const began = await beginAnew(work.tx, id, {
    round: before.round,
    callbackDigest: digest(callbackToken(keyring, { id, round })),
    at: work.at,
    until: new Date(work.at.getTime() + days * DAY_MS),
  });
  if (!began) throw new Refusal('conflict', 'command_is_over', `There is nothing left to be told by ${id}.`);
  recordOf(work, 'command.begun_anew', began, { round });
  wake(work);
  return began;
}

/** Says that an app will not be told any more; by what it knows the person is forgotten. */
export async function giveUpCommand(work: Work, id: string): Promise<Command> {
  const before = (await findCommand(work.tx, id)) ?? refuseMissing(id);
  if (!before.tellable)
    throw new Refusal('conflict', 'command_is_over', `There is nothing left to be told by ${id}.`);
  const outcome = { state: 'unreachable', answer: 'given_up' } as const;
  const settled = await settle(work.tx, id, [before.state], outcome, work.at);
  if (!settled) throw new Refusal('conflict', 'command_is_over', `${id} has just been answered.`);
  await forgetSubject(work.tx, id);
  recordOf(work, 'command.given_up', settled, {});
  wakeWhoWaits(work, settled);
  return { ...settled, tellable: false };
}

/** Has an app told other claims by what still waits to tell it what is true now, or could be told again. */
export async function rewriteClaims(
  work: Work,
  keyring: Keyring,
  about: { readonly accountId: string; readonly clientId: string },
  rewrite: (claims: NonNullable<Telling['claims']>) => NonNullable<Telling['claims']>,
): Promise<void> {
  for (const { id, sealed } of await lockTellable(work.tx, { ...about, command: 'maintain' })) {
    const told = openTold(keyring, sealed);
    if (told.claims)
      await updateSealed(work.tx, id, sealTold(keyring, { ...told, claims: rewrite(told.claims) }));
  }
}

/**
 * Forgets whose account commands were about, because it goes. What was sent for reasons of its own ends with it, except what
 * an app has to delete, or is asked afterwards.
 */
export async function forget(work: Work, accountId: string): Promise<void> {
  await forgetAccount(work.tx, accountId, work.at);
}

/** Why what an app says later is not taken. */
export type CallbackFault = 'unknown' | 'used' | 'late' | 'unreadable' | 'wrong_subject';

/**
 * Takes what an app says later, by the token it got with the command: once, in time, and about the right person. Anything else
 * is on record and changes nothing; what is about somebody else, or cannot be read, does not use the token up either.
 */
export async function answerLater(
  work: Work,
  keyring: Keyring,
  { token, statement }: { readonly token: string; readonly statement: unknown },
): Promise<CallbackFault | undefined> {
  const callbackDigest = digest(token);
  const found = await findByCallback(work.tx, callbackDigest);
  const verdict = found ? judgeCallback(work, keyring, found, statement) : 'unknown';
  if (found && typeof verdict !== 'string' && (await useCallback(work.tx, callbackDigest, work.at))) {
    await settleCommand(work, found.id, OPEN_STATES, verdict);
    return undefined;
  }
  const fault = typeof verdict === 'string' ? verdict : 'used';
  work.record({
    type: 'command.refused_callback',
    ...(found && { clientId: found.clientId }),
    ...(found?.accountId !== undefined && { accountId: found.accountId }),
    detail: { id: found?.id ?? null, why: fault },
  });
  return fault;
}

function judgeCallback(
  work: Work,
  keyring: Keyring,
  { command, state, sealed, callbackUntil, callbackUsedAt }: Awaited,
  statement: unknown,
): Outcome | CallbackFault {
  const isOpen = OPEN_STATES.some(open => open === state);
  if (callbackUsedAt || (!isOpen && state !== 'unreachable')) return 'used';
  if (!isOpen || !sealed || !callbackUntil || callbackUntil <= work.at) return 'late';
  const { subject } = openTold(keyring, sealed);
  const judged = judgeStatement({ command, subject }, statement);
  if (judged.state !== 'again') return judged;
  if (judged.answer !== 'wrong_state')
    return judged.answer === 'wrong_subject' ? 'wrong_subject' : 'unreadable';
  return { state: 'refused', answer: judged.answer, accountState: judged.accountState };
}

/** The secret that an app checks its webhooks with; for a day after it was replaced, they are signed with the former one too. */
export async function printedSecrets(
  db: Db | Tx,
  keyring: Keyring,
  clientId: string,
): Promise<{ readonly webhook_secret: string; readonly generation: number }> {
  const { generation } = await findGeneration(db, clientId);
  return { webhook_secret: printedSecret(webhookSecret(keyring, clientId, generation)), generation };
}

/** Lets an app's webhooks be signed with a new secret. */
export async function rotateWebhookSecret(work: Work, clientId: string): Promise<void> {
  const generation = await nextGeneration(work.tx, clientId, work.at);
  work.record({ type: 'client.webhook_secret_rotated', clientId, detail: { generation } });
}

function refuseMissing(id: string): never {
  throw new Refusal('missing', 'command_not_found', `There is no command ${id}.`);
}
