import type { Work } from '../platform/storage/work.js';

/**
 * Ends what apps hold of an account beyond every session, of sign-ins of one kind (a word of `amr`); what belongs to a session that
 * lives is that session's.
 */
export async function endAccessLeftBy(work: Work, accountId: string, amr: string): Promise<void> {
  await work.tx.raw(
    `DELETE FROM grants g WHERE g.account_id = :accountId
       AND EXISTS (SELECT FROM refresh_tokens r WHERE r.grant_id = g.id AND :amr = ANY (r.amr) AND NOT EXISTS (
         SELECT FROM sessions s WHERE s.uid = r.session_uid AND s.ended_at IS NULL))`,
    { accountId, amr },
  );
}
