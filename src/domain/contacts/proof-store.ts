import type { Db, Tx } from '../../platform/storage/db.js';
import { removeFirst } from '../../platform/storage/removing.js';
import { PROOF_MINUTES, PROOF_TRIES, type ProofEnd, type ProofPurpose } from './contact.js';

/** A proof as it is begun. */
export interface NewProof {
  readonly id: string;
  readonly purpose: ProofPurpose;
  readonly address: string;
  readonly accountId: string | undefined;
  readonly binding: string;
  readonly codeDigest: Buffer;
  readonly linkDigest: Buffer;
  readonly decoy: boolean;
  readonly askedFrom: string;
  readonly locale: string;
}

/** A proof that a newer one put an end to. */
export interface ReplacedProof {
  readonly id: string;
  readonly accountId: string | undefined;
}

/** A proof after an attempt. */
export interface TriedProof {
  readonly id: string;
  readonly purpose: ProofPurpose;
  readonly address: string;
  readonly accountId: string | null;
  readonly attempts: number;
  readonly proved: boolean;
}

/** A proof as a link finds it. */
export interface FoundProof {
  readonly id: string;
  readonly purpose: ProofPurpose;
  readonly binding: string;
  readonly address: string;
  readonly askedFrom: string;
  readonly askedAt: Date;
  readonly state: 'open' | Exclude<ProofEnd, 'none'>;
}

const OPEN = 'used_at IS NULL AND ended_at IS NULL';
const TRIED = 'id, purpose, address, account_id AS "accountId", attempts, used_at IS NOT NULL AS proved';
const STATE = `CASE WHEN used_at IS NOT NULL THEN 'used' WHEN ended_at IS NOT NULL THEN ended_reason
  WHEN expires_at <= now() THEN 'expired' ELSE 'open' END`;

/**
 * Ends the open proof of this browser and purpose and opens another; gives the ended one. The two halves are one
 * statement, and a proof begun at the same instant is overwritten, so that there is never more than one open.
 */
export async function insertProof(tx: Tx, proof: NewProof): Promise<ReplacedProof | undefined> {
  const { rows } = await tx.raw(
    `WITH replaced AS (
       UPDATE email_proofs SET ended_at = now(), ended_reason = 'replaced'
       WHERE binding = :binding AND purpose = :purpose AND ${OPEN} RETURNING id, account_id
     )
     INSERT INTO email_proofs (id, purpose, address, account_id, binding, code_digest, link_digest, decoy, asked_from,
       locale, created_at, expires_at)
     SELECT CAST(:id AS uuid), :purpose, :address, CAST(:accountId AS uuid), :binding, CAST(:codeDigest AS bytea), CAST(:linkDigest AS bytea),
       CAST(:decoy AS boolean), :askedFrom, :locale, now(), now() + make_interval(mins => ${PROOF_MINUTES})
     FROM (SELECT count(*) FROM replaced) AS first
     ON CONFLICT (binding, purpose) WHERE ${OPEN} DO UPDATE SET id = excluded.id, address = excluded.address,
       account_id = excluded.account_id, code_digest = excluded.code_digest, link_digest = excluded.link_digest,
       decoy = excluded.decoy, asked_from = excluded.asked_from, locale = excluded.locale, attempts = 0,
       created_at = excluded.created_at, expires_at = excluded.expires_at
     RETURNING (SELECT id FROM replaced) AS id, (SELECT account_id FROM replaced) AS "accountId"`,
    { ...proof, accountId: proof.accountId ?? null },
  );
  const { id, accountId } = rows[0] as { id: string | null; accountId: string | null };
  return id === null ? undefined : { id, accountId: accountId ?? undefined };
}

/** Counts a try of a code and uses or ends the proof, at once: tries in parallel queue up for the row and count one by one. */
export async function tryProofByCode(
  tx: Tx,
  tried: { readonly binding: string; readonly purpose: ProofPurpose; readonly codeDigest: Buffer },
): Promise<TriedProof | undefined> {
  const right = 'code_digest = :codeDigest AND NOT decoy';
  const spent = `NOT (${right}) AND attempts + 1 >= ${PROOF_TRIES}`;
  const { rows } = await tx.raw(
    `UPDATE email_proofs SET
       attempts = attempts + CASE WHEN ${right} THEN 0 ELSE 1 END,
       used_at = CASE WHEN ${right} THEN now() END,
       ended_at = CASE WHEN ${spent} THEN now() END,
       ended_reason = CASE WHEN ${spent} THEN 'too-many' END
     WHERE binding = :binding AND purpose = :purpose AND ${OPEN} AND expires_at > now()
     RETURNING ${TRIED}`,
    { ...tried },
  );
  return rows[0] as TriedProof | undefined;
}

/** Uses a proof by its link, in the browser that began it. */
export async function useProofByLink(
  tx: Tx,
  used: { readonly linkDigest: Buffer; readonly binding: string; readonly purpose: ProofPurpose },
): Promise<TriedProof | undefined> {
  const { rows } = await tx.raw(
    `UPDATE email_proofs SET used_at = now()
     WHERE link_digest = :linkDigest AND binding = :binding AND purpose = :purpose AND NOT decoy AND ${OPEN}
       AND expires_at > now()
     RETURNING ${TRIED}`,
    { ...used },
  );
  return rows[0] as TriedProof | undefined;
}

/** Ends an open proof by its link. */
export async function denyProofByLink(tx: Tx, linkDigest: Buffer): Promise<TriedProof | undefined> {
  const { rows } = await tx.raw(
    `UPDATE email_proofs SET ended_at = now(), ended_reason = 'denied'
     WHERE link_digest = ? AND ${OPEN} RETURNING ${TRIED}`,
    [linkDigest],
  );
  return rows[0] as TriedProof | undefined;
}

/** The state of the latest proof of a browser and purpose. */
export async function findProofState(
  db: Db,
  binding: string,
  purpose: ProofPurpose,
): Promise<FoundProof['state'] | undefined> {
  const { rows } = await db.raw(
    `SELECT ${STATE} AS state FROM email_proofs WHERE binding = ? AND purpose = ?
     ORDER BY (${OPEN}) DESC, created_at DESC LIMIT 1`,
    [binding, purpose],
  );
  return (rows[0] as { state: FoundProof['state'] } | undefined)?.state;
}

/** Spends a used proof, once, while it is fresh. */
export async function spendProof(
  tx: Tx,
  spent: { readonly id: string; readonly purpose: ProofPurpose; readonly accountId: string },
): Promise<boolean> {
  const result = await tx.raw(
    `UPDATE email_proofs SET spent_at = now() WHERE id = :id AND purpose = :purpose AND account_id = :accountId
       AND spent_at IS NULL AND used_at > now() - make_interval(mins => ${PROOF_MINUTES})`,
    { ...spent },
  );
  return result.rowCount === 1;
}

/** Ends the open proofs of an account (of one address, if it is given) and spends the used ones; gives the open ones. */
export async function endProofsOf(
  tx: Tx,
  accountId: string,
  address: string | undefined,
): Promise<readonly Pick<TriedProof, 'id' | 'purpose'>[]> {
  const whose = 'account_id = :accountId AND (CAST(:address AS text) IS NULL OR address = :address)';
  const { rows } = await tx.raw(
    `WITH spent AS (UPDATE email_proofs SET spent_at = now()
       WHERE ${whose} AND used_at IS NOT NULL AND spent_at IS NULL)
     UPDATE email_proofs SET ended_at = now(), ended_reason = 'account-changed'
     WHERE ${whose} AND ${OPEN} AND expires_at > now() RETURNING id, purpose`,
    { accountId, address: address ?? null },
  );
  return rows as TriedProof[];
}

/** A proof of an account by its id, whatever became of it. */
export async function findProofOf(
  db: Db,
  accountId: string,
  id: string,
): Promise<(FoundProof & { readonly attempts: number }) | undefined> {
  const { rows } = await db.raw(
    `SELECT id, purpose, binding, address, asked_from AS "askedFrom", created_at AS "askedAt", attempts, ${STATE} AS state
     FROM email_proofs WHERE account_id = ? AND id = ?`,
    [accountId, id],
  );
  return rows[0] as (FoundProof & { readonly attempts: number }) | undefined;
}

/** The proof of a link, if there (still) is one. */
export async function findProof(db: Db, linkDigest: Buffer): Promise<FoundProof | undefined> {
  const { rows } = await db.raw(
    `SELECT id, purpose, binding, address, asked_from AS "askedFrom", created_at AS "askedAt", ${STATE} AS state
     FROM email_proofs WHERE link_digest = ?`,
    [linkDigest],
  );
  return rows[0] as FoundProof | undefined;
}

/** Removes up to `limit` proofs that ended an hour ago or longer; gives how many. */
export function removeOldProofs(tx: Tx, limit: number): Promise<number> {
  const ended = { where: `expires_at < now() - interval '1 hour'`, by: 'expires_at' };
  return removeFirst(tx, 'email_proofs', ended, limit);
}
