import type { Db, Tx } from '../../platform/storage/db.js';
import { removeFirst, removeRows } from '../../platform/storage/removing.js';
import type { ChangeWhat, Contact, ContactChange, ContactKind, EmailAddress } from './contact.js';

/** Where each kind is kept, and under which name. */
const KEPT = {
  email: { table: 'email_addresses', column: 'address' },
  phone: { table: 'phone_numbers', column: 'number' },
} as const;

interface ContactRow {
  readonly kind: ContactKind;
  readonly address: string;
  readonly verified_at: Date | null;
  readonly is_primary: boolean;
  readonly added_at: Date;
}

const LISTED = `SELECT 'email' AS kind, address, verified_at, is_primary, added_at FROM email_addresses
    WHERE account_id = :accountId
  UNION ALL SELECT 'phone', number, verified_at, is_primary, added_at FROM phone_numbers WHERE account_id = :accountId
  ORDER BY kind, is_primary DESC, added_at, address LIMIT 100`;

/** The e-mail addresses and then the phone numbers of an account, the primary one of each kind first. */
export async function listContacts(db: Db, accountId: string): Promise<readonly Contact[]> {
  const { rows } = await db.raw<{ rows: ContactRow[] }>(LISTED, { accountId });
  return rows.map(row => ({
    kind: row.kind,
    address: row.address,
    verifiedAt: row.verified_at ?? undefined,
    isPrimary: row.is_primary,
    addedAt: row.added_at,
  }));
}

/** The e-mail addresses of an account, the primary one first. */
export async function listEmails(db: Db, accountId: string): Promise<readonly EmailAddress[]> {
  return (await listContacts(db, accountId)).filter(({ kind }) => kind === 'email');
}

/** Where an account's notices go: its proved addresses, and those taken away within the days in which that can be undone. */
export async function listNoticeEmails(db: Db, accountId: string): Promise<readonly string[]> {
  const { rows } = await db.raw<{ rows: { address: string }[] }>(
    `SELECT address FROM email_addresses WHERE account_id = :accountId AND verified_at IS NOT NULL
     UNION SELECT address FROM contact_changes WHERE account_id = :accountId AND kind = 'email' AND what = 'removed'
       AND undone_at IS NULL AND undo_until > now()
     ORDER BY address LIMIT 100`,
    { accountId },
  );
  return rows.map(({ address }) => address);
}

/** Adds the proved address of somebody who signs up; the first of an account is its primary. True when it changed. */
export async function insertVerifiedEmail(tx: Tx, accountId: string, address: string): Promise<boolean> {
  const { rows } = await tx.raw(
    `INSERT INTO email_addresses AS held (account_id, address, verified_at, is_primary, added_at)
     SELECT CAST(:accountId AS uuid), :address, now(),
       NOT EXISTS (SELECT FROM email_addresses WHERE account_id = CAST(:accountId AS uuid) AND is_primary), now()
     ON CONFLICT (account_id, address) DO UPDATE SET verified_at = excluded.verified_at
       WHERE held.verified_at IS NULL
     RETURNING 1 AS changed`,
    { accountId, address },
  );
  return rows.length > 0;
}

/** Adds an address, or proves one that is there. True when that changed anything. */
export async function insertContact(tx: Tx, accountId: string, contact: Contact): Promise<boolean> {
  const { table, column } = KEPT[contact.kind];
  const { rowCount } = await tx.raw<{ rowCount: number }>(
    `INSERT INTO ${table} AS held (account_id, ${column}, verified_at, is_primary, added_at)
     VALUES (:accountId, :address, :verifiedAt, :isPrimary, :addedAt)
     ON CONFLICT (account_id, ${column}) DO UPDATE SET verified_at = excluded.verified_at,
       is_primary = held.is_primary OR excluded.is_primary WHERE held.verified_at IS NULL`,
    { ...contact, accountId, verifiedAt: contact.verifiedAt ?? null },
  );
  return rowCount === 1;
}

/** Takes an address away; says whether it was there. */
export async function removeContact(
  tx: Tx,
  accountId: string,
  { kind, address }: Pick<Contact, 'kind' | 'address'>,
): Promise<boolean> {
  const { table, column } = KEPT[kind];
  return (
    (await tx(table)
      .where({ account_id: accountId, [column]: address })
      .delete()) === 1
  );
}

/** Makes a proved address the only primary one of its kind; says whether it is one now. */
export async function updatePrimary(
  tx: Tx,
  accountId: string,
  { kind, address }: Pick<Contact, 'kind' | 'address'>,
): Promise<boolean> {
  const { table, column } = KEPT[kind];
  /* Two statements, since the index that allows one primary looks at each row by itself. */
  await tx(table)
    .where({ account_id: accountId, is_primary: true })
    .whereNot({ [column]: address })
    .update({ is_primary: false });
  const updated = await tx(table)
    .where({ account_id: accountId, [column]: address })
    .whereNotNull('verified_at')
    .update({ is_primary: true });
  return updated === 1;
}

interface ChangeRow {
  readonly id: string;
  readonly account_id: string;
  readonly kind: ContactKind;
  readonly what: ChangeWhat;
  readonly address: string;
  readonly before: readonly Readonly<Record<string, unknown>>[];
  readonly asked_from: Buffer;
  readonly made_at: Date;
  readonly undo_until: Date;
  readonly undone_at: Date | null;
}

const COLUMNS = 'id, account_id, kind, what, address, before, asked_from, made_at, undo_until, undone_at';

function present(row: ChangeRow): ContactChange {
  return {
    id: row.id,
    accountId: row.account_id,
    kind: row.kind,
    what: row.what,
    address: row.address,
    before: row.before.map(each => ({
      kind: each['kind'] as ContactKind,
      address: String(each['address']),
      verifiedAt: typeof each['verifiedAt'] === 'string' ? new Date(each['verifiedAt']) : undefined,
      isPrimary: each['isPrimary'] === true,
      addedAt: new Date(String(each['addedAt'])),
    })),
    askedFrom: row.asked_from,
    madeAt: row.made_at,
    undoUntil: row.undo_until,
    undoneAt: row.undone_at ?? undefined,
  };
}

/** Keeps a change with how it was before. */
export async function insertChange(
  tx: Tx,
  change: Omit<ContactChange, 'undoneAt'>,
  undoDigest: Buffer,
): Promise<void> {
  await tx('contact_changes').insert({
    account_id: change.accountId,
    id: change.id,
    kind: change.kind,
    what: change.what,
    address: change.address,
    before: JSON.stringify(change.before),
    undo_digest: undoDigest,
    asked_from: change.askedFrom,
    made_at: change.madeAt,
    undo_until: change.undoUntil,
  });
}

/** The change of a link. */
export async function findChange(db: Db, undoDigest: Buffer): Promise<ContactChange | undefined> {
  const { rows } = await db.raw<{ rows: ChangeRow[] }>(
    `SELECT ${COLUMNS} FROM contact_changes WHERE undo_digest = ?`,
    [undoDigest],
  );
  return rows[0] && present(rows[0]);
}

/** A change of an account by its id. */
export async function findChangeOf(
  db: Db,
  accountId: string,
  id: string,
): Promise<ContactChange | undefined> {
  const { rows } = await db.raw<{ rows: ChangeRow[] }>(
    `SELECT ${COLUMNS} FROM contact_changes WHERE account_id = ? AND id = ?`,
    [accountId, id],
  );
  return rows[0] && present(rows[0]);
}

/** What can still be undone at an instant, newest first. */
export async function listChanges(db: Db, accountId: string, at: Date): Promise<readonly ContactChange[]> {
  const { rows } = await db.raw<{ rows: ChangeRow[] }>(
    `SELECT ${COLUMNS} FROM contact_changes WHERE account_id = ? AND undone_at IS NULL AND undo_until > ?
     ORDER BY made_at DESC, id DESC LIMIT 100`,
    [accountId, at],
  );
  return rows.map(present);
}

/** Uses up a change that can be undone, and with it all that was changed after it; undefined when it is over. */
export async function useChange(
  tx: Tx,
  used: { readonly accountId: string; readonly id: string; readonly at: Date },
): Promise<ContactChange | undefined> {
  const { rows } = await tx.raw<{ rows: ChangeRow[] }>(
    `WITH undone AS (
       UPDATE contact_changes SET undone_at = :at
       WHERE account_id = :accountId AND id = :id AND undone_at IS NULL AND undo_until > :at RETURNING ${COLUMNS}
     ), later AS (
       UPDATE contact_changes c SET undone_at = :at FROM undone u
       WHERE c.account_id = :accountId AND c.undone_at IS NULL AND (c.made_at, c.id) > (u.made_at, u.id)
     )
     SELECT ${COLUMNS} FROM undone`,
    { ...used },
  );
  return rows[0] && present(rows[0]);
}

/** Lets nothing be undone any more that could be until now: what lay before it is no more how it was. */
export async function endOpenChanges(tx: Tx, accountId: string, at: Date): Promise<void> {
  await tx('contact_changes')
    .where({ account_id: accountId })
    .whereNull('undone_at')
    .where('undo_until', '>', at)
    .update({ undone_at: at });
}

/** Removes up to `limit` changes that cannot be undone any more since a week; gives how many. */
export function removeOldChanges(tx: Tx, limit: number): Promise<number> {
  const over = { where: `undo_until < now() - interval '7 days'`, by: 'undo_until' };
  return removeFirst(tx, 'contact_changes', over, limit);
}

/*
 * Proofs that were begun for the address or number itself, before it was anybody's, name no account. There is no index to find them by,
 * and need not be: they are swept an hour after they expired.
 */
const FORGET_PROOFS = `DELETE FROM email_proofs WHERE account_id IS NULL AND address IN (
  SELECT address FROM email_addresses WHERE account_id = :accountId UNION ALL SELECT number FROM phone_numbers WHERE account_id = :accountId)`;

/** Removes for good, a batch at a time: every address and number of an account, what changed about them and what proved them. */
export async function forgetContacts(tx: Tx, accountId: string, most: number): Promise<number> {
  await tx.raw(FORGET_PROOFS, { accountId });
  const tables = ['email_proofs', 'contact_changes', 'phone_numbers', 'email_addresses'];
  return removeRows(tx, tables, accountId, most);
}
