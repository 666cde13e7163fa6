import type { Keyring } from '../../platform/crypto/keyring.js';
import type { Work } from '../../platform/storage/work.js';
import { type AuditState, type DeletionRecipient, OPEN_RECIPIENTS, type RecipientState } from './deletion.js';
import { openFor, sealFor } from './sealing.js';
import { findSealed, insertRecipients, listRecipients, updateRecipient } from './store.js';

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

/** An app is being told. */
export async function noteAsked(work: Work, id: string, clientId: string, at: Date): Promise<void> {
  await updateRecipient(work.tx, { id, clientId, from: ['noted'] }, { state: 'asked', asked_at: at });
}

/** What became of telling an app. */
export interface Heard {
  readonly state: Exclude<RecipientState, 'noted' | 'settled'>;
  readonly answer?: string | undefined;
  readonly note?: string | undefined;
  readonly attempts: number;
  readonly endedAt: Date | undefined;
}

/**
 * Writes down what an app said. What it said before may still become something else, when it is told anew; what an operator settled
 * stays settled.
 */
export async function noteHeard(work: Work, id: string, clientId: string, heard: Heard): Promise<boolean> {
  const from: readonly RecipientState[] = [...OPEN_RECIPIENTS, 'refused', 'unreachable', 'received'];
  return updateRecipient(
    work.tx,
    { id, clientId, from },
    {
      state: heard.state,
      answer: heard.answer ?? null,
      note: heard.note ?? null,
      attempts: heard.attempts,
      ended_at: heard.endedAt ?? null,
    },
  );
}

/** An operator saw to an app by another way, and says how; false where it has confirmed, or was settled before. */
export async function settleRecipient(
  work: Work,
  { id, clientId, reason }: { readonly id: string; readonly clientId: string; readonly reason: string },
): Promise<boolean> {
  const from: readonly RecipientState[] = [...OPEN_RECIPIENTS, 'refused', 'unreachable', 'received'];
  const writes = { state: 'settled', answer: 'operator', note: reason, ended_at: work.at } as const;
  const settled = await updateRecipient(work.tx, { id, clientId, from }, writes);
  if (settled) work.record({ type: 'deletion.settled', clientId, detail: { deletion: id } });
  return settled;
}

/** Writes down that an app is asked once more, or what it said then. */
export async function noteAudit(
  work: Work,
  id: string,
  clientId: string,
  audit: AuditState,
  at: Date,
): Promise<void> {
  await updateRecipient(work.tx, { id, clientId }, audit === 'asked' ? { audit } : { audit, audited_at: at });
}
