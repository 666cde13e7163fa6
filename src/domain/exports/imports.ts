import type { Keyring } from '../../platform/crypto/keyring.js';
import type { Db } from '../../platform/storage/db.js';
import { openPersonal } from '../../platform/storage/origin.js';
import type { Work } from '../../platform/storage/work.js';

const CONTEXT = 'import';
const HOUR = 3_600_000;

const INTO_IMPORTS = `
  INSERT INTO imports (account_id, sealed, read_at, expires_at)
  SELECT account_id, sealed, read_at, expires_at
  FROM jsonb_to_recordset(?::jsonb) AS i(account_id uuid, sealed bytea, read_at timestamptz, expires_at timestamptz)
  ON CONFLICT (account_id) DO UPDATE SET sealed = excluded.sealed, read_at = excluded.read_at, expires_at = excluded.expires_at`;

/** Keeps for an hour what somebody brought, in the place of what they brought before; nothing else is changed by it. */
export function keepImport(work: Work, keyring: Keyring, accountId: string, content: unknown): void {
  work.leave({
    into: INTO_IMPORTS,
    row: { account_id: accountId, read_at: work.at, expires_at: new Date(work.at.getTime() + HOUR) },
    personal: { keyring, accountId, context: CONTEXT, plain: JSON.stringify(content) },
  });
}

/** What somebody brought within the last hour; undefined where there is nothing, or nothing opens it. */
export async function openImport(
  db: Db,
  keyring: Keyring,
  accountId: string,
  at = new Date(),
): Promise<unknown> {
  const { rows } = await db.raw<{ rows: { sealed: Buffer; key: Buffer | null }[] }>(
    `SELECT sealed, (SELECT k.sealed FROM subject_keys k WHERE k.account_id = i.account_id) AS key
     FROM imports i WHERE account_id = ? AND expires_at > ?`,
    [accountId, at],
  );
  const [row] = rows;
  const { sealed, key } = row ?? {};
  const plain =
    sealed && key ? openPersonal({ keyring, accountId, context: CONTEXT, sealed, key }) : undefined;
  return plain === undefined ? undefined : JSON.parse(plain);
}

/** Forgets what somebody brought: it was taken, or they do not want it. */
export async function dropImport(work: Work, accountId: string): Promise<void> {
  await work.tx('imports').where({ account_id: accountId }).delete();
}

/** Forgets what nobody took within its hour, a batch at a time; says how many. */
export async function removeImports(db: Db, at: Date, limit: number): Promise<number> {
  const { rowCount } = await db.raw<{ rowCount: number }>(
    `DELETE FROM imports WHERE ctid = ANY (ARRAY(
       SELECT ctid FROM imports WHERE expires_at <= ? ORDER BY expires_at LIMIT ? FOR UPDATE SKIP LOCKED))`,
    [at, limit],
  );
  return rowCount;
}
