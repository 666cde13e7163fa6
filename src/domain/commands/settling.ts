import type { Keyring } from '../../platform/crypto/keyring.js';
import type { Work } from '../../platform/storage/work.js';
import type { Command, Told } from './command.js';
import { type Outcome, type Settled, settle } from './store.js';

/** Every fact that this room leaves. */
export const COMMAND_FACTS = [
  'command.sent',
  'command.answered',
  'command.unreachable',
  'command.begun_anew',
  'command.given_up',
  'command.refused_callback',
  'client.webhook_secret_rotated',
] as const;

/** The job that tells apps what waits to be told. */
export const TELL_APPS = 'tell-apps';

const SEAL = 'command';

/** Seals what a command tells. */
export function sealTold(keyring: Keyring, told: Told): Buffer {
  return keyring.seal(SEAL, JSON.stringify(told));
}

/** What a command tells, of a row that still says it. */
export function openTold(keyring: Keyring, sealed: Buffer): Told {
  return JSON.parse(keyring.open(SEAL, sealed)) as Told;
}

/** The token by which an app answers later: the same at every try, so that an app may keep the first it got. */
export function callbackToken(keyring: Keyring, { id, round }: Pick<Command, 'id' | 'round'>): string {
  return keyring.mac('command-callback', `${id}\n${round}`).toString('base64url');
}

/** Settles a command that is in one of these states, puts that on record, and enqueues the job that waits for it. */
export async function settleCommand(
  work: Work,
  id: string,
  from: readonly Command['state'][],
  outcome: Outcome,
): Promise<Settled | undefined> {
  const settled = await settle(work.tx, id, from, outcome, work.at);
  if (!settled) return undefined;
  const { state, answer = '' } = settled;
  if (state === 'unreachable') recordOf(work, 'command.unreachable', settled, { answer });
  else recordOf(work, 'command.answered', settled, { state, answer });
  wakeWhoWaits(work, settled);
  return settled;
}

/* So long it waits for other apps to answer the same; each answer begins it anew. */
const TOGETHER_MS = 1_000;

/** Enqueues the job that waits for a command, if it ended: once for all that end at about the same time. */
export function wakeWhoWaits(work: Work, { reason, wakes, endedAt }: Settled): void {
  if (wakes === undefined || !endedAt) return;
  work.enqueue({
    name: wakes,
    payload: { reason: reason.id },
    key: `${wakes} ${reason.id}`,
    runAt: new Date(Date.now() + TOGETHER_MS),
    yields: true,
  });
}

/** Puts on record what happened to a command. */
export function recordOf(
  work: Work,
  type: (typeof COMMAND_FACTS)[number],
  { id, clientId, accountId, command, reason }: Command,
  more: Readonly<Record<string, string | number>>,
): void {
  work.record({
    type,
    clientId,
    ...(accountId !== undefined && { accountId }),
    detail: { id, command, reason: reason.kind, about: reason.id, ...more },
  });
}
