import { v7 as uuidv7 } from 'uuid';
import type { Keyring } from '../../platform/crypto/keyring.js';
import type { Db, Tx } from '../../platform/storage/db.js';
import type { Work } from '../../platform/storage/work.js';
import { lockAccount } from '../accounts/accounts.js';
import type { Right } from './right.js';
import { openWords, sealWords } from './store.js';

/** Whom somebody lets ask in their place, for what, and until when. */
export interface Mandate {
  readonly id: string;
  readonly accountId: string;
  /** What the person calls them. */
  readonly agent: string;
  readonly rights: readonly Right[];
  readonly givenAt: Date;
  readonly expiresAt: Date;
  readonly revokedAt: Date | undefined;
  readonly lastUsedAt: Date | undefined;
}

/** Why something that claims to be a mandate lets nobody ask. */
export type MandateFault =
  | 'unreadable'
  | 'altered'
  | 'unknown'
  | 'revoked'
  | 'expired'
  | 'other_person'
  | 'not_covered';

interface MandateRow {
  readonly account_id: string;
  readonly id: string;
  readonly agent: Buffer;
  readonly rights: readonly Right[];
  readonly given_at: Date;
  readonly expires_at: Date;
  readonly revoked_at: Date | null;
  readonly last_used_at: Date | null;
}

const COLUMNS = [
  'account_id',
  'id',
  'agent',
  'rights',
  'given_at',
  'expires_at',
  'revoked_at',
  'last_used_at',
] as const;

/** So many may stand at a time. */
const MOST_LIVE = 10;

function present(keyring: Keyring, row: MandateRow): Mandate {
  return {
    id: row.id,
    accountId: row.account_id,
    agent: openWords(keyring, row.id, row.agent) ?? '',
    rights: row.rights,
    givenAt: row.given_at,
    expiresAt: row.expires_at,
    revokedAt: row.revoked_at ?? undefined,
    lastUsedAt: row.last_used_at ?? undefined,
  };
}

/** Lets somebody ask in a person's place; undefined where so many may already. */
export async function giveMandate(
  work: Work,
  keyring: Keyring,
  { accountId, agent, rights, expiresAt }: Pick<Mandate, 'accountId' | 'agent' | 'rights' | 'expiresAt'>,
): Promise<Mandate | undefined> {
  await lockAccount(work, accountId);
  const { rows } = await work.tx.raw<{ rows: { live: number }[] }>(
    `SELECT count(*)::int AS live FROM rights_mandates
     WHERE account_id = ? AND revoked_at IS NULL AND expires_at > ?`,
    [accountId, work.at],
  );
  if ((rows[0]?.live ?? 0) >= MOST_LIVE) return undefined;
  const id = uuidv7();
  await work.tx('rights_mandates').insert({
    account_id: accountId,
    id,
    agent: sealWords(keyring, id, agent),
    rights: [...rights],
    given_at: work.at,
    expires_at: expiresAt,
  });
  work.record({ type: 'mandate.given', accountId, detail: { mandate: id, rights } });
  return {
    id,
    accountId,
    agent,
    rights,
    givenAt: work.at,
    expiresAt,
    revokedAt: undefined,
    lastUsedAt: undefined,
  };
}

/** Whom somebody lets ask, or let, newest first. */
export async function listMandates(db: Db, keyring: Keyring, accountId: string): Promise<readonly Mandate[]> {
  const rows = await db('rights_mandates')
    .select<MandateRow[]>(...COLUMNS)
    .where({ account_id: accountId })
    .orderBy('id', 'desc')
    .limit(50);
  return rows.map(row => present(keyring, row));
}

/** Lets an agent ask no more; false when they may not anyway. */
export async function revokeMandate(work: Work, accountId: string, id: string): Promise<boolean> {
  const revoked = await work
    .tx('rights_mandates')
    .where({ account_id: accountId, id })
    .whereNull('revoked_at')
    .where('expires_at', '>', work.at)
    .update({ revoked_at: work.at });
  if (revoked === 1) work.record({ type: 'mandate.revoked', accountId, detail: { mandate: id } });
  return revoked === 1;
}

/** The mandate of this number, whoever gave it; its signature says that it is one. */
export async function findMandate(db: Db | Tx, keyring: Keyring, id: string): Promise<Mandate | undefined> {
  const row = await db('rights_mandates')
    .select<MandateRow[]>(...COLUMNS)
    .where({ id })
    .first();
  return row && present(keyring, row as MandateRow);
}

/** Uses a mandate that stands at this moment; false when it was taken back or is over. */
export async function useMandate(
  work: Work,
  { accountId, id }: Pick<Mandate, 'accountId' | 'id'>,
): Promise<boolean> {
  const used = await work
    .tx('rights_mandates')
    .where({ account_id: accountId, id })
    .whereNull('revoked_at')
    .where('expires_at', '>', work.at)
    .update({ last_used_at: work.at });
  if (used === 1) work.record({ type: 'mandate.used', accountId, detail: { mandate: id } });
  return used === 1;
}

/** Puts on record that what claimed to be a mandate was not taken. */
export function refuseMandate(
  work: Work,
  why: MandateFault,
  mandate?: Pick<Mandate, 'accountId' | 'id'>,
): void {
  work.record({
    type: 'mandate.refused',
    ...(mandate && { accountId: mandate.accountId }),
    detail: { why, mandate: mandate?.id ?? null },
  });
}
