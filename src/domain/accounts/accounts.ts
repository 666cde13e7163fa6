import { v7 as uuidv7 } from 'uuid';
import type { Keyring } from '../../platform/crypto/keyring.js';
import { Refusal } from '../../platform/errors.js';
import type { Db } from '../../platform/storage/db.js';
import { newSubjectKey } from '../../platform/storage/origin.js';
import type { Work } from '../../platform/storage/work.js';
import {
  type Account,
  type AccountState,
  nextSecond,
  normaliseEmail,
  type Restriction,
  type SaleChoice,
} from './account.js';
import {
  deleteAccount,
  deleteRole,
  deleteSubjectKey,
  findByIdentifier,
  insertAccount,
  insertIdentifier,
  insertRole,
  insertSubjectKey,
  removeIdentifier,
  replaceSaleChoice,
  type SaleChoiceMade,
  lockAccount as takeLock,
  turnState,
  updateLanguage,
  updateLeaving,
  updateProofsFrom,
  updateRestriction,
  updateSaleChoice,
  updateSecondStep,
  updateSignedOut,
  updateState,
} from './store.js';

export type { Account, AccountState, Restriction, SaleChoice } from './account.js';
export {
  authenticatedFrom,
  isHeldBack,
  mayChange,
  mayLeave,
  mustHaveSecondFactor,
  normaliseEmail,
  ROLE_NAME,
} from './account.js';
export {
  countDormant,
  type DormancyCounts,
  type DormancyPolicy,
  type DormancyStep,
  dormancyStep,
  endNotices,
  type LookedAt,
  listAccountIds,
  listArchivedBefore,
  noteLooks,
  takeDue,
} from './dormancy.js';
export { exportAccount, personalOpener } from './exported.js';
export {
  INSPECTION_PURPOSES,
  type Inspection,
  type InspectionPurpose,
  noteInspection,
} from './inspections.js';
export {
  beginObjections,
  countTold,
  endObjectionsTo,
  type FoundObjection,
  findObjection,
  OBJECTION_DAYS,
  sweepObjections,
  useObjection,
  wasToldSince,
} from './objections.js';
export {
  type AccountRow,
  countAccounts,
  findAccount,
  findByIdentifier,
  findSaleChoice,
  forgetIdentifiers,
  presentAccount,
  type SaleChoiceMade,
  touchAccount,
} from './store.js';

/** The facts this room records. */
export const ACCOUNT_FACTS = [
  'account.opened',
  'account.suspended',
  'account.reactivated',
  'account.closed',
  'account.removed',
  'account.frozen',
  'account.archived',
  'dormancy.noticed',
  'dormancy.stopped',
  'account.recovered',
  'account.language_changed',
  'account.inspected',
  'sale.opted_out',
  'sale.opted_in',
  'second_step.begun',
  'second_step.ended',
  'objection.begun',
  'objection.used',
  'role.given',
  'role.taken',
  'subject_key.destroyed',
] as const;

const FACT_OF: Readonly<Record<AccountState, (typeof ACCOUNT_FACTS)[number]>> = {
  active: 'account.reactivated',
  suspended: 'account.suspended',
  frozen: 'account.frozen',
  archived: 'account.archived',
  closed: 'account.closed',
};

/** A new account's id, known before the account exists: a passkey is bound to it while signing up. */
export function newAccountId(): string {
  return uuidv7();
}

/** Opens an account that is found by `email` (normalised and proved); refuses a taken address (`identifier_taken`). */
export async function openAccount(
  work: Work,
  keyring: Keyring,
  { id, email, language }: { readonly id: string; readonly email: string; readonly language: string },
): Promise<Account> {
  const account: Account = {
    id,
    state: 'active',
    language,
    openedAt: work.at,
    proofsFrom: undefined,
    dormancyNotices: 0,
    secondStep: false,
    roles: [],
    saleChoice: undefined,
  };
  await insertAccount(work.tx, account, 'email', email);
  await insertSubjectKey(work.tx, id, newSubjectKey(keyring, id));
  work.record({ type: 'account.opened', accountId: id });
  return account;
}

/** The account as it stays until the work is over: whoever else changes what belongs to it waits. */
export function lockAccount(work: Work, id: string): Promise<Account | undefined> {
  return takeLock(work.tx, id);
}

/** Lets an account be found by a proved identifier as well; false when it is another account's. */
export function claimIdentifier(
  work: Work,
  accountId: string,
  kind: 'email',
  value: string,
): Promise<boolean> {
  return insertIdentifier(work.tx, { kind, value, accountId, at: work.at });
}

/** Lets an account be found by an identifier no more; it is anybody's who proves it. */
export function releaseIdentifier(
  work: Work,
  accountId: string,
  kind: 'email',
  value: string,
): Promise<void> {
  return removeIdentifier(work.tx, { kind, value, accountId });
}

/** Suspends, closes or reactivates an account; from the commit on every step of every flow asks for it. */
export async function setAccountState(work: Work, id: string, state: AccountState): Promise<boolean> {
  const changed = await updateState(work.tx, id, state, work.at);
  if (changed) work.record({ type: FACT_OF[state], accountId: id });
  return changed;
}

/** Sets the language that somebody is written to in; says whether that changed anything. */
export async function setLanguage(work: Work, id: string, language: string): Promise<boolean> {
  const changed = await updateLanguage(work.tx, id, language, work.at);
  if (changed) work.record({ type: 'account.language_changed', accountId: id, detail: { language } });
  return changed;
}

/**
 * Lets nothing count any more that was proved before this work: a sign-in that has not gone on, a browser that was known.
 * Whoever ends the sessions of an account for its safety calls it; a changed password does.
 */
export function outdateProofs(work: Work, accountId: string): Promise<void> {
  return updateProofsFrom(work.tx, accountId, work.at);
}

/** Whether an account asks for a second step from now on; whoever keeps its factors says so, in the same work. Says whether that is new. */
export async function setSecondStep(work: Work, accountId: string, asks: boolean): Promise<boolean> {
  const changed = await updateSecondStep(work.tx, accountId, asks);
  if (changed) work.record({ type: asks ? 'second_step.begun' : 'second_step.ended', accountId });
  return changed;
}

/** Lets somebody do what a role stands for; false when they may already. */
export async function giveRole(work: Work, accountId: string, role: string): Promise<boolean> {
  const given = await insertRole(work.tx, accountId, role, work.at);
  if (given) work.record({ type: 'role.given', accountId, detail: { role } });
  return given;
}

/** Takes a role from somebody; false when they did not have it. */
export async function takeRole(work: Work, accountId: string, role: string): Promise<boolean> {
  const taken = await deleteRole(work.tx, accountId, role, work.at);
  if (taken) work.record({ type: 'role.taken', accountId, detail: { role } });
  return taken;
}

/**
 * Signs everybody out of an account that may go on: whoever authenticated before now, also where that is still on its way.
 * Ending the sessions themselves is the protocol's.
 */
export function signOutEverywhere(work: Work, id: string): Promise<void> {
  return updateSignedOut(work.tx, id, nextSecond(work.at), work.at);
}

/**
 * Its owner said "this wasn't me": from the commit on nobody is signed in to the account, and nobody signs in, until it is
 * recovered. An account that may not act anyway stays as it is.
 */
export async function freezeAccount(work: Work, id: string): Promise<boolean> {
  const { tx, at } = work;
  const was = await turnState(tx, { id, from: ['active'], to: 'frozen', before: nextSecond(at), at });
  if (was) work.record({ type: 'account.frozen', accountId: id });
  return was !== undefined;
}

/**
 * Its owner proved anew that it is theirs: a frozen or archived account may act again, and whoever authenticated before the given
 * instant is signed out. Undefined when the account may not be recovered.
 */
export async function recoverAccount(work: Work, id: string): Promise<Date | undefined> {
  const { tx, at } = work;
  const before = nextSecond(at);
  const was = await turnState(tx, { id, from: ['active', 'frozen', 'archived'], to: 'active', before, at });
  if (!was) return undefined;
  work.record({ type: 'account.recovered', accountId: id, detail: { was } });
  return before;
}

/** Puts away an account that nobody used for long: kept whole, and brought back by its owner; nothing is deleted. */
export async function archiveAccount(work: Work, id: string): Promise<boolean> {
  const { tx, at } = work;
  const was = await turnState(tx, { id, from: ['active'], to: 'archived', before: nextSecond(at), at });
  if (was) work.record({ type: 'account.archived', accountId: id });
  return was !== undefined;
}

/** Makes what is personal in the events of an account unreadable for good; the events themselves stay. */
export async function destroySubjectKey(work: Work, id: string): Promise<boolean> {
  const destroyed = await deleteSubjectKey(work.tx, id);
  if (destroyed) work.record({ type: 'subject_key.destroyed', accountId: id });
  return destroyed;
}

/**
 * Lets an account do nothing any more, and signs everybody out of it: it is on its way out. One that an operator suspended stays
 * as it is, since there is a reason for that. Says whether it is closed now.
 */
export async function closeAccount(work: Work, id: string): Promise<boolean> {
  const { tx, at } = work;
  const from = ['active', 'archived', 'frozen'] as const;
  const was = await turnState(tx, { id, from, to: 'closed', before: nextSecond(at), at });
  if (was) work.record({ type: 'account.closed', accountId: id });
  return was !== undefined;
}

/**
 * An account that became part of another one is itself again: it may act, or is frozen until its owner recovers it; nobody is signed
 * in to it. One that an operator put into another state meanwhile stays in that.
 */
export async function reopenAccount(work: Work, id: string, to: 'active' | 'frozen'): Promise<boolean> {
  const { tx, at } = work;
  const was = await turnState(tx, { id, from: ['closed'], to, before: nextSecond(at), at });
  if (was) work.record({ type: FACT_OF[to], accountId: id });
  return was !== undefined;
}

/** An account goes for good at that time; or stays, where there is none. Whoever keeps its deletion says so, in the same work. */
export function planLeaving(work: Work, id: string, at: Date | undefined): Promise<void> {
  return updateLeaving(work.tx, id, at ?? null);
}

/** Destroys the key of a closed account and removes the account; what happened stays on record, under a number that is nobody's. */
export async function removeAccount(work: Work, id: string): Promise<boolean> {
  await destroySubjectKey(work, id);
  const removed = await deleteAccount(work.tx, id);
  if (removed) work.record({ type: 'account.removed', accountId: id });
  return removed;
}

/** The account that an e-mail address leads to, however it was typed; refuses one that is nobody's. For operators alone. */
export async function accountByEmail(db: Db, typed: string): Promise<Account> {
  const email = normaliseEmail(typed);
  const account = email === undefined ? undefined : await findByIdentifier(db, 'email', email);
  if (!account) throw new Refusal('missing', 'account_unknown', `Nobody has the address ${typed}.`);
  return account;
}

const FACT_OF_SALE = { opted_out: 'sale.opted_out', opted_in: 'sale.opted_in' } as const;

/**
 * Puts down that data about somebody must not be sold or shared for advertising, or that it may; false when that stood
 * already. A signal of their browser never takes back what they said themselves.
 */
export async function chooseSale(
  work: Work,
  accountId: string,
  choice: SaleChoice,
  by: 'signal' | 'person',
): Promise<boolean> {
  const changed = await updateSaleChoice(work.tx, accountId, { choice, by, at: work.at });
  if (changed) work.record({ type: FACT_OF_SALE[choice], accountId, detail: { by } });
  return changed;
}

/** Puts back what an account's owner had said about selling, or that they had said nothing. */
export async function restoreSaleChoice(
  work: Work,
  accountId: string,
  { now, before }: { readonly now: SaleChoice; readonly before: SaleChoiceMade | undefined },
): Promise<void> {
  const restored = await replaceSaleChoice(work.tx, accountId, now, before);
  if (restored)
    work.record({ type: FACT_OF_SALE[before?.choice ?? 'opted_in'], accountId, detail: { by: 'undoing' } });
}

/** From the commit on, what is named here is kept and not used; whoever asked for it puts that on record. */
export function restrictAccount(work: Work, id: string, restriction: Restriction | undefined): Promise<void> {
  return updateRestriction(work.tx, id, restriction, work.at);
}
