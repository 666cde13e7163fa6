import { z } from 'zod';
import { findConsentEvent, hasConsentEvent } from '../../domain/consents/consents.js';
import { openReceipt, type ReceiptFault } from '../../oidc/receipts.js';
import type { Db } from '../../platform/storage/db.js';

/** Why something that was brought is no receipt to rely on. */
export type CheckFault = ReceiptFault | 'other_issuer' | 'not_on_record' | 'other_person';

const schema = z.looseObject({
  receipt_id: z.uuid(),
  issuer: z.string(),
  issued_at: z.iso.datetime(),
  consent_record: z.looseObject({
    record_id: z.uuid(),
    pii_principal_id: z.string().regex(/^urn:uuid:[\da-f-]{36}$/),
    pii_processing: z.looseObject({
      services: z.looseObject({ name: z.string(), client_id: z.string() }),
      purposes: z.array(z.looseObject({ purpose: z.string() })),
      pii_information: z.array(z.looseObject({ pii_type: z.string(), allowed: z.boolean() })),
    }),
    event: z.tuple([
      z.looseObject({ event_time: z.iso.datetime(), event_type: z.string(), event_state: z.string() }),
    ]),
  }),
});

/** A receipt as far as checking it looks into it. */
export type CheckedReceipt = z.output<typeof schema>;

/** What came of a check. */
export type Check =
  | { readonly valid: true; readonly receipt: CheckedReceipt }
  | { readonly valid: false; readonly fault: CheckFault };

const fault = (why: CheckFault): Check => ({ valid: false, fault: why });

/**
 * Whether a text is a receipt that this issuer signed, unchanged, of an event that stands in its ledger; and, where somebody
 * is named, whether it is about them.
 */
export async function checkReceipt(
  { db, issuer }: { readonly db: Db; readonly issuer: URL },
  text: string,
  accountId?: string,
): Promise<Check> {
  const opened = await openReceipt(db, text.trim());
  if ('fault' in opened) return fault(opened.fault);
  const { data: receipt } = schema.safeParse(opened.receipt);
  if (!receipt) return fault('unreadable');
  if (receipt.issuer !== issuer.origin) return fault('other_issuer');
  const { record_id: id, pii_principal_id: principal } = receipt.consent_record;
  if (!(await hasConsentEvent(db, principal.slice('urn:uuid:'.length), id))) return fault('not_on_record');
  if (accountId !== undefined && !(await findConsentEvent(db, accountId, id))) return fault('other_person');
  return { valid: true, receipt };
}
