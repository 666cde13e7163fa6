import type { Keyring } from '../../platform/crypto/keyring.js';
import type { Tx } from '../../platform/storage/db.js';
import type { Work } from '../../platform/storage/work.js';
import { INSERT_LINK } from './link-store.js';
import { contextOf, listLinksWithSaid } from './links.js';

/** A link's row as it is written down to be put back; only this room reads it. */
export interface KeptLink {
  readonly id: string;
  readonly provider_id: string;
  readonly subject: string;
}

/* Sealed anew under the key of the account that it goes to, or not at all. */
const MOVE = `WITH moved AS (
    UPDATE federated_links SET account_id = :to, sealed = NULL, came_by = coalesce(:cameBy, came_by)
    WHERE account_id = :from AND id = ANY (CAST(:ids AS uuid[])) RETURNING account_id, id, provider_id, subject),
  whose AS (UPDATE federated_subjects s SET account_id = moved.account_id FROM moved
    WHERE s.provider_id = moved.provider_id AND s.subject = moved.subject)
  SELECT id FROM moved ORDER BY id`;

async function move(
  tx: Tx,
  how: {
    readonly from: string;
    readonly to: string;
    readonly ids: readonly string[];
    readonly cameBy: string | null;
  },
): Promise<readonly string[]> {
  const { rows } = await tx.raw<{ rows: { id: string }[] }>(MOVE, { ...how, ids: [...how.ids] });
  return rows.map(({ id }) => id);
}

/** Ties what is tied to an account to another one of the same person; gives what it takes to put it back. */
export async function takeOverLinks(
  work: Work,
  keyring: Keyring,
  { to, from }: { readonly to: string; readonly from: string },
): Promise<readonly KeptLink[]> {
  const said = await listLinksWithSaid(work.tx, keyring, from);
  const { rows } = await work.tx.raw<{ rows: { kept: KeptLink }[] }>(
    'SELECT to_jsonb(l) AS kept FROM federated_links l WHERE account_id = ? ORDER BY id FOR UPDATE',
    [from],
  );
  const ids = rows.map(({ kept }) => kept.id);
  const moved = await move(work.tx, { from, to, ids, cameBy: 'merged' });
  for (const link of said.filter(({ id }) => moved.includes(id))) {
    const { id, providerId, subject, linkedAt, lastUsedAt, given } = link;
    const row = {
      account_id: to,
      id,
      provider_id: providerId,
      subject,
      came_by: 'merged',
      linked_at: linkedAt,
      last_used_at: lastUsedAt ?? null,
      given,
    };
    const personal = {
      keyring,
      accountId: to,
      context: contextOf(id),
      plain: JSON.stringify(link.said ?? {}),
    };
    if (link.said) work.leave({ into: INSERT_LINK, row, personal });
    const detail = { link: id, provider: providerId };
    work.record({ type: 'federated_link.removed', accountId: from, detail });
    work.record({ type: 'federated_link.added', accountId: to, detail: { ...detail, came_by: 'merged' } });
  }
  return rows.map(({ kept }) => kept);
}

const PUT_BACK = `WITH back AS (SELECT * FROM jsonb_populate_recordset(NULL::federated_links, CAST(:rows AS jsonb))),
  whose AS (INSERT INTO federated_subjects (provider_id, subject, account_id, link_id)
    SELECT provider_id, subject, account_id, id FROM back ON CONFLICT DO NOTHING RETURNING link_id)
  INSERT INTO federated_links SELECT * FROM back WHERE id IN (SELECT link_id FROM whose) ON CONFLICT DO NOTHING
  RETURNING id`;

/* As it was sealed under the key of the account that it comes back to. */
const RESTORE = `UPDATE federated_links l SET sealed = was.sealed, came_by = was.came_by
  FROM jsonb_populate_recordset(NULL::federated_links, CAST(:rows AS jsonb)) was
  WHERE l.account_id = was.account_id AND l.id = was.id`;

/** Undoes that: each goes back, also one that was removed since, unless it is tied to somebody else by now. */
export async function giveBackLinks(
  work: Work,
  { to, from, kept }: { readonly to: string; readonly from: string; readonly kept: readonly KeptLink[] },
): Promise<void> {
  if (kept.length === 0) return;
  const ids = kept.map(({ id }) => id);
  const moved = await move(work.tx, { from, to, ids, cameBy: null });
  const rows = JSON.stringify(kept);
  await work.tx.raw(RESTORE, { rows });
  const gone = kept.filter(({ id }) => !moved.includes(id));
  const { rows: back } = await work.tx.raw<{ rows: { id: string }[] }>(PUT_BACK, {
    rows: JSON.stringify(gone),
  });
  for (const { id: link, provider_id: provider } of kept) {
    const detail = { link, provider };
    if (moved.includes(link)) work.record({ type: 'federated_link.removed', accountId: from, detail });
    if (moved.includes(link) || back.some(({ id }) => id === link))
      work.record({ type: 'federated_link.added', accountId: to, detail: { ...detail, came_by: 'merged' } });
  }
}
