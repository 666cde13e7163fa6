import { z } from 'zod';
import { type Deletion, listRecipients } from '../../../domain/deletions/deletions.js';
import { openReceipt, signReceipt } from '../../../oidc/receipts.js';
import type { Db } from '../../../platform/storage/db.js';
import type { Work } from '../../../platform/storage/work.js';
import type { Parts } from '../../journey.js';

const TYPE = 'deletion_statement';
/* As many apps as can be noted of one person. */
const MOST = 4_000;

const recipientSchema = z.strictObject({
  client_id: z.string(),
  name: z.string().nullable(),
  told: z.array(z.string()),
  state: z.string(),
  answer: z.string().nullable(),
  note: z.string().nullable(),
  asked_at: z.iso.datetime().nullable(),
  ended_at: z.iso.datetime().nullable(),
  audit: z.string().nullable(),
  audited_at: z.iso.datetime().nullable(),
});

const schema = z.strictObject({
  type: z.literal(TYPE),
  issuer: z.string(),
  issued_at: z.iso.datetime(),
  deletion_id: z.uuid(),
  state: z.string(),
  cause: z.string(),
  asked_at: z.iso.datetime(),
  begun_at: z.iso.datetime().nullable(),
  removed_at: z.iso.datetime().nullable(),
  finished_at: z.iso.datetime().nullable(),
  audited_at: z.iso.datetime().nullable(),
  recipients: z.array(recipientSchema),
});

/** What a signed statement says. */
export type Statement = z.output<typeof schema>;

const iso = (at: Date | undefined) => at?.toISOString() ?? null;

/** How far a deletion is now, signed as receipts are (RFC 7515): anybody can check it, also when nothing of it is left here. */
export async function signStatement(
  work: Work,
  { keyring, issuer }: Pick<Parts, 'keyring' | 'issuer'>,
  deletion: Deletion,
): Promise<string> {
  const recipients = await listRecipients(work.tx, deletion.id, { limit: MOST });
  const statement: Statement = {
    type: TYPE,
    issuer: issuer.origin,
    issued_at: work.at.toISOString(),
    deletion_id: deletion.id,
    state: deletion.state,
    cause: deletion.cause,
    asked_at: deletion.askedAt.toISOString(),
    begun_at: iso(deletion.begunAt),
    removed_at: iso(deletion.removedAt),
    finished_at: iso(deletion.finishedAt),
    audited_at: iso(deletion.auditedAt),
    recipients: recipients.map(one => ({
      client_id: one.clientId,
      name: one.name ?? null,
      told: [...one.claims],
      state: one.state,
      answer: one.answer ?? null,
      note: one.note ?? null,
      asked_at: iso(one.askedAt),
      ended_at: iso(one.endedAt),
      audit: one.audit ?? null,
      audited_at: iso(one.auditedAt),
    })),
  };
  return signReceipt(work, keyring, statement);
}

/** What a text says, if it is a statement about a deletion that this issuer signed, unchanged. */
export async function checkStatement(
  { db, issuer }: { readonly db: Db; readonly issuer: URL },
  text: string,
): Promise<Statement | undefined> {
  const opened = await openReceipt(db, text.trim());
  const { data } = schema.safeParse('receipt' in opened ? opened.receipt : undefined);
  return data?.issuer === issuer.origin ? data : undefined;
}
