import type { Db, Tx } from '../../platform/storage/db.js';
import { removeFirst, removeRows } from '../../platform/storage/removing.js';
import type { Factors } from './factor.js';

/** The authenticator apps of an account, those that count and those that do not, and how many recovery codes it has left; one read. */
export async function findFactors(db: Db, accountId: string): Promise<Factors> {
  interface Row {
    readonly id: string | null;
    readonly name: string;
    readonly added_at: Date;
    readonly last_used_at: Date | null;
    readonly suspended: boolean;
    readonly left: number;
    readonly made_at: Date | null;
  }
  const { rows } = await db.raw<{ rows: Row[] }>(
    `SELECT f.id, f.name, f.added_at, f.last_used_at, f.suspended_for IS NOT NULL AS suspended, c.left, c.made_at
     FROM (SELECT count(*)::int AS left, max(made_at) AS made_at
       FROM recovery_codes WHERE account_id = :accountId AND used_at IS NULL) c
     LEFT JOIN authenticator_apps f ON f.account_id = :accountId ORDER BY f.id`,
    { accountId },
  );
  const [first] = rows;
  const listed = (suspended: boolean) =>
    rows.flatMap(({ id, name, added_at: addedAt, last_used_at: used, suspended: is }) =>
      id === null || is !== suspended ? [] : [{ id, name, addedAt, lastUsedAt: used ?? undefined }],
    );
  return {
    apps: listed(false),
    suspended: listed(true),
    codes: first?.made_at ? { left: first.left, madeAt: first.made_at } : undefined,
  };
}

/** An authenticator app with its sealed secret, and the account's key to open it. */
export interface SealedApp {
  readonly id: string;
  /** By which recovery it is suspended: it proves nothing then. */
  readonly suspendedFor: string | null;
  readonly sealed: Buffer;
  readonly key: Buffer | null;
}

/** The authenticator apps of an account with their secrets, those that are suspended last. */
export async function listSealedApps(db: Db, accountId: string): Promise<readonly SealedApp[]> {
  const { rows } = await db.raw<{ rows: SealedApp[] }>(
    `SELECT f.id, f.suspended_for AS "suspendedFor", f.sealed, (SELECT k.sealed FROM subject_keys k WHERE k.account_id = f.account_id) AS key
     FROM authenticator_apps f WHERE f.account_id = ? ORDER BY f.suspended_for NULLS FIRST, f.id`,
    [accountId],
  );
  return rows;
}

/** Whether an account has an app with this secret already, and how many apps it has. */
export async function countApps(
  tx: Tx,
  accountId: string,
  digest: Buffer,
): Promise<{ readonly all: number; readonly same: number }> {
  const { rows } = await tx.raw<{ rows: { all: number; same: number }[] }>(
    `SELECT (count(*) FILTER (WHERE suspended_for IS NULL))::int AS all,
       (count(*) FILTER (WHERE secret_digest = ?))::int AS same
     FROM authenticator_apps WHERE account_id = ?`,
    [digest, accountId],
  );
  return rows[0] ?? { all: 0, same: 0 };
}

/** What `Work.leave` writes a new app by: its secret is sealed under the account's key on the way. */
export const INSERT_APP = `
    INSERT INTO authenticator_apps (account_id, id, name, sealed, secret_digest, last_period, added_at, began_second_step)
    SELECT account_id, id, name, sealed, decode(digest, 'hex'), last_period, added_at, began
    FROM jsonb_to_recordset(?::jsonb) AS f(account_id uuid, id uuid, name text, sealed bytea, digest text,
      last_period bigint, added_at timestamptz, began boolean)`;

/** Uses the code of a period up, for this and every earlier one; false when it was used before, or is suspended by now. */
export async function usePeriod(
  tx: Tx,
  use: {
    readonly accountId: string;
    readonly id: string;
    readonly period: number;
    readonly suspendedFor: string | null;
    readonly at: Date;
  },
): Promise<boolean> {
  const { rowCount } = await tx.raw<{ rowCount: number }>(
    `UPDATE authenticator_apps SET last_period = :period, last_used_at = :at
     WHERE account_id = :accountId AND id = :id AND last_period < :period
       AND suspended_for IS NOT DISTINCT FROM CAST(:suspendedFor AS uuid)`,
    use,
  );
  return rowCount === 1;
}

/** Gives an app another name; says whether it is there. */
export async function updateAppName(tx: Tx, accountId: string, id: string, name: string): Promise<boolean> {
  return (await tx('authenticator_apps').where({ account_id: accountId, id }).update({ name })) === 1;
}

/** Whether the second step of an account began with this app. */
export async function findBegan(db: Db, accountId: string, id: string): Promise<boolean> {
  const row = await db('authenticator_apps')
    .where({ account_id: accountId, id })
    .first<{ began_second_step: boolean } | undefined>('began_second_step');
  return row?.began_second_step === true;
}

/** The app that a second step began with is disowned: those that came after it stand for it. */
export async function passBeginning(tx: Tx, accountId: string): Promise<void> {
  await tx('authenticator_apps').where({ account_id: accountId }).update({ began_second_step: true });
}

/** Removes an app; says whether it was there. */
export async function deleteApp(tx: Tx, accountId: string, id: string): Promise<boolean> {
  return (await tx('authenticator_apps').where({ account_id: accountId, id }).delete()) === 1;
}

/** Removes all codes of an account, and all apps that count; what is suspended may come back. */
export async function deleteFactors(tx: Tx, accountId: string): Promise<void> {
  await tx('authenticator_apps').where({ account_id: accountId }).whereNull('suspended_for').delete();
  await tx('recovery_codes').where({ account_id: accountId }).delete();
}

/** A recovery code as it is stored. */
export interface StoredCode {
  readonly selector: string;
  readonly hash: string;
}

/** The stored code that a selector leads to, and the selectors that are taken. */
export async function findCode(
  db: Db,
  accountId: string,
  selector: string,
): Promise<{
  readonly found: (StoredCode & { readonly used: boolean }) | undefined;
  readonly taken: ReadonlySet<string>;
}> {
  const rows = await db('recovery_codes')
    .where({ account_id: accountId })
    .select<{ selector: string; hash: string; used_at: Date | null }[]>('selector', 'hash', 'used_at');
  const row = rows.find(each => each.selector === selector);
  return {
    found: row && { selector: row.selector, hash: row.hash, used: row.used_at !== null },
    taken: new Set(rows.map(each => each.selector)),
  };
}

/** Uses a recovery code up; false when it was used or replaced before. */
export async function useCode(tx: Tx, accountId: string, code: StoredCode, at: Date): Promise<boolean> {
  const { selector, hash } = code;
  const used = await tx('recovery_codes')
    .where({ account_id: accountId, selector, hash })
    .whereNull('used_at')
    .update({ used_at: at });
  return used === 1;
}

/** Adds recovery codes; used ones of more than a month ago make room. */
export async function insertCodes(
  tx: Tx,
  accountId: string,
  codes: readonly StoredCode[],
  at: Date,
): Promise<void> {
  await tx('recovery_codes')
    .where({ account_id: accountId })
    .where('used_at', '<', new Date(at.getTime() - 30 * 86_400_000))
    .delete();
  await tx('recovery_codes').insert(
    codes.map(({ selector, hash }) => ({ account_id: accountId, selector, hash, made_at: at })),
  );
}

/** Removes all recovery codes of an account; says how many could still be used. */
export async function deleteCodes(tx: Tx, accountId: string): Promise<number> {
  const gone = await tx('recovery_codes')
    .where({ account_id: accountId })
    .delete()
    .returning<{ used_at: Date | null }[]>('used_at');
  return gone.filter(({ used_at }) => used_at === null).length;
}

/** What `Work.leave` remembers a browser by: from where that was is sealed under the account's key on the way. */
export const INSERT_REMEMBERED = `
    INSERT INTO remembered_browsers (account_id, id, digest, sealed, remembered_at, expires_at)
    SELECT account_id, id, decode(digest, 'hex'), sealed, remembered_at, expires_at
    FROM jsonb_to_recordset(?::jsonb) AS f(account_id uuid, id uuid, digest text, sealed bytea, remembered_at timestamptz,
      expires_at timestamptz)`;

/** A row of a remembered browser, with the account's key to open from where it was. */
export interface RememberedRow {
  readonly id: string;
  readonly sealed: Buffer | null;
  readonly key: Buffer | null;
  readonly remembered_at: Date;
  readonly expires_at: Date;
}

/** Which remembered browsers are listed. */
export interface RememberedStretch {
  /** What was remembered before counts no more. */
  readonly since: Date;
  readonly limit: number;
  /** The id of the last one that was read; ids go by time. */
  readonly before?: string | undefined;
}

/** The statement behind `listRemembered`. */
export const LIST_REMEMBERED = `
  SELECT b.id, b.sealed, b.remembered_at, b.expires_at,
    (SELECT k.sealed FROM subject_keys k WHERE k.account_id = b.account_id) AS key
  FROM remembered_browsers b
  WHERE b.account_id = :accountId::uuid AND b.expires_at > now() AND b.remembered_at > :since
    AND b.id < :before::uuid
  ORDER BY b.id DESC LIMIT :limit`;

const LAST_ID = 'ffffffff-ffff-ffff-ffff-ffffffffffff';

/** The browsers in which the second step of an account is remembered, the latest first. */
export async function listRemembered(
  db: Db,
  accountId: string,
  { since, limit, before = LAST_ID }: RememberedStretch,
): Promise<readonly RememberedRow[]> {
  const { rows } = await db.raw<{ rows: RememberedRow[] }>(LIST_REMEMBERED, {
    accountId,
    since,
    before,
    limit,
  });
  return rows;
}

/** When a browser was remembered for an account, if that has not expired. */
export async function findRemembered(
  db: Db,
  accountId: string,
  digest: Buffer,
  at: Date,
): Promise<Date | undefined> {
  const row = await db('remembered_browsers')
    .where({ account_id: accountId, digest })
    .where('expires_at', '>', at)
    .first<{ remembered_at: Date } | undefined>('remembered_at');
  return row?.remembered_at;
}

/** Removes up to `limit` remembered browsers whose time is over; says how many. */
export function removeExpiredBrowsers(tx: Tx, limit: number): Promise<number> {
  return removeFirst(tx, 'remembered_browsers', { where: 'expires_at < now()', by: 'expires_at' }, limit);
}

/** Forgets every browser that was remembered for an account; says how many. */
export async function deleteRemembered(tx: Tx, accountId: string): Promise<number> {
  return tx('remembered_browsers').where({ account_id: accountId }).delete();
}

/** Forgets one browser that was remembered for an account; says whether it was. */
export async function deleteRememberedOne(
  tx: Tx,
  accountId: string,
  which: { readonly id: string } | { readonly digest: Buffer },
): Promise<boolean> {
  return (
    (await tx('remembered_browsers')
      .where({ account_id: accountId, ...which })
      .delete()) === 1
  );
}

/** Removes for good, a batch at a time: every second factor of an account. */
export function forgetFactors(tx: Tx, accountId: string, most: number): Promise<number> {
  return removeRows(tx, ['remembered_browsers', 'recovery_codes', 'authenticator_apps'], accountId, most);
}
