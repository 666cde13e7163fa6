import type { Db, Tx } from '../../platform/storage/db.js';
import { learnSubjectKey } from '../../platform/storage/origin.js';
import { removeRows } from '../../platform/storage/removing.js';
import type { Account, AccountState, Restriction, SaleChoice } from './account.js';
import { identifierTaken } from './account.js';

/** A row of the view `identified_accounts`, or of the same columns. */
export interface AccountRow {
  readonly id: string;
  readonly state: AccountState;
  readonly language: string;
  readonly opened_at: Date;
  readonly proofs_from: Date | null;
  readonly signed_out_before: Date | null;
  readonly dormancy_notices: number;
  readonly subject_key: Buffer | null;
  readonly second_step: boolean;
  readonly roles: readonly string[];
  readonly sale_choice: SaleChoice | null;
  readonly restriction?: Restriction | null;
  readonly leaving_at: Date | null;
}

const COLUMNS = [
  'accounts.id',
  'accounts.state',
  'accounts.language',
  'accounts.opened_at',
  'accounts.proofs_from',
  'accounts.signed_out_before',
  'accounts.dormancy_notices',
  'subject_keys.sealed as subject_key',
  'accounts.second_step',
  'accounts.roles',
  'accounts.sale_choice',
  'accounts.restriction',
  'accounts.leaving_at',
] as const;

/** The account of a row; its key is known from then on. */
export function presentAccount(row: AccountRow): Account {
  learnSubjectKey(row.id, row.subject_key);
  return {
    id: row.id,
    state: row.state,
    language: row.language,
    openedAt: row.opened_at,
    proofsFrom: row.proofs_from ?? undefined,
    signedOutBefore: row.signed_out_before ?? undefined,
    dormancyNotices: row.dormancy_notices,
    secondStep: row.second_step,
    roles: row.roles,
    saleChoice: row.sale_choice ?? undefined,
    restriction: row.restriction ?? undefined,
    leavingAt: row.leaving_at ?? undefined,
  };
}

const withKeys = (db: Db) =>
  db('accounts')
    .leftJoin('subject_keys', 'subject_keys.account_id', 'accounts.id')
    .select<AccountRow[]>(COLUMNS);

/** The account of an id. */
export async function findAccount(db: Db, id: string): Promise<Account | undefined> {
  const row = await withKeys(db).where({ 'accounts.id': id }).first();
  return row && presentAccount(row as AccountRow);
}

/** The account that an identifier leads to. */
export async function findByIdentifier(db: Db, kind: 'email', value: string): Promise<Account | undefined> {
  const row = await withKeys(db)
    .join('identifiers', 'identifiers.account_id', 'accounts.id')
    .where({ 'identifiers.kind': kind, 'identifiers.value': value })
    .first();
  return row && presentAccount(row as AccountRow);
}

/** The account of an id, which nobody else changes or locks until the transaction is over. */
export async function lockAccount(tx: Tx, id: string): Promise<Account | undefined> {
  const row = await withKeys(tx).where({ 'accounts.id': id }).forNoKeyUpdate('accounts').first();
  return row && presentAccount(row as AccountRow);
}

/** Lets an identifier lead to an account; false when it leads to another one, also one that was as quick. */
export async function insertIdentifier(
  tx: Tx,
  identifier: {
    readonly kind: 'email';
    readonly value: string;
    readonly accountId: string;
    readonly at: Date;
  },
): Promise<boolean> {
  const { rows } = await tx.raw<{ rows: object[] }>(
    `INSERT INTO identifiers AS held (kind, value, account_id, added_at) VALUES (:kind, :value, :accountId, :at)
     ON CONFLICT (kind, value) DO UPDATE SET added_at = held.added_at WHERE held.account_id = excluded.account_id
     RETURNING 1 AS held`,
    identifier,
  );
  return rows.length === 1;
}

/** Lets an identifier lead to an account no more. */
export async function removeIdentifier(
  tx: Tx,
  { kind, value, accountId }: { readonly kind: 'email'; readonly value: string; readonly accountId: string },
): Promise<void> {
  await tx('identifiers').where({ kind, value, account_id: accountId }).delete();
}

/** Keeps the key of an account for what is personal about it. */
export async function insertSubjectKey(tx: Tx, accountId: string, sealed: Buffer): Promise<void> {
  await tx('subject_keys').insert({ account_id: accountId, sealed });
  learnSubjectKey(accountId, sealed);
}

/** Destroys the key of an account; says whether there was one. */
export async function deleteSubjectKey(tx: Tx, accountId: string): Promise<boolean> {
  learnSubjectKey(accountId, null);
  return (await tx('subject_keys').where({ account_id: accountId }).delete()) === 1;
}

/* A request opens its account under one id: where that is there already, the request came twice, or its answer was lost. */
const TAKEN: ReadonlySet<string | undefined> = new Set(['identifiers__value', 'accounts_pkey']);

/** Adds an account and its first identifier; refuses an identifier that is taken, and an account that was opened before. */
export async function insertAccount(tx: Tx, account: Account, kind: 'email', value: string): Promise<void> {
  try {
    await tx('accounts').insert({
      id: account.id,
      state: account.state,
      language: account.language,
      opened_at: account.openedAt,
      updated_at: account.openedAt,
    });
    await tx('identifiers').insert({ kind, value, account_id: account.id, added_at: account.openedAt });
  } catch (error) {
    if (TAKEN.has((error as { constraint?: string }).constraint)) throw identifierTaken(error);
    throw error;
  }
}

/** Puts an account into a state; says whether that changed anything. */
export async function updateState(tx: Tx, id: string, state: AccountState, at: Date): Promise<boolean> {
  const changed = await tx('accounts').where({ id }).whereNot({ state }).update({ state, updated_at: at });
  return changed === 1;
}

/** Sets the language of an account; says whether that changed anything. */
export async function updateLanguage(tx: Tx, id: string, language: string, at: Date): Promise<boolean> {
  const account = tx('accounts').where({ id }).whereNot({ language });
  return (await account.update({ language, updated_at: at })) === 1;
}

/** Lets nothing count that was proved before `at`. */
export async function updateProofsFrom(tx: Tx, id: string, at: Date): Promise<void> {
  await tx('accounts').where({ id }).update({ proofs_from: at });
}

/** Signs everybody out who authenticated before `before`, and lets nothing count that was proved before `at`. */
export async function updateSignedOut(tx: Tx, id: string, before: Date, at: Date): Promise<void> {
  await tx('accounts').where({ id }).update({ proofs_from: at, signed_out_before: before, updated_at: at });
}

/** Lets an account ask for a second step, or not any more; says whether that changed anything. */
export async function updateSecondStep(tx: Tx, id: string, asks: boolean): Promise<boolean> {
  return (await tx('accounts').where({ id, second_step: !asks }).update({ second_step: asks })) === 1;
}

/** Gives an account a role; false when it has it, or there is no such account. */
export async function insertRole(tx: Tx, id: string, role: string, at: Date): Promise<boolean> {
  const { rowCount } = await tx.raw<{ rowCount: number }>(
    `UPDATE accounts SET roles = (SELECT array_agg(r ORDER BY r) FROM unnest(roles || CAST(:role AS text)) r), updated_at = :at
     WHERE id = :id AND NOT (:role = ANY (roles))`,
    { id, role, at },
  );
  return rowCount === 1;
}

/** Takes a role from an account; false when it did not have it. */
export async function deleteRole(tx: Tx, id: string, role: string, at: Date): Promise<boolean> {
  const { rowCount } = await tx.raw<{ rowCount: number }>(
    'UPDATE accounts SET roles = array_remove(roles, :role), updated_at = :at WHERE id = :id AND :role = ANY (roles)',
    { id, role, at },
  );
  return rowCount === 1;
}

/**
 * Puts an account that is in one of `from` into `to`, lets nothing count that was proved before `at`, and signs everybody
 * out who authenticated before `before`;
 * gives the state it was in. The row stays locked, so that freezing and recovering wait for each other.
 */
export async function turnState(
  tx: Tx,
  turn: { id: string; from: readonly AccountState[]; to: AccountState; before: Date; at: Date },
): Promise<AccountState | undefined> {
  const { rows } = await tx.raw<{ rows: { was: AccountState }[] }>(
    `UPDATE accounts a SET state = :to, proofs_from = :at, signed_out_before = :before, updated_at = :at,
       dormancy_notices = 0, look_at = :at
     FROM (SELECT id, state AS was FROM accounts WHERE id = :id FOR UPDATE) old
     WHERE a.id = old.id AND old.was = ANY (:from) RETURNING old.was`,
    { ...turn, from: [...turn.from] },
  );
  return rows[0]?.was;
}

/** Who said what about selling, and since when. */
export interface SaleChoiceMade {
  readonly choice: SaleChoice;
  readonly by: 'signal' | 'person';
  readonly at: Date;
}

/** What an account's owner said about selling; undefined when nothing. */
export async function findSaleChoice(db: Db, id: string): Promise<SaleChoiceMade | undefined> {
  return db('accounts').where({ id }).whereNotNull('sale_choice').first<SaleChoiceMade | undefined>({
    choice: 'sale_choice',
    by: 'sale_chosen_by',
    at: 'sale_chosen_at',
  });
}

/** Puts down what was said about selling; a signal says it only where nobody has said anything. False when it was so already. */
export async function updateSaleChoice(
  tx: Tx,
  id: string,
  { choice, by, at }: SaleChoiceMade,
): Promise<boolean> {
  const query = tx('accounts').where({ id });
  if (by === 'signal') query.whereNull('sale_choice');
  else query.whereRaw('sale_choice IS DISTINCT FROM ?', [choice]);
  const made = { sale_choice: choice, sale_chosen_by: by, sale_chosen_at: at, updated_at: at };
  return (await query.update(made)) === 1;
}

/** Puts down again what was said about selling before, where it is what it was made since; false when it is another by now. */
export async function replaceSaleChoice(
  tx: Tx,
  id: string,
  now: SaleChoice,
  before: SaleChoiceMade | undefined,
): Promise<boolean> {
  const { choice = null, by = null, at = null } = before ?? {};
  const made = { sale_choice: choice, sale_chosen_by: by, sale_chosen_at: at };
  return (await tx('accounts').where({ id, sale_choice: now }).update(made)) === 1;
}

/** What apps are told about an account changed at this moment. */
export async function touchAccount(tx: Tx, id: string, at: Date): Promise<void> {
  await tx('accounts').where({ id }).update({ updated_at: at });
}

/**
 * Removes for good, a batch at a time: what leads to an account, and the links that were mailed about it. The address is
 * anybody's who proves it.
 */
export function forgetIdentifiers(tx: Tx, accountId: string, most: number): Promise<number> {
  return removeRows(tx, ['objections', 'identifiers'], accountId, most);
}

/** Removes the account itself; false when there is none. Whatever of it a room has forgotten to forget refuses it, or goes along. */
export async function deleteAccount(tx: Tx, id: string): Promise<boolean> {
  return (await tx('accounts').where({ id }).delete()) === 1;
}

/** Sets what of an account must not be used. */
export async function updateRestriction(
  tx: Tx,
  id: string,
  restriction: Restriction | undefined,
  at: Date,
): Promise<void> {
  const restricted = restriction ? JSON.stringify(restriction) : null;
  await tx('accounts').where({ id }).update({ restriction: restricted, updated_at: at });
}

/** Notes when an account goes for good, or that it stays. */
export async function updateLeaving(tx: Tx, id: string, leavingAt: Date | null): Promise<void> {
  /* One that was put away begins to rest anew where it stays. */
  await tx.raw(
    `UPDATE accounts SET leaving_at = :leavingAt,
       look_at = CASE WHEN state = 'archived' AND CAST(:leavingAt AS timestamptz) IS NULL THEN now() ELSE look_at END
     WHERE id = :id`,
    { id, leavingAt },
  );
}

/** How many accounts there are, and how many of them were opened since a moment; reads all there is, so for reports alone. */
export async function countAccounts(
  tx: Tx,
  since: Date,
): Promise<{ readonly all: number; readonly opened: number }> {
  const { rows } = await tx.raw<{ rows: { all: number; opened: number }[] }>(
    'SELECT count(*)::int AS all, (count(*) FILTER (WHERE opened_at >= ?))::int AS opened FROM accounts',
    [since],
  );
  return rows[0] ?? { all: 0, opened: 0 };
}
