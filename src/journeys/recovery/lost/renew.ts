import { lockAccount, recoverAccount } from '../../../domain/accounts/accounts.js';
import { endProofs, spendProof } from '../../../domain/contacts/contacts.js';
import {
  addApp,
  forgetBrowsers,
  newRecoveryCodes,
  periodOf,
  replaceCodes,
  type StoredCode,
  storedCodes,
} from '../../../domain/factors/factors.js';
import { findWaiting, stepRecovery } from '../../../domain/recoveries/recoveries.js';
import { endSessionsOf } from '../../../oidc/session.js';
import { openWork, type Work } from '../../../platform/storage/work.js';
import { noteReplay } from '../../journey.js';
import { countTry, SECOND_STEPS, unlessBusy } from '../../limits.js';
import { tellEveryone } from '../../notices/tell.js';
import { sealCodes } from '../../second-step/new-code.js';
import { unavailable } from '../../sign-in/going-on.js';
import { showProblems } from '../../sign-in/pages.js';
import { advance, type Turn, textOf } from '../../turn.js';
import { openSetup } from './sealed.js';
import { isOpen, type Lost, lostOf } from './way.js';

/** What takes the place of what was on the phone. */
export interface Added {
  readonly addedApp?: string;
  readonly addedPasskey?: string;
}

/* Thrown within the work, so that nothing of it stays. */
class Over extends Error {}

/**
 * Completes a recovery whose time has come, all of it or nothing: the proof is spent, something new is bound, everybody is
 * signed out, and the old recovery codes are gone. What the phone held stays suspended, so that this can be undone for a while.
 * Its new codes are shown next. False when the recovery is over, or somebody has stopped it at this moment.
 */
export async function complete(turn: Turn, bind: (work: Work) => Promise<Added>): Promise<boolean> {
  const { parts, progress } = turn;
  const { accountId } = lostOf(turn);
  const codes = newRecoveryCodes();
  const stored = await storedCodes(parts.hasher, codes);
  const at = await openWork(parts.db, { kind: 'person', id: accountId }, work =>
    completed(turn, work, stored, bind),
  ).catch(error => {
    if (error instanceof Over) return undefined;
    throw error;
  });
  if (!at) {
    const { clientId } = turn.pending.app;
    await noteReplay(turn.ctx, parts, 'recovery_proof', { accountId, clientId });
    advance(turn, { way: 'recovery', email: progress.email, codeState: 'over' });
    return false;
  }
  const signedIn = { accountId, by: 'password', at: at.getTime() } as const;
  const firstCodes = sealCodes(turn, codes);
  advance(turn, { way: 'sign-in', email: progress.email, signedIn, firstCodes, newPhone: true });
  return true;
}

async function completed(
  turn: Turn,
  work: Work,
  codes: readonly StoredCode[],
  bind: (work: Work) => Promise<Added>,
): Promise<Date> {
  const { accountId, passwordAt, proof = '' }: Lost = lostOf(turn);
  const account = await lockAccount(work, accountId);
  if (!(await isOpen(work.tx, account, passwordAt))) throw unavailable(account);
  const waiting = await findWaiting(work.tx, accountId);
  const before = await recoverAccount(work, accountId);
  if (!waiting || !before) throw new Over();
  if (!(await spendProof(work, { id: proof, purpose: 'recovery', accountId }))) throw new Over();
  const added = await bind(work);
  if (!(await stepRecovery(work, waiting, 'complete', added))) throw new Over();
  await replaceCodes(work, accountId, codes);
  await forgetBrowsers(work, accountId);
  await endSessionsOf(work, accountId, 'account-changed');
  await endProofs(work, accountId);
  const news = { accountId, kind: 'recovery_completed', undo: { recovery: waiting.id } } as const;
  await tellEveryone(work, { ...turn, app: turn.pending.app }, news);
  return before;
}

/** Takes the first code of an app on the new phone. */
export async function submitNewApp(turn: Turn): Promise<void> {
  const { parts, progress, sent, ctx } = turn;
  const { accountId } = lostOf(turn);
  const secret = openSetup(turn, sent['setup']);
  if (secret === undefined) return showProblems(turn, [{ word: 'setup_expired' }]);
  const typed = textOf(turn, 'code', 64);
  const counted = await countTry(turn, SECOND_STEPS, {
    email: progress.email ?? '',
    account: { id: accountId },
  });
  const period = periodOf(secret, typed.normalize('NFKC').replace(/[\s-]/g, ''), new Date());
  if (period === undefined) {
    const word = typed.trim() === '' ? 'second_missing' : 'setup_wrong';
    return showProblems(turn, [{ word, field: 'code' }]);
  }
  const name = parts.pages.say(ctx, 'ways.app');
  await unlessBusy(turn, counted, () =>
    complete(turn, async work => {
      const added = await addApp(work, parts.keyring, { accountId, secret, period, name });
      if (added.outcome !== 'added') throw new Over();
      return { addedApp: added.id };
    }),
  );
}
