import { v7 as uuidv7 } from 'uuid';
import { namesOfClients } from '../../domain/clients/clients.js';
import {
  type ConsentEvent,
  findConsentEvent,
  findWording,
  type ReceiptPurpose,
  receiptOf,
} from '../../domain/consents/consents.js';
import type { ProfileSchema } from '../../domain/profiles/profiles.js';
import { listNoticeTexts, listPurposes, sayIn, termsOf } from '../../domain/purposes/purposes.js';
import { signReceipt } from '../../oidc/receipts.js';
import type { Db } from '../../platform/storage/db.js';
import { type Actor, openWork } from '../../platform/storage/work.js';
import type { Parts } from '../journey.js';

type Issuing = Pick<Parts, 'db' | 'keyring' | 'issuer' | 'profile'>;

/** Whose receipt of which event of their ledger, and who asks for it. */
export interface ReceiptWish {
  readonly accountId: string;
  readonly eventId: string;
  readonly actor: Actor;
}

/** A signed receipt of one event of somebody's own ledger; undefined for another's, and for one that never was. */
export async function issueReceipt(parts: Issuing, wish: ReceiptWish): Promise<string | undefined> {
  const { accountId, eventId, actor } = wish;
  const event = await findConsentEvent(parts.db, accountId, eventId);
  if (!event) return undefined;
  const write = await writerOf(parts, event);
  return openWork(parts.db, actor, async work => {
    work.record({
      type: 'receipt.issued',
      accountId,
      clientId: event.clientId,
      detail: { consent_event: event.id },
    });
    return signReceipt(work, parts.keyring, write(work.at));
  });
}

/** The signed receipts of events of somebody's own ledger, for a copy of all that is held about them; what is not there is left out. */
export async function receiptsOf(
  parts: Issuing,
  accountId: string,
  eventIds: readonly string[],
): Promise<ReadonlyMap<string, string>> {
  const writers: (readonly [string, Awaited<ReturnType<typeof writerOf>>])[] = [];
  for (const id of eventIds) {
    const event = await findConsentEvent(parts.db, accountId, id);
    if (event) writers.push([id, await writerOf(parts, event)]);
  }
  if (writers.length === 0) return new Map();
  return openWork(parts.db, { kind: 'system' }, async work => {
    const signed = new Map<string, string>();
    for (const [id, write] of writers) signed.set(id, await signReceipt(work, parts.keyring, write(work.at)));
    return signed;
  });
}

/* All that is read for a receipt, before the work in which it is signed. */
async function writerOf(parts: Issuing, event: ConsentEvent): Promise<(issuedAt: Date) => object> {
  const names = await namesOfClients(parts.db, [event.clientId]);
  const wording = event.wording === undefined ? undefined : await findWording(parts.db, event.wording);
  const purposes = await purposesOf(parts.db, parts.profile, event);
  return issuedAt =>
    receiptOf({
      id: uuidv7(),
      issuer: parts.issuer.origin,
      issuedAt,
      event,
      app: names.get(event.clientId) ?? event.clientId,
      wording,
      purposes,
    });
}

/* A purpose that is gone still has the words that were agreed to. */
async function purposesOf(
  db: Db,
  { attributes }: ProfileSchema,
  { notices, language = 'en' }: ConsentEvent,
): Promise<readonly ReceiptPurpose[]> {
  const standing = new Map((await listPurposes(db)).map(purpose => [purpose.id, purpose] as const));
  const texts = await listNoticeTexts(db, notices, language);
  return Object.entries(notices).map(([id, version]) => {
    const purpose = standing.get(id);
    const terms = purpose && termsOf(purpose);
    return {
      id,
      version,
      name: purpose ? sayIn(purpose.name, language) : id,
      notice: texts.get(id),
      types: terms?.purposes ?? ['dpv:Purpose'],
      basis: terms?.basis ?? 'dpv:LegalBasis',
      attributes: attributes.filter(each => each.purpose === id).map(({ name }) => name),
    };
  });
}
