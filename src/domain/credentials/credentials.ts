import { Refusal } from '../../platform/errors.js';
import type { JobDefinition } from '../../platform/jobs/jobs.js';
import type { Db } from '../../platform/storage/db.js';
import { openWork, type Work } from '../../platform/storage/work.js';
import { lockAccount, outdateProofs } from '../accounts/accounts.js';
import type { CheckedAuthentication, CheckedRegistration } from './ceremonies.js';
import type { Passkey, PasskeyRefused } from './passkey.js';
import { schemeOf } from './password-hash.js';
import {
  deletePasskey,
  deletePassword,
  endSuspension,
  findPasskey,
  findWaysIn,
  insertPasskey,
  removeExpiredChallenges,
  suspend,
  updatePasskeyName,
  updatePasskeyUse,
  updatePasswordUse,
  upsertPassword,
} from './store.js';

export {
  checkPassword,
  loadBlocklist,
  type PasswordRules,
  type PasswordsCommand,
  type PasswordVerdict,
  runPasswords,
} from './blocklist.js';
export {
  beginAuthentication,
  beginRegistration,
  type CheckedAuthentication,
  type CheckedRegistration,
  checkAuthentication,
  checkRegistration,
  type PasskeyAnswer,
  passkeyUserId,
  type RegistrationRequest,
} from './ceremonies.js';
export { exportCredentials } from './exported.js';
export { giveBackPasskeys, type KeptPasskey, takeOverPasskeys } from './merging.js';
export {
  namedPasskey,
  type Passkey,
  type PasskeyRefused,
  passkeyName,
  type RelyingParty,
  relyingPartyOf,
} from './passkey.js';
export { isPasswordTooLong, PASSWORD_MAXIMUM, PASSWORD_MINIMUM, type PasswordReason } from './password.js';
export { openPasswordHasher, type PasswordHasher, type PasswordHasherOptions } from './password-hash.js';
export {
  claimedBy,
  claimedOf,
  findPasskey,
  findPassword,
  findWaysIn,
  forgetCredentials,
  listPasskeys,
  listWaysIn,
  type StoredPassword,
} from './store.js';

/** Every fact that this room leaves. */
export const CREDENTIAL_FACTS = [
  'password.set',
  'password.changed',
  'password.rehashed',
  'password.removed',
  'passkey.added',
  'passkey.used',
  'passkey.refused',
  'passkey.removed',
  'passkey.renamed',
  'passkey.suspended',
  'passkey.restored',
  'blocklist.loaded',
] as const;

const SWEEP_BATCH = 10_000;

/** Gives an account a password (checked and hashed before the work was opened), or another one. */
export async function setPassword(work: Work, accountId: string, hash: string): Promise<'set' | 'changed'> {
  const kept = await upsertPassword(work.tx, { accountId, hash, scheme: schemeOf(hash), at: work.at });
  if (kept === 'updated') await outdateProofs(work, accountId);
  work.record({ type: kept === 'inserted' ? 'password.set' : 'password.changed', accountId });
  return kept === 'inserted' ? 'set' : 'changed';
}

/** Takes an account's password away, if it has one. */
export async function removePassword(work: Work, accountId: string): Promise<void> {
  if (await deletePassword(work.tx, accountId)) work.record({ type: 'password.removed', accountId });
}

/** Takes a passkey away, if it is there. */
export async function removePasskey(work: Work, accountId: string, passkeyId: string): Promise<void> {
  if (await deletePasskey(work.tx, accountId, passkeyId)) {
    work.record({ type: 'passkey.removed', accountId, detail: { passkeyId } });
  }
}

/** Whether a way in was taken away; the last one of an account stays. */
export type Dropped = 'dropped' | 'missing' | 'last';

/**
 * Its owner wants to sign in by password no more: taken away, unless nothing else would let them in. `others` are ways in that this
 * room does not keep, counted under the account's lock.
 */
export async function dropPassword(work: Work, accountId: string, others = 0): Promise<Dropped> {
  await lockAccount(work, accountId);
  const ways = await findWaysIn(work.tx, accountId);
  if (!ways.password) return 'missing';
  if (ways.passkeys + others === 0) return 'last';
  await removePassword(work, accountId);
  await outdateProofs(work, accountId);
  return 'dropped';
}

/** Its owner wants a passkey no more: taken away, unless nothing else would let them in. */
export async function dropPasskey(
  work: Work,
  accountId: string,
  passkeyId: string,
  others = 0,
): Promise<Dropped> {
  /* Whoever takes away the other one at this moment waits here, and is then the last. */
  await lockAccount(work, accountId);
  const ways = await findWaysIn(work.tx, accountId);
  const passkey = await findPasskey(work.tx, accountId, passkeyId);
  /* A suspended one may come back to its owner: whoever is signed in meanwhile cannot take it away. */
  if (!passkey || passkey.suspendedFor !== null) return 'missing';
  if (!ways.password && ways.passkeys + others < 2) return 'last';
  if (!(await deletePasskey(work.tx, accountId, passkeyId))) return 'missing';
  work.record({ type: 'passkey.removed', accountId, detail: { passkeyId } });
  await outdateProofs(work, accountId);
  return 'dropped';
}

/** Lets these passkeys of an account sign nobody in for as long as a recovery says. */
export async function suspendPasskeys(
  work: Work,
  accountId: string,
  recovery: string,
  ids: readonly string[],
): Promise<void> {
  for (const { id } of await suspend(work.tx, accountId, recovery, ids))
    work.record({ type: 'passkey.suspended', accountId, detail: { passkeyId: id } });
}

/** Lets the passkeys that a recovery suspended sign their owner in again. */
export async function restorePasskeys(work: Work, accountId: string, recovery: string): Promise<void> {
  for (const { id } of await endSuspension(work.tx, accountId, recovery, 'restore'))
    work.record({ type: 'passkey.restored', accountId, detail: { passkeyId: id } });
}

/** Takes the passkeys that a recovery suspended away for good. */
export async function removeSuspendedPasskeys(
  work: Work,
  accountId: string,
  recovery: string,
): Promise<void> {
  for (const { id } of await endSuspension(work.tx, accountId, recovery, 'remove'))
    work.record({ type: 'passkey.removed', accountId, detail: { passkeyId: id } });
}

/** Gives a passkey the name that its owner knows it by; false when it is not there. */
export async function renamePasskey(
  work: Work,
  accountId: string,
  passkeyId: string,
  name: string,
): Promise<boolean> {
  const renamed = await updatePasskeyName(work.tx, accountId, passkeyId, name);
  if (renamed) work.record({ type: 'passkey.renamed', accountId, detail: { passkeyId } });
  return renamed;
}

/** Notes that a password was used, and replaces its stale hash unless the password was changed meanwhile. */
export async function notePasswordUse(
  work: Work,
  accountId: string,
  rehash?: { readonly from: string; readonly to: string },
): Promise<void> {
  const { from = null, to = null } = rehash ?? {};
  const scheme = to && schemeOf(to);
  const replaced = await updatePasswordUse(work.tx, { accountId, at: work.at, from, to, scheme });
  if (replaced) work.record({ type: 'password.rehashed', accountId, detail: { scheme } });
}

/** So many passkeys fit into one account. */
export const MOST_PASSKEYS = 50;

/** Keeps a passkey that was verified for the account that its challenge was made for. */
export async function addPasskey(
  work: Work,
  checked: Extract<CheckedRegistration, { outcome: 'verified' }>,
): Promise<Passkey> {
  const passkey: Passkey = { ...checked.passkey, addedAt: work.at, lastUsedAt: null, suspendedFor: null };
  if (!(await insertPasskey(work.tx, passkey, MOST_PASSKEYS).catch(refuseTaken))) {
    const message = `An account has room for ${MOST_PASSKEYS} passkeys. Remove one that you do not use first.`;
    throw new Refusal('conflict', 'passkeys_full', message);
  }
  const { id, aaguid, backupEligible, backedUp, userVerified } = passkey;
  const detail = { passkeyId: id, aaguid, backupEligible, backedUp, userVerified };
  work.record({ type: 'passkey.added', accountId: passkey.accountId, detail });
  return passkey;
}

/** Who a passkey signs in, or why it does not. */
export type PasskeySignIn =
  | { readonly outcome: 'signed-in'; readonly accountId: string; readonly passkey: Passkey }
  | PasskeyRefused;

/** Puts the use of a passkey, or its refusal, on record; only this signs somebody in. */
export async function usePasskey(work: Work, checked: CheckedAuthentication): Promise<PasskeySignIn> {
  if (checked.outcome === 'refused') return recordRefused(work, checked);
  const { passkey, signCount, backedUp } = checked;
  const { accountId, id } = passkey;
  const used = await updatePasskeyUse(work.tx, { accountId, id, at: work.at, signCount, backedUp });
  if (!used) return recordRefused(work, { outcome: 'refused', reason: 'counter', accountId, passkeyId: id });
  work.record({ type: 'passkey.used', accountId, detail: { passkeyId: id } });
  return {
    outcome: 'signed-in',
    accountId,
    passkey: { ...passkey, signCount, backedUp, userVerified: true, lastUsedAt: work.at },
  };
}

/** Removes challenges whose time is over, every ten minutes, 10,000 at once. */
export function sweepChallenges(db: Db): JobDefinition {
  const sweep = () => openWork(db, { kind: 'system' }, work => removeExpiredChallenges(work.tx, SWEEP_BATCH));
  return {
    name: 'sweep-passkey-challenges',
    every: '*/10 * * * *',
    run: async (_payload, { signal }) => {
      while (!signal.aborted && (await sweep()) === SWEEP_BATCH);
    },
  };
}

/** A refusal that concerns somebody is a fact; what names nobody would let a stranger fill the record. */
function recordRefused(work: Work, refused: PasskeyRefused): PasskeyRefused {
  const { accountId, passkeyId, reason } = refused;
  if (accountId)
    work.record({ type: 'passkey.refused', accountId, detail: { reason, passkeyId: passkeyId ?? null } });
  return refused;
}

function refuseTaken(error: unknown): never {
  if (
    error instanceof Error &&
    'constraint' in error &&
    error.constraint === 'passkey_owners__credential_id'
  ) {
    throw new Refusal('conflict', 'passkey_taken', 'This passkey is already in use.', { cause: error });
  }
  throw error;
}
