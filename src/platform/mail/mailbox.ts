import type { Db, Tx } from '../storage/db.js';
import type { Letter } from './letter.js';

/** A mail in the development mailbox. */
export interface MailboxMail {
  readonly id: string;
  readonly at: Date;
  readonly to: string;
  readonly subject: string;
  readonly text: string;
  readonly html: string;
}

const KEPT = 200;
const COLUMNS = 'id, at, to_address AS "to", subject, text, html';

/** The mails of the development mailbox, newest first. */
export async function listMailbox(db: Db): Promise<readonly MailboxMail[]> {
  const { rows } = await db.raw(`SELECT ${COLUMNS} FROM mailbox ORDER BY id DESC LIMIT ${KEPT}`);
  return rows as MailboxMail[];
}

/** One mail of the development mailbox, if it is (still) there. */
export async function getMailboxMail(db: Db, id: string): Promise<MailboxMail | undefined> {
  const { rows } = await db.raw(`SELECT ${COLUMNS} FROM mailbox WHERE id::text = ?`, [id]);
  return rows[0] as MailboxMail | undefined;
}

/** Empties the development mailbox. */
export async function clearMailbox(tx: Tx): Promise<void> {
  await tx.raw('DELETE FROM mailbox');
}

/** Puts a letter into the development mailbox, once however often it is tried, and lets the oldest go. */
export async function putIntoMailbox(tx: Tx, letter: Letter): Promise<void> {
  await tx.raw(
    `WITH gone AS (
       DELETE FROM mailbox WHERE id IN (SELECT id FROM mailbox WHERE id <> :id ORDER BY id DESC OFFSET ${KEPT - 1})
     )
     INSERT INTO mailbox (id, to_address, subject, text, html) VALUES (:id, :to, :subject, :text, :html)
     ON CONFLICT (id) DO NOTHING`,
    { id: letter.id, to: letter.to, subject: letter.subject, text: letter.text, html: letter.html },
  );
}

/** Removes what lies in the development mailbox for these addresses. */
export async function forgetMailbox(tx: Tx, addresses: readonly string[], most: number): Promise<number> {
  const { rowCount } = await tx.raw<{ rowCount: number }>(
    'DELETE FROM mailbox WHERE id IN (SELECT id FROM mailbox WHERE to_address = ANY (?::text[]) LIMIT ?)',
    [[...addresses], most],
  );
  return rowCount;
}
