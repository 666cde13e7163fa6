import { CompactSign, compactVerify, errors, importJWK, type JWK } from 'jose';
import { z } from 'zod';
import type { Keyring } from '../platform/crypto/keyring.js';
import type { Db } from '../platform/storage/db.js';
import type { Work } from '../platform/storage/work.js';
import { loadSigningKeys } from './keys.js';

const ALGORITHM = 'ES256';

/** Media type of a signed receipt; of what is in it, the payload's. */
export const RECEIPT_TYPE = 'application/jose';
const PAYLOAD_TYPE = 'application/ld+json';

/**
 * Signs a receipt (RFC 7515, compact) with the key that signs now. Its public half is kept for good, so that the receipt is
 * verified long after the key has gone from the JWKS.
 */
export function signReceipt(work: Work, keyring: Keyring, receipt: object): Promise<string> {
  return signLasting(work, keyring, receipt, { cty: PAYLOAD_TYPE });
}

/** The same of anything that has to be verified long afterwards; its header says what it is. */
export async function signLasting(
  work: Work,
  keyring: Keyring,
  payload: object,
  header: { readonly typ?: string; readonly cty?: string },
): Promise<string> {
  const keys = await loadSigningKeys(work.tx, keyring);
  const jwk = keys.find(({ alg }) => alg === ALGORITHM);
  if (!jwk) throw new Error('there is no key to sign receipts with');
  const { kid, kty, crv, x, y } = jwk;
  const known = { kid, jwk: JSON.stringify({ kty, crv, x, y, kid, alg: ALGORITHM, use: 'sig' }) };
  await work
    .tx('receipt_keys')
    .insert({ ...known, first_used_at: work.at })
    .onConflict('kid')
    .ignore();
  return new CompactSign(Buffer.from(JSON.stringify(payload)))
    .setProtectedHeader({ alg: ALGORITHM, kid, ...header })
    .sign(await importJWK(jwk, ALGORITHM));
}

/** The public halves of every key that ever signed a receipt, the latest first. */
export async function listReceiptKeys(db: Db): Promise<readonly JWK[]> {
  const rows = await db('receipt_keys')
    .select<{ jwk: JWK }[]>('jwk')
    .orderBy([{ column: 'first_used_at', order: 'desc' }, 'kid'])
    .limit(1_000);
  return rows.map(({ jwk }) => jwk);
}

/** Why a text is no receipt of ours: it is none at all, another signed it, or it was changed. */
export type ReceiptFault = 'unreadable' | 'unknown_signer' | 'altered';

const headerSchema = z.object({
  alg: z.literal(ALGORITHM),
  kid: z.string().max(200),
  typ: z.string().optional(),
});

/** What a signed receipt says, if one of our keys signed just that. */
export async function openReceipt(
  db: Db,
  text: string,
): Promise<{ readonly receipt: unknown } | { readonly fault: ReceiptFault }> {
  const opened = await openSigned(db, text, { typ: undefined });
  return 'fault' in opened ? opened : { receipt: opened.payload };
}

/** What something of ours says that was signed to last, if one of our keys signed just that, and as what it is taken for. */
export async function openSigned(
  db: Db,
  text: string,
  { typ }: { readonly typ: string | undefined },
): Promise<{ readonly payload: unknown } | { readonly fault: ReceiptFault }> {
  const header = headerOf(text);
  if (!header || header.typ !== typ) return { fault: 'unreadable' };
  const row = await db('receipt_keys').where({ kid: header.kid }).first<{ jwk: JWK } | undefined>('jwk');
  if (!row) return { fault: 'unknown_signer' };
  try {
    const { payload } = await compactVerify(text, await importJWK(row.jwk, ALGORITHM), {
      algorithms: [ALGORITHM],
    });
    return { payload: JSON.parse(Buffer.from(payload).toString('utf8')) as unknown };
  } catch (error) {
    if (error instanceof errors.JOSEError) return { fault: 'altered' };
    throw error;
  }
}

function headerOf(text: string): z.output<typeof headerSchema> | undefined {
  const [encoded, payload, signature, ...rest] = text.split('.');
  if (!encoded || !payload || !signature || rest.length > 0) return undefined;
  try {
    return headerSchema.parse(JSON.parse(Buffer.from(encoded, 'base64url').toString('utf8')));
  } catch {
    return undefined;
  }
}
