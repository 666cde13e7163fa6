import type { Tx } from '../../platform/storage/db.js';
import type { Work } from '../../platform/storage/work.js';

/** A passkey's row as it is written down to be put back; only this room reads it. */
export interface KeptPasskey {
  readonly id: string;
  readonly credential_id: string;
}

/* What owns a credential points at the passkey's row: both go over in one statement. */
const MOVE = `WITH moved AS (
    UPDATE passkeys SET account_id = :to, made_for = nullif(coalesce(made_for, account_id), :to)
    WHERE account_id = :from AND id = ANY (CAST(:ids AS uuid[])) RETURNING account_id, id, credential_id),
  owned AS (UPDATE passkey_owners o SET account_id = moved.account_id FROM moved WHERE o.credential_id = moved.credential_id)
  SELECT id FROM moved ORDER BY id`;

async function move(tx: Tx, from: string, to: string, ids: readonly string[]): Promise<readonly string[]> {
  const { rows } = await tx.raw<{ rows: { id: string }[] }>(MOVE, { from, to, ids: [...ids] });
  return rows.map(({ id }) => id);
}

function note(work: Work, from: string, to: string, ids: readonly string[]): void {
  for (const passkeyId of ids) {
    work.record({ type: 'passkey.removed', accountId: from, detail: { passkeyId } });
    work.record({ type: 'passkey.added', accountId: to, detail: { passkeyId } });
  }
}

/** Gives the passkeys of an account that count to another one of the same person; gives what it takes to put them back. */
export async function takeOverPasskeys(
  work: Work,
  { to, from }: { readonly to: string; readonly from: string },
): Promise<readonly KeptPasskey[]> {
  const { rows } = await work.tx.raw<{ rows: { kept: KeptPasskey }[] }>(
    'SELECT to_jsonb(p) AS kept FROM passkeys p WHERE account_id = ? AND suspended_for IS NULL ORDER BY id FOR UPDATE',
    [from],
  );
  const kept = rows.map(row => row.kept);
  const ids = await move(
    work.tx,
    from,
    to,
    kept.map(({ id }) => id),
  );
  note(work, from, to, ids);
  return kept;
}

const PUT_BACK = `WITH back AS (INSERT INTO passkeys SELECT * FROM jsonb_populate_recordset(NULL::passkeys, CAST(:rows AS jsonb))
    ON CONFLICT DO NOTHING RETURNING account_id, id, credential_id)
  INSERT INTO passkey_owners (credential_id, account_id, passkey_id) SELECT credential_id, account_id, id FROM back
  ON CONFLICT DO NOTHING`;

/** Undoes that: each goes back as it is by now, and one that was removed since as it was. */
export async function giveBackPasskeys(
  work: Work,
  { to, from, kept }: { readonly to: string; readonly from: string; readonly kept: readonly KeptPasskey[] },
): Promise<void> {
  const ids = kept.map(({ id }) => id);
  const back = await move(work.tx, from, to, ids);
  note(work, from, to, back);
  const { rows: taken } = await work.tx.raw<{ rows: { credential_id: string }[] }>(
    'SELECT credential_id FROM passkey_owners WHERE credential_id = ANY (?::text[])',
    [kept.map(({ credential_id }) => credential_id)],
  );
  const gone = kept.filter(each => !taken.some(({ credential_id }) => credential_id === each.credential_id));
  if (gone.length > 0) await work.tx.raw(PUT_BACK, { rows: JSON.stringify(gone) });
  for (const { id } of gone) work.record({ type: 'passkey.added', accountId: to, detail: { passkeyId: id } });
}
