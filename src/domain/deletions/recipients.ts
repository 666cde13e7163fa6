import type { Keyring } from '../../platform/crypto/keyring.js';
import type { Work } from '../../platform/storage/work.js';
import { type DeletionRecipient, OPEN_RECIPIENTS, type RecipientState } from './deletion.js';
import { openFor, sealFor } from './sealing.js';
import {
  type AuditRow,
  findSealed,
  type HeardRow,
  insertRecipients,
  listRecipients,
  updateAsked,
  updateAudits,
  updateHeard,
  updateSettled,
} from './store.js';

/** An app that has to hear of a deletion, and by what it knows the person. */
export interface ToTell extends Pick<DeletionRecipient, 'clientId' | 'name' | 'claims' | 'toldLastAt'> {
  /** Undefined for an app that is gone. */
  readonly subject: string | undefined;
}

const about = (clientId: string) => `subject ${clientId}`;

/** Notes who has to hear of a deletion, before what it follows from is removed. */
export async function noteRecipients(
  work: Work,
  keyring: Keyring,
  id: string,
  recipients: readonly ToTell[],
): Promise<void> {
  const kept = await findSealed(work.tx, id);
  if (!kept) throw new Error('a deletion that has ended tells nobody');
  const of = { id, key: kept.key };
  const sealed = recipients.map(({ subject, ...recipient }) => ({
    ...recipient,
    subject: subject === undefined ? undefined : sealFor(keyring, of, about(recipient.clientId), subject),
  }));
  await insertRecipients(work.tx, id, sealed);
}

/** Apps in one of these states with what they know the person by, a page at a time. */
export async function listRecipientsToTell(
  work: Work,
  keyring: Keyring,
  id: string,
  page: { readonly after?: string; readonly states: readonly RecipientState[]; readonly limit: number },
): Promise<
  readonly { readonly clientId: string; readonly name: string | undefined; readonly subject: string }[]
> {
  const kept = await findSealed(work.tx, id);
  if (!kept) return [];
  const rows = await listRecipients(work.tx, id, page);
  return rows.flatMap(({ clientId, name, subject }) =>
    subject === undefined
      ? []
      : [{ clientId, name, subject: openFor(keyring, { id, key: kept.key }, about(clientId), subject) }],
  );
}

/** Apps are being told. */
export async function noteAsked(
  work: Work,
  id: string,
  clientIds: readonly string[],
  at: Date,
): Promise<void> {
  await updateAsked(work.tx, id, clientIds, at);
}

/** What became of telling an app. */
export interface Heard extends Omit<HeardRow, 'state'> {
  readonly state: Exclude<RecipientState, 'noted' | 'settled'>;
}

const NOT_FINAL: readonly RecipientState[] = [...OPEN_RECIPIENTS, 'refused', 'unreachable', 'received'];

/**
 * Writes down what apps said. What one said before may still become something else, when it is told anew; what an operator settled
 * stays settled.
 */
export async function noteHeard(work: Work, id: string, heard: readonly Heard[]): Promise<void> {
  await updateHeard(work.tx, id, NOT_FINAL, heard);
}

/** An operator saw to an app by another way, and says how; false where it has confirmed, or was settled before. */
export async function settleRecipient(
  work: Work,
  { id, clientId, reason }: { readonly id: string; readonly clientId: string; readonly reason: string },
): Promise<boolean> {
  const settled = (await updateSettled(work.tx, { id, clientId, from: NOT_FINAL }, reason, work.at)) === 1;
  if (settled) work.record({ type: 'deletion.settled', clientId, detail: { deletion: id } });
  return settled;
}

/** Writes down that apps are asked once more, or what they said then. */
export async function noteAudits(work: Work, id: string, audits: readonly AuditRow[]): Promise<void> {
  await updateAudits(work.tx, id, audits);
}
