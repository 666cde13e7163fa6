import { findAccount, recoverAccount } from '../../domain/accounts/accounts.js';
import { endProofs, spendProof } from '../../domain/contacts/contacts.js';
import { setPassword } from '../../domain/credentials/credentials.js';
import type { Authentication } from '../../oidc/interaction.js';
import { endSessionsOf } from '../../oidc/session.js';
import { openWork, type Work } from '../../platform/storage/work.js';
import { noteReplay, seeOther } from '../journey.js';
import { type News, tellEveryone } from '../notices/tell.js';
import type { Progress } from '../progress.js';
import { BY_CODE, goOn, unavailable } from '../sign-in/going-on.js';
import { showProblems } from '../sign-in/pages.js';
import { passwordProblems } from '../sign-up/account.js';
import { advance, type Turn } from '../turn.js';
import { askedAbout, pauseGone } from './lost/gone.js';

/** Whose account is recovered in this request, by which proof. */
export type Recovering = NonNullable<Progress['recovering']>;

/** Whoever proved an address and may choose a new credential; nobody at any other step. */
export function recoveringOf({ step, progress }: Turn): Recovering | undefined {
  return step === 'recovery-credential' ? progress.recovering : undefined;
}

/** What the recovered account is signed in to by from now on. */
export type NewCredential =
  | { readonly kind: 'password' }
  | { readonly kind: 'passkey'; readonly passkeyId: string };

/**
 * Recovers the account, all of it or nothing: the proof is spent, the new credential stands, everybody who was signed in is
 * signed out, whatever else was under way has ended, and its owner is told everywhere. Factors are neither removed nor
 * skipped. Gives how its owner goes on, signed in anew; undefined when the proof was spent already or is too old.
 */
export async function recover(
  turn: Turn,
  { accountId, proof, second, gone = [] }: Recovering,
  credential: NewCredential,
  replace: (work: Work) => Promise<unknown>,
): Promise<Authentication | undefined> {
  const { parts } = turn;
  const askedFrom = await askedAbout(turn);
  const at = await openWork(parts.db, { kind: 'person', id: accountId }, async work => {
    const before = await recoverAccount(work, accountId);
    if (!before) throw unavailable();
    /* A factor that was added meanwhile is asked for as well. */
    if ((await findAccount(work.tx, accountId))?.secondStep && second !== 'done') throw new AlreadySpent();
    if (!(await spendProof(work, { id: proof, purpose: 'recovery', accountId }))) throw new AlreadySpent();
    const undo = askedFrom ? await pauseGone(work, accountId, gone, askedFrom) : {};
    await replace(work);
    await endSessionsOf(work, accountId, 'account-changed');
    await endProofs(work, accountId);
    await tellEveryone(work, { ...turn, app: turn.pending.app }, { accountId, ...newsOf(credential, undo) });
    return before;
  }).catch(over);
  if (at === undefined) {
    const { clientId } = turn.pending.app;
    await noteReplay(turn.ctx, parts, 'recovery_proof', { accountId, clientId });
    return undefined;
  }
  return { accountId, at, ...BY_CODE };
}

function newsOf(
  credential: NewCredential,
  undo: Readonly<Record<string, string>>,
): Pick<News, 'kind' | 'undo'> {
  if (credential.kind === 'password') return { kind: 'recovered_with_password', undo };
  return { kind: 'recovered_with_passkey', undo: { ...undo, passkeyId: credential.passkeyId } };
}

/* Thrown within the work, so that nothing of it stays. */
class AlreadySpent extends Error {}

function over(error: unknown): undefined {
  if (error instanceof AlreadySpent) return undefined;
  throw error;
}

/** Back to asking for a code: the proof was spent in another tab, or it took too long. */
export function proveAgain(turn: Turn): void {
  advance(turn, { way: 'recovery', email: turn.progress.email, codeState: 'over' });
}

/** Recovers an account with a new password; the old one is gone. */
export async function submitNewPassword(turn: Turn): Promise<void> {
  const { ctx, parts, progress, sent } = turn;
  const recovering = recoveringOf(turn);
  if (!recovering) throw new Error('no address was proved');
  const password = typeof sent['password'] === 'string' ? sent['password'] : '';
  const problems = await passwordProblems(parts, password, { email: progress.email ?? '', name: '' });
  if (problems.length > 0) return showProblems(turn, problems);
  const hash = await parts.hasher.hash(password);
  const authentication = await recover(turn, recovering, { kind: 'password' }, work =>
    setPassword(work, recovering.accountId, hash),
  );
  if (!authentication) return proveAgain(turn);
  seeOther(ctx, await goOn(turn, authentication));
}
