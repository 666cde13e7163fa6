import type { Db, Tx } from '../../platform/storage/db.js';
import type { Account, AccountState } from './account.js';
import { identifierTaken } from './account.js';

interface AccountRow {
  readonly id: string;
  readonly state: AccountState;
  readonly language: string;
  readonly opened_at: Date;
  readonly proofs_from: Date | null;
}

const COLUMNS = [
  'accounts.id',
  'accounts.state',
  'accounts.language',
  'accounts.opened_at',
  'accounts.proofs_from',
] as const;

const present = (row: AccountRow): Account => ({
  id: row.id,
  state: row.state,
  language: row.language,
  openedAt: row.opened_at,
  proofsFrom: row.proofs_from ?? undefined,
});

/** The account of an id. */
export async function findAccount(db: Db, id: string): Promise<Account | undefined> {
  const row = await db('accounts').select<AccountRow[]>(COLUMNS).where({ id }).first();
  return row && present(row as AccountRow);
}

/** The account that an identifier leads to. */
export async function findByIdentifier(db: Db, kind: 'email', value: string): Promise<Account | undefined> {
  const row = await db('identifiers')
    .join('accounts', 'accounts.id', 'identifiers.account_id')
    .select<AccountRow[]>(COLUMNS)
    .where({ 'identifiers.kind': kind, 'identifiers.value': value })
    .first();
  return row && present(row as AccountRow);
}

/** Adds an account and its first identifier; refuses an identifier that is taken. */
export async function insertAccount(tx: Tx, account: Account, kind: 'email', value: string): Promise<void> {
  await tx('accounts').insert({
    id: account.id,
    state: account.state,
    language: account.language,
    opened_at: account.openedAt,
    updated_at: account.openedAt,
  });
  try {
    await tx('identifiers').insert({ kind, value, account_id: account.id, added_at: account.openedAt });
  } catch (error) {
    if ((error as { constraint?: string }).constraint === 'identifiers__value') throw identifierTaken(error);
    throw error;
  }
}

/** Puts an account into a state; says whether that changed anything. */
export async function updateState(tx: Tx, id: string, state: AccountState, at: Date): Promise<boolean> {
  const changed = await tx('accounts').where({ id }).whereNot({ state }).update({ state, updated_at: at });
  return changed === 1;
}

/** Lets nothing count that was proved before `at`. */
export async function updateProofsFrom(tx: Tx, id: string, at: Date): Promise<void> {
  await tx('accounts').where({ id }).update({ proofs_from: at });
}
