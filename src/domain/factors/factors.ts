import { v7 as uuidv7 } from 'uuid';
import type { Keyring } from '../../platform/crypto/keyring.js';
import type { Db } from '../../platform/storage/db.js';
import { openPersonal } from '../../platform/storage/origin.js';
import type { Work } from '../../platform/storage/work.js';
import { lockAccount, outdateProofs, setSecondStep } from '../accounts/accounts.js';
import { MOST_APPS, newRecoveryCode, periodOf, secretDigest, selectorOf } from './factor.js';
import {
  countApps,
  deleteApp,
  deleteCodes,
  deleteFactors,
  deleteRemembered,
  findBegan,
  findCode,
  findFactors,
  INSERT_APP,
  insertCodes,
  listSealedApps,
  passBeginning,
  type StoredCode,
  updateAppName,
  useCode,
  usePeriod,
} from './store.js';

export { exportFactors } from './exported.js';

export {
  type AuthenticatorApp,
  appUri,
  CODES,
  drawQr,
  type Factors,
  MOST_APPS,
  newAppSecret,
  newRecoveryCodes,
  periodOf,
  type QrPicture,
  selectorOf,
  spelledCode,
  spelledSecret,
  typedCode,
} from './factor.js';
export {
  forgetAllBrowsers,
  forgetBrowser,
  isRemembered,
  listRememberedBrowsers,
  REMEMBERED_DAYS,
  type RememberedBrowser,
  rememberBrowser,
  sweepRememberedBrowsers,
} from './remembered.js';
export { findFactors, forgetFactors, type StoredCode } from './store.js';
export {
  removeSuspendedApps,
  restoreApps,
  suspendApps,
} from './suspension.js';

/** Every fact that this room leaves. */
export const FACTOR_FACTS = [
  'authenticator_app.added',
  'authenticator_app.used',
  'authenticator_app.renamed',
  'authenticator_app.removed',
  'authenticator_app.refused',
  'authenticator_app.suspended',
  'authenticator_app.restored',
  'recovery_codes.made',
  'recovery_codes.removed',
  'recovery_code.used',
  'browser.remembered',
  'browser.forgotten',
] as const;

/** A new authenticator app whose first code was right. */
export interface NewApp {
  readonly accountId: string;
  readonly secret: string;
  /** The period of its first code, which counts no second time. */
  readonly period: number;
  readonly name: string;
}

/** Adds an authenticator app; from the first on, the account asks for a second step. `again`: this very one is there. */
export async function addApp(
  work: Work,
  keyring: Keyring,
  { accountId, secret, period, name }: NewApp,
): Promise<{ readonly outcome: 'added'; readonly id: string } | { readonly outcome: 'again' | 'full' }> {
  await lockAccount(work, accountId);
  const digest = secretDigest(secret);
  const { all, same } = await countApps(work.tx, accountId, digest);
  if (same > 0) return { outcome: 'again' };
  if (all >= MOST_APPS) return { outcome: 'full' };
  const id = uuidv7();
  const row = {
    account_id: accountId,
    id,
    began: await setSecondStep(work, accountId, true),
    name,
    digest: digest.toString('hex'),
    last_period: period,
    added_at: work.at,
  };
  work.leave({ into: INSERT_APP, row, personal: { keyring, accountId, context: id, plain: secret } });
  await forgetBrowsers(work, accountId);
  work.record({ type: 'authenticator_app.added', accountId, detail: { app: id } });
  return { outcome: 'added', id };
}

/** Whether an app was taken away; the last one stays, since without it nobody is asked for a second step any more. */
export async function dropApp(
  work: Work,
  accountId: string,
  id: string,
): Promise<'dropped' | 'missing' | 'last'> {
  /* Whoever takes away another one at this moment waits here, and is then the last. */
  await lockAccount(work, accountId);
  const { apps } = await findFactors(work.tx, accountId);
  if (!apps.some(app => app.id === id)) return 'missing';
  if (apps.length < 2) return 'last';
  await takeAway(work, accountId, id);
  return 'dropped';
}

async function takeAway(work: Work, accountId: string, id: string): Promise<void> {
  await deleteApp(work.tx, accountId, id);
  await forgetBrowsers(work, accountId);
  work.record({ type: 'authenticator_app.removed', accountId, detail: { app: id } });
}

/** Its owner wants no second step any more: every app and every code is gone. False when there was none. */
export async function endSecondStep(work: Work, accountId: string): Promise<boolean> {
  const account = await lockAccount(work, accountId);
  const { apps, codes } = await findFactors(work.tx, accountId);
  if (apps.length === 0 && !codes && !account?.secondStep) return false;
  await deleteFactors(work.tx, accountId);
  for (const app of apps)
    work.record({ type: 'authenticator_app.removed', accountId, detail: { app: app.id } });
  if (codes) work.record({ type: 'recovery_codes.removed', accountId, detail: { left: codes.left } });
  await setSecondStep(work, accountId, false);
  await forgetBrowsers(work, accountId);
  return true;
}

/**
 * Somebody disowned an app: it is gone. The second step ends with the last one only where a disowned app began it; what was
 * there before goes on being asked for, or whoever only reads mail would be rid of it once its owner has changed phones.
 */
export async function disownApp(work: Work, accountId: string, id: string): Promise<void> {
  await lockAccount(work, accountId);
  const began = await findBegan(work.tx, accountId, id);
  const outcome = await dropApp(work, accountId, id);
  if (outcome === 'dropped' && began) await passBeginning(work.tx, accountId);
  if (outcome !== 'last') return;
  if (began) await endSecondStep(work, accountId);
  else await takeAway(work, accountId, id);
}

/** Gives an app the name that its owner knows it by; false when it is not there. */
export async function renameApp(work: Work, accountId: string, id: string, name: string): Promise<boolean> {
  const renamed = await updateAppName(work.tx, accountId, id, name);
  if (renamed) work.record({ type: 'authenticator_app.renamed', accountId, detail: { app: id } });
  return renamed;
}

/** A code that one of the account's apps shows about now, and that is not used yet: nothing is proved by this alone. */
export interface CheckedAppCode {
  readonly app: string;
  readonly period: number;
  /** By which recovery the app is suspended: its code proves nothing but who may stop that. */
  readonly suspendedFor: string | null;
}

/** Finds the app that shows this code by our clock. */
export async function checkAppCode(
  db: Db,
  keyring: Keyring,
  accountId: string,
  { code, at }: { readonly code: string; readonly at: Date },
): Promise<CheckedAppCode | undefined> {
  for (const { id, sealed, key, suspendedFor } of await listSealedApps(db, accountId)) {
    const secret = key ? openPersonal({ keyring, accountId, context: id, sealed, key }) : undefined;
    const period = secret === undefined ? undefined : periodOf(secret, code, at);
    if (period !== undefined) return { app: id, period, suspendedFor };
  }
  return undefined;
}

/** Uses the code of a period, once; false when it was used before, or its app is suspended. Only this proves anything. */
export async function useAppCode(
  work: Work,
  accountId: string,
  { app, period, suspendedFor }: CheckedAppCode,
): Promise<boolean> {
  if (suspendedFor !== null) return false;
  const used = await usePeriod(work.tx, { accountId, id: app, period, suspendedFor, at: work.at });
  if (used) work.record({ type: 'authenticator_app.used', accountId, detail: { app } });
  return used;
}

/** Uses the code of a suspended app, once: it signs nobody in, and shows who may stop what has suspended it. */
export async function useSuspendedCode(
  work: Work,
  accountId: string,
  { app, period, suspendedFor }: CheckedAppCode,
): Promise<boolean> {
  if (suspendedFor === null) return false;
  const used = await usePeriod(work.tx, { accountId, id: app, period, suspendedFor, at: work.at });
  if (used)
    work.record({ type: 'authenticator_app.refused', accountId, detail: { app, reason: 'suspended' } });
  return used;
}

/** Hashes recovery codes, and compares with hashes; the same as for passwords, off the event loop. */
export interface CodeHasher {
  hash(code: string): Promise<string>;
  verify(code: string, stored: string): Promise<{ readonly ok: boolean }>;
  verifyDecoy(code: string): Promise<{ readonly ok: boolean }>;
}

/** A recovery code that is right, and the one that will take its place; `used`: it was used before. */
export type CheckedRecoveryCode =
  | {
      readonly outcome: 'right';
      readonly stored: StoredCode;
      readonly next: StoredCode;
      readonly nextCode: string;
    }
  | { readonly outcome: 'used' | 'wrong' };

/** Checks a recovery code, before the work is opened. */
export async function checkRecoveryCode(
  db: Db,
  hasher: CodeHasher,
  accountId: string,
  code: string,
): Promise<CheckedRecoveryCode> {
  const { found, taken } = await findCode(db, accountId, selectorOf(code));
  const { ok } = found ? await hasher.verify(code, found.hash) : await hasher.verifyDecoy(code);
  if (!found || !ok) return { outcome: 'wrong' };
  if (found.used) return { outcome: 'used' };
  const nextCode = newRecoveryCode(taken);
  const next = { selector: selectorOf(nextCode), hash: await hasher.hash(nextCode) };
  return { outcome: 'right', stored: { selector: found.selector, hash: found.hash }, next, nextCode };
}

/** Uses a recovery code, once, and puts another in its place (NIST SP 800-63B-4 §4.2.1.1); false when it was used before. */
export async function useRecoveryCode(
  work: Work,
  accountId: string,
  { stored, next }: Extract<CheckedRecoveryCode, { outcome: 'right' }>,
): Promise<boolean> {
  /* Whoever makes new codes at this moment waits here, and ends the one in its place as well. */
  await lockAccount(work, accountId);
  if (!(await useCode(work.tx, accountId, stored, work.at))) return false;
  await insertCodes(work.tx, accountId, [next], work.at);
  work.record({ type: 'recovery_code.used', accountId });
  return true;
}

/** Hashes codes for storing; before the work is opened. */
export function storedCodes(hasher: CodeHasher, codes: readonly string[]): Promise<readonly StoredCode[]> {
  return Promise.all(
    codes.map(async code => ({ selector: selectorOf(code), hash: await hasher.hash(code) })),
  );
}

/** Gives an account recovery codes in the place of those it had; those end at once. */
export async function replaceCodes(
  work: Work,
  accountId: string,
  codes: readonly StoredCode[],
): Promise<void> {
  await lockAccount(work, accountId);
  const left = await deleteCodes(work.tx, accountId);
  await insertCodes(work.tx, accountId, codes, work.at);
  work.record({ type: 'recovery_codes.made', accountId, detail: { count: codes.length, replaced: left } });
}

/** Somebody disowned codes that were made, or one that was used: whoever did that has none that works any more. */
export async function disownCodes(work: Work, accountId: string): Promise<void> {
  await lockAccount(work, accountId);
  const left = await deleteCodes(work.tx, accountId);
  if (left > 0) work.record({ type: 'recovery_codes.removed', accountId, detail: { left } });
}

/** What was proved before counts no more, and neither does what was remembered of it. */
export async function forgetBrowsers(work: Work, accountId: string): Promise<void> {
  await deleteRemembered(work.tx, accountId);
  await outdateProofs(work, accountId);
}
