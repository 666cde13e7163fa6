import type { Db, Tx } from '../../platform/storage/db.js';
import { removeFirst, removeRows } from '../../platform/storage/removing.js';
import { type Account, type AccountRow, presentAccount } from '../accounts/accounts.js';
import type { Passkey } from './passkey.js';

/** What is stored of a password. */
export interface StoredPassword {
  readonly hash: string;
  readonly changedAt: Date;
  readonly lastUsedAt: Date | null;
}

/** The password of an account, if it has one. */
export async function findPassword(db: Db, accountId: string): Promise<StoredPassword | undefined> {
  const row = await db('passwords')
    .where({ account_id: accountId })
    .first<{ hash: string; changed_at: Date; last_used_at: Date | null }>(
      'hash',
      'changed_at',
      'last_used_at',
    );
  return row && { hash: row.hash, changedAt: row.changed_at, lastUsedAt: row.last_used_at };
}

const CLAIMED = `
  SELECT a.id, a.state, a.language, a.opened_at, a.proofs_from, a.signed_out_before, a.subject_key, a.dormancy_notices,
    a.second_step, a.roles, a.sale_choice, a.leaving_at,
    p.hash, p.changed_at, p.last_used_at
  FROM identified_accounts a LEFT JOIN passwords p ON p.account_id = a.id
  WHERE a.kind = 'email' AND a.value =`;

type ClaimedRow = AccountRow & { hash: string | null; changed_at: Date; last_used_at: Date | null };

/** Whom an address leads to, if it leads to anybody, and the password that proves it. */
export interface Claimed {
  readonly account?: Account;
  readonly password?: StoredPassword;
}

function presentClaimed(row: ClaimedRow | undefined): Claimed {
  if (!row) return {};
  const account = presentAccount(row);
  if (row.hash === null) return { account };
  return { account, password: { hash: row.hash, changedAt: row.changed_at, lastUsedAt: row.last_used_at } };
}

/**
 * Whom an e-mail address leads to, and the password that proves it, as a query within another statement, where `email` says the
 * address there: a row for `claimedOf`, of the account `id`, or none.
 */
export const claimedBy = (email: string): string => `(${CLAIMED} ${email})`;

const INSTANTS = [
  'opened_at',
  'proofs_from',
  'signed_out_before',
  'leaving_at',
  'changed_at',
  'last_used_at',
] as const;

/** What `claimedBy` found; nobody is null, and what was not read is nobody's to say. */
export function claimedOf(json: Readonly<Record<string, unknown>> | null | undefined): Claimed {
  if (json === undefined) throw new Error('whom the address leads to was not read');
  if (json === null) return {};
  const instants = INSTANTS.flatMap(name => {
    const said = json[name];
    return typeof said === 'string' ? [[name, new Date(said)] as const] : [];
  });
  const sealed = json['subject_key'];
  const subject_key = typeof sealed === 'string' ? Buffer.from(sealed.slice(2), 'hex') : null;
  return presentClaimed({ ...json, ...Object.fromEntries(instants), subject_key } as unknown as ClaimedRow);
}

/** Which ways to sign in an account has that count, in one look. */
export async function findWaysIn(
  db: Db,
  accountId: string,
): Promise<{ readonly password: boolean; readonly passkeys: number }> {
  const { rows } = await db.raw<{ rows: { password: boolean; passkeys: number }[] }>(
    `SELECT EXISTS (SELECT FROM passwords WHERE account_id = :accountId) AS password,
       (SELECT count(*)::int FROM passkeys WHERE account_id = :accountId AND suspended_for IS NULL) AS passkeys`,
    { accountId },
  );
  return rows[0] ?? { password: false, passkeys: 0 };
}

/** What an account signs in with: its password as far as pages may know it, and its passkeys, oldest first; one read. */
export async function listWaysIn(
  db: Db,
  accountId: string,
): Promise<{ readonly password?: Omit<StoredPassword, 'hash'>; readonly passkeys: readonly Passkey[] }> {
  type Row = (PasskeyRow | { id: null }) & { changed_at: Date | null; password_used_at: Date | null };
  const { rows } = await db.raw<{ rows: Row[] }>(
    `SELECT w.changed_at, w.last_used_at AS password_used_at, ${PASSKEY_COLUMNS}
     FROM (SELECT ?::uuid AS id) a LEFT JOIN passwords w ON w.account_id = a.id LEFT JOIN passkeys p ON p.account_id = a.id
     ORDER BY p.id`,
    [accountId],
  );
  const [first] = rows;
  const passkeys = rows.flatMap(row => (row.id === null ? [] : [passkeyOf(row)]));
  if (!first?.changed_at) return { passkeys };
  return { password: { changedAt: first.changed_at, lastUsedAt: first.password_used_at }, passkeys };
}

/** A passkey of an account. */
export async function findPasskey(db: Db, accountId: string, id: string): Promise<Passkey | undefined> {
  const { rows } = await db.raw<{ rows: PasskeyRow[] }>(
    `SELECT ${PASSKEY_COLUMNS} FROM passkeys p WHERE p.account_id = ? AND p.id = ?`,
    [accountId, id],
  );
  return rows[0] && passkeyOf(rows[0]);
}

/** Gives a passkey another name; says whether it is there. */
export async function updatePasskeyName(
  tx: Tx,
  accountId: string,
  id: string,
  name: string,
): Promise<boolean> {
  return (await tx('passkeys').where({ account_id: accountId, id }).update({ name })) === 1;
}

/** Keeps a password; says whether it is the first of its account. */
export async function upsertPassword(
  tx: Tx,
  password: { accountId: string; hash: string; scheme: string; at: Date },
): Promise<'inserted' | 'updated'> {
  const { accountId, hash, scheme, at } = password;
  const { rows } = await tx.raw<{ rows: { inserted: boolean }[] }>(
    `INSERT INTO passwords AS p (account_id, hash, scheme, set_at, changed_at) VALUES (?, ?, ?, ?, ?)
     ON CONFLICT (account_id) DO UPDATE SET hash = excluded.hash, scheme = excluded.scheme, changed_at = excluded.changed_at
     RETURNING p.xmax = 0 AS inserted`,
    [accountId, hash, scheme, at, at],
  );
  return rows[0]?.inserted ? 'inserted' : 'updated';
}

/** Notes that a password was used; the new hash takes the place of the old one unless that is gone meanwhile. */
export async function updatePasswordUse(
  tx: Tx,
  use: { accountId: string; at: Date; from: string | null; to: string | null; scheme: string | null },
): Promise<boolean> {
  const { accountId, at, from, to, scheme } = use;
  const { rows } = await tx.raw<{ rows: { replaced: boolean }[] }>(
    `UPDATE passwords SET last_used_at = ?,
       hash = CASE WHEN hash = ?::text THEN ?::text ELSE hash END,
       scheme = CASE WHEN hash = ?::text THEN ?::text ELSE scheme END
     WHERE account_id = ? RETURNING hash = ?::text AS replaced`,
    [at, from, to, from, scheme, accountId, to],
  );
  return rows[0]?.replaced === true;
}

/** Removes a password; says whether there was one. */
export async function deletePassword(tx: Tx, accountId: string): Promise<boolean> {
  return (await tx('passwords').where({ account_id: accountId }).delete()) === 1;
}

/** Removes a passkey; says whether it was there. */
export async function deletePasskey(tx: Tx, accountId: string, id: string): Promise<boolean> {
  return (await tx('passkeys').where({ account_id: accountId, id }).delete()) === 1;
}

/** Suspends those of an account's passkeys for a recovery; gives those that were not. */
export function suspend(
  tx: Tx,
  accountId: string,
  recovery: string,
  ids: readonly string[],
): Promise<readonly { readonly id: string }[]> {
  return tx('passkeys')
    .where({ account_id: accountId })
    .whereNull('suspended_for')
    .whereIn('id', [...ids])
    .update({ suspended_for: recovery })
    .returning<{ id: string }[]>('id');
}

/** Lets what a recovery suspended count again, or takes it away; gives what that was. */
export function endSuspension(
  tx: Tx,
  accountId: string,
  recovery: string,
  how: 'restore' | 'remove',
): Promise<readonly { readonly id: string }[]> {
  const those = tx('passkeys').where({ account_id: accountId, suspended_for: recovery });
  const ended = how === 'remove' ? those.delete() : those.update({ suspended_for: null });
  return ended.returning<{ id: string }[]>('id');
}

/** Whether one of these digests is on the loaded blocklist. */
export async function findBlocked(db: Db, digests: readonly Buffer[]): Promise<boolean> {
  const { rows } = await db.raw<{ rows: unknown[] }>(
    'SELECT 1 FROM blocked_passwords WHERE digest = ANY(?::bytea[]) LIMIT 1',
    [[...digests]],
  );
  return rows.length > 0;
}

/** Adds digests to the loaded blocklist; says how many were new. */
export async function insertBlocked(tx: Tx, digests: readonly Buffer[]): Promise<number> {
  const { rowCount } = await tx.raw<{ rowCount: number }>(
    'INSERT INTO blocked_passwords (digest) SELECT DISTINCT unnest(?::bytea[]) ON CONFLICT DO NOTHING',
    [[...digests]],
  );
  return rowCount;
}

/** What a challenge was made for; an upgrade is a registration without the person's gesture (conditional create). */
export type ChallengePurpose = 'registration' | 'upgrade' | 'authentication';

interface PasskeyRow {
  readonly account_id: string;
  readonly id: string;
  readonly credential_id: string;
  readonly public_key: Buffer;
  readonly sign_count: string;
  readonly transports: string[];
  readonly aaguid: string;
  readonly backup_eligible: boolean;
  readonly backed_up: boolean;
  readonly user_verified: boolean;
  readonly name: string;
  readonly added_at: Date;
  readonly last_used_at: Date | null;
  readonly suspended_for: string | null;
  readonly made_for: string | null;
}

const PASSKEY_COLUMNS = `p.account_id, p.id, p.credential_id, p.public_key, p.sign_count, p.transports, p.aaguid,
  p.backup_eligible, p.backed_up, p.user_verified, p.name, p.added_at, p.last_used_at, p.suspended_for, p.made_for`;

function passkeyOf(row: PasskeyRow): Passkey {
  return {
    accountId: row.account_id,
    ...(row.made_for !== null && { madeFor: row.made_for }),
    id: row.id,
    credentialId: row.credential_id,
    publicKey: row.public_key,
    signCount: Number(row.sign_count),
    transports: row.transports,
    aaguid: row.aaguid,
    backupEligible: row.backup_eligible,
    backedUp: row.backed_up,
    userVerified: row.user_verified,
    name: row.name,
    addedAt: row.added_at,
    lastUsedAt: row.last_used_at,
    suspendedFor: row.suspended_for,
  };
}

/** The passkeys of an account, oldest first. */
export async function listPasskeys(db: Db, accountId: string): Promise<readonly Passkey[]> {
  const { rows } = await db.raw<{ rows: PasskeyRow[] }>(
    `SELECT ${PASSKEY_COLUMNS} FROM passkeys p WHERE p.account_id = ? ORDER BY p.id`,
    [accountId],
  );
  return rows.map(passkeyOf);
}

/**
 * Keeps a passkey and who it belongs to; a credential id that somebody has breaks `passkey_owners__credential_id`. False when
 * the account has `most` of them.
 */
export async function insertPasskey(tx: Tx, passkey: Passkey, most: number): Promise<boolean> {
  const { rowCount } = await tx.raw<{ rowCount: number }>(
    `WITH kept AS (
       INSERT INTO passkeys (account_id, id, credential_id, public_key, sign_count, transports, aaguid,
         backup_eligible, backed_up, user_verified, name, added_at)
       SELECT ?::uuid, ?::uuid, ?, ?::bytea, ?::bigint, ?::text[], ?::uuid, ?::boolean, ?::boolean, ?::boolean, ?, ?::timestamptz
       WHERE (SELECT count(*) FROM passkeys WHERE account_id = ?) < ? RETURNING credential_id, account_id, id
     )
     INSERT INTO passkey_owners (credential_id, account_id, passkey_id) SELECT credential_id, account_id, id FROM kept`,
    [
      passkey.accountId,
      passkey.id,
      passkey.credentialId,
      passkey.publicKey,
      passkey.signCount,
      [...passkey.transports],
      passkey.aaguid,
      passkey.backupEligible,
      passkey.backedUp,
      passkey.userVerified,
      passkey.name,
      passkey.addedAt,
      passkey.accountId,
      most,
    ],
  );
  return rowCount === 1;
}

/** Notes that a passkey was used, unless it is suspended or its counter went on without us; some never count. */
export async function updatePasskeyUse(
  tx: Tx,
  use: { accountId: string; id: string; at: Date; signCount: number; backedUp: boolean },
): Promise<boolean> {
  const { rowCount } = await tx.raw<{ rowCount: number }>(
    `UPDATE passkeys SET sign_count = ?, backed_up = ?, user_verified = true, last_used_at = ?
     WHERE account_id = ? AND id = ? AND suspended_for IS NULL AND (sign_count < ? OR (sign_count = 0 AND ? = 0))`,
    [use.signCount, use.backedUp, use.at, use.accountId, use.id, use.signCount, use.signCount],
  );
  return rowCount === 1;
}

/** Keeps a challenge for ten minutes. */
export async function insertChallenge(
  db: Db,
  challenge: { id: Buffer; purpose: ChallengePurpose; binding: string; accountId: string | null },
): Promise<void> {
  await db.raw(
    `INSERT INTO passkey_challenges (id, purpose, binding, account_id, expires_at)
     VALUES (?, ?, ?, ?, now() + interval '10 minutes')`,
    [challenge.id, challenge.purpose, challenge.binding, challenge.accountId],
  );
}

/** What a challenge leads to: who it was made for, and the passkey that answered, if it is known. */
export interface TakenChallenge {
  readonly purpose: ChallengePurpose;
  readonly subject: string | null;
  readonly passkey: Passkey | undefined;
}

/** Uses a challenge up, once, and finds the passkey that answered it, in one statement. */
export async function takeChallenge(
  db: Db,
  answer: { id: Buffer; purposes: readonly ChallengePurpose[]; binding: string; credentialId: string },
): Promise<TakenChallenge | undefined> {
  const { rows } = await db.raw<{
    rows: ((PasskeyRow | { id: null }) & { purpose: ChallengePurpose; subject: string | null })[];
  }>(
    `WITH taken AS (
       UPDATE passkey_challenges SET used_at = now()
       WHERE id = ? AND purpose = ANY(?::text[]) AND binding = ? AND used_at IS NULL AND expires_at > now()
       RETURNING purpose, account_id
     )
     SELECT taken.purpose, taken.account_id AS subject, ${PASSKEY_COLUMNS} FROM taken
     LEFT JOIN passkey_owners o ON o.credential_id = ?
     LEFT JOIN passkeys p ON p.account_id = o.account_id AND p.id = o.passkey_id`,
    [answer.id, [...answer.purposes], answer.binding, answer.credentialId],
  );
  const row = rows[0];
  return (
    row && {
      purpose: row.purpose,
      subject: row.subject,
      passkey: row.id === null ? undefined : passkeyOf(row),
    }
  );
}

/** Removes up to `limit` challenges whose time is over; says how many. */
export function removeExpiredChallenges(tx: Tx, limit: number): Promise<number> {
  return removeFirst(tx, 'passkey_challenges', { where: 'expires_at < now()', by: 'expires_at' }, limit);
}

/** Removes for good, a batch at a time: every password and passkey of an account. */
export function forgetCredentials(tx: Tx, accountId: string, most: number): Promise<number> {
  return removeRows(tx, ['passkey_challenges', 'passkeys', 'passwords'], accountId, most);
}
