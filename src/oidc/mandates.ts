import { z } from 'zod';
import type { Keyring } from '../platform/crypto/keyring.js';
import type { Db } from '../platform/storage/db.js';
import type { Work } from '../platform/storage/work.js';
import { openSigned, type ReceiptFault, signLasting } from './receipts.js';

/** Media type of a mandate; in its header, so that nothing else that we sign is one. */
export const MANDATE_TYPE = 'keyhold-mandate+jwt';

const mandateSchema = z.object({
  iss: z.string(),
  aud: z.string(),
  jti: z.uuid(),
  agent: z.string(),
  rights: z.array(z.string()),
  iat: z.number(),
  exp: z.number(),
});

/** What a mandate says. It names nobody: its number leads to whoever gave it, here alone. */
export type MandateClaims = z.output<typeof mandateSchema>;

/** Signs a mandate (RFC 7515, compact), by the key that signs now. */
export function signMandate(work: Work, keyring: Keyring, claims: MandateClaims): Promise<string> {
  return signLasting(work, keyring, claims, { typ: MANDATE_TYPE });
}

/** What a mandate of ours says, if one of our keys signed just that. */
export async function openMandate(
  db: Db,
  text: string,
  issuer: URL,
): Promise<{ readonly claims: MandateClaims } | { readonly fault: ReceiptFault }> {
  const opened = await openSigned(db, text, { typ: MANDATE_TYPE });
  if ('fault' in opened) return opened;
  const claims = mandateSchema.safeParse(opened.payload);
  if (!claims.success || claims.data.iss !== issuer.origin || claims.data.aud !== issuer.origin)
    return { fault: 'unreadable' };
  return { claims: claims.data };
}
