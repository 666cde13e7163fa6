import { type Account, findAccount } from '../../../domain/accounts/accounts.js';
import { listEmails, PROOF_MINUTES, type ProofOutcome } from '../../../domain/contacts/contacts.js';
import { findPassword, isPasswordTooLong } from '../../../domain/credentials/credentials.js';
import { findFactors } from '../../../domain/factors/factors.js';
import { findStoppedAt, findWaiting, isReady, mayBegin } from '../../../domain/recoveries/recoveries.js';
import { mayAct } from '../../../oidc/acting.js';
import type { Db } from '../../../platform/storage/db.js';
import { sendCode } from '../../codes.js';
import { seeOther } from '../../journey.js';
import { countTry, PASSWORDS, unlessBusy } from '../../limits.js';
import type { Progress } from '../../progress.js';
import { failedSignIn, turnAway, unavailable } from '../../sign-in/going-on.js';
import { showProblems } from '../../sign-in/pages.js';
import { advance, stepUrl, type Turn, textOf, toStep } from '../../turn.js';
import { addressTooNew, isNewAddress } from '../code.js';

/** Whose phone is lost in this request, and what they have shown. */
export type Lost = NonNullable<Progress['lost']>;

/** The notes of whoever is on this way. */
export function lostOf({ progress }: Turn): Lost {
  if (!progress.lost) throw new Error('nobody has lost a phone');
  return progress.lost;
}

/** "I no longer have my phone": from the second step, with what was shown before it. */
export function submitLost(turn: Turn): void {
  const { progress, cameAt } = turn;
  const { halfway, recovering } = progress;
  const accountId = halfway?.accountId ?? recovering?.accountId;
  if (!accountId) return toStep(turn);
  const fresh = halfway?.by === 'password' && cameAt.getTime() - halfway.at <= PROOF_MINUTES * 60_000;
  const passwordAt = fresh ? halfway.at : undefined;
  const lost: Lost = { accountId, stage: 'choice', proof: recovering?.proof, passwordAt };
  advance(turn, { ...progress, lost });
}

/** Back to the second step, where something was found after all. */
export function leaveLost(turn: Turn): void {
  const { lost: _, ...progress } = turn.progress;
  advance(turn, progress);
  if (turn.sent['by'] === 'recovery') seeOther(turn.ctx, `${stepUrl(turn.pending)}?by=recovery`);
}

/** Goes on without the phone: a code by mail comes first, unless that was how they came. */
export async function submitWaitingWay(turn: Turn): Promise<void> {
  const { parts, progress } = turn;
  const lost = lostOf(turn);
  if (!(await findPassword(parts.db, lost.accountId))) return toStep(turn);
  const going: Progress = { ...progress, lost: { ...lost, stage: 'going' } };
  if (lost.proof !== undefined) return arriveOrGo(turn, going);
  const { email = '' } = progress;
  await sendCode(turn, { purpose: 'recovery', email, accountId: lost.accountId });
  advance(turn, { ...going, codeState: 'open', sentAgain: undefined });
}

/** Somebody showed that they read mail at an address of the account. */
export function afterLostProof(
  turn: Turn,
  { id, address }: Extract<ProofOutcome, { outcome: 'proved' }>,
): Promise<void> {
  const lost: Lost = { ...lostOf(turn), proof: id };
  return arriveOrGo(turn, { ...turn.progress, email: address, lost });
}

/** Takes the password: counted before it is looked at, as when signing in. */
export async function submitLostPassword(turn: Turn): Promise<void> {
  const { parts, progress, sent } = turn;
  const lost = lostOf(turn);
  const { accountId } = lost;
  const password = typeof sent['password'] === 'string' ? sent['password'] : '';
  if (textOf(turn, 'password') === '')
    return showProblems(turn, [{ word: 'password_missing', field: 'password' }]);
  const { email = '' } = progress;
  const counted = await countTry(turn, PASSWORDS, { email, account: { id: accountId } });
  const stored = await findPassword(parts.db, accountId);
  const right = await unlessBusy(turn, counted, async () => {
    if (!stored || isPasswordTooLong(password)) return false;
    return (await parts.hasher.verify(password, stored.hash)).ok;
  });
  if (right) return arriveOrGo(turn, { ...progress, lost: { ...lost, passwordAt: turn.cameAt.getTime() } });
  parts.interactions.record(failedSignIn(turn, 'password', accountId), { kind: 'person' });
  return showProblems(turn, [{ word: 'credentials_wrong', field: 'password' }]);
}

/* Once both were shown: what is due depends on what was begun before, and on its time. */
async function arriveOrGo(turn: Turn, progress: Progress): Promise<void> {
  const { lost } = progress;
  if (!lost?.proof || lost.passwordAt === undefined) return advance(turn, progress);
  await refuseUnlessOpen(turn, lost, progress.email ?? '');
  advance(turn, { ...progress, lost: { ...lost, stage: await stageOf(turn, lost) } });
}

/**
 * Whether this way is open: to an account that may act, and to a frozen one whose second step has nothing left that could do it,
 * since whatever was there was disowned; its own path would shut its owner out for good.
 */
export async function isOpen(db: Db, account: Account | undefined, provedAt?: number): Promise<boolean> {
  if (!account || !mayAct({ account, way: 'recovery', provedAt })) return false;
  if (account.state !== 'frozen') return true;
  const { apps, suspended, codes } = await findFactors(db, account.id);
  return account.secondStep && apps.length + suspended.length === 0 && !codes;
}

/** Refuses whoever may not go this way: the account is frozen or gone, or the address came lately. */
async function refuseUnlessOpen(turn: Turn, { accountId, passwordAt }: Lost, address: string): Promise<void> {
  const { db } = turn.parts;
  const account = await findAccount(db, accountId);
  const open = await isOpen(db, account, passwordAt);
  const proven = (await listEmails(db, accountId)).find(each => each.address === address)?.verifiedAt;
  if (!open || !proven) {
    await turnAway(turn, 'code', accountId);
    throw unavailable(account);
  }
  const waiting = await findWaiting(db, accountId);
  const came = waiting !== undefined && proven > waiting.startedAt;
  if (came || (await isNewAddress(turn, accountId, address))) {
    await turnAway(turn, 'code', accountId);
    throw addressTooNew();
  }
}

async function stageOf({ parts }: Turn, { accountId }: Lost): Promise<Lost['stage']> {
  const now = new Date();
  const waiting = await findWaiting(parts.db, accountId);
  if (waiting) return isReady(waiting, now) ? 'new' : 'waiting';
  return mayBegin(await findStoppedAt(parts.db, accountId), now) ? 'what' : 'resting';
}
