import { findByIdentifier, newAccountId } from '../../domain/accounts/accounts.js';
import { type ProofOutcome, type ProofPurpose, tryCode } from '../../domain/contacts/contacts.js';
import { mayAct } from '../../oidc/acting.js';
import { openWork } from '../../platform/storage/work.js';
import { sendCode } from '../codes.js';
import { noteReplay, seeOther } from '../journey.js';
import { CODES, countTry } from '../limits.js';
import { beginReturn, isArchived } from '../recovery/archived.js';
import { afterRecoveryProof } from '../recovery/code.js';
import { afterLostProof } from '../recovery/lost/way.js';
import { leadToSecond } from '../second-step/second-step.js';
import { advance, type Turn, textOf, toStep } from '../turn.js';
import { claimUnproved } from './claiming.js';
import { BY_CODE, goOn, turnAway, unavailable } from './going-on.js';
import type { Step } from './next-step.js';
import { showProblems } from './pages.js';

const DIGITS = 8;

const PURPOSES: Readonly<Partial<Record<Step, ProofPurpose>>> = {
  'sign-up-code': 'sign-up',
  'recovery-code': 'recovery',
  'lost-code': 'recovery',
};

/** Sends a code, or another one, for the way that the request is on. */
export async function submitCodeRequest(turn: Turn): Promise<void> {
  const { parts, progress, step } = turn;
  const { email } = progress;
  const purpose = PURPOSES[step] ?? 'sign-in';
  if (!email || (purpose === 'sign-in' && !parts.emailCodeSignIn)) return toStep(turn);
  const account = await findByIdentifier(parts.db, 'email', email);
  await sendCode(turn, { purpose, email, accountId: account?.id });
  advance(turn, {
    ...progress,
    codeSent: purpose === 'sign-in' || undefined,
    codeState: 'open',
    sentAgain: step !== 'password',
  });
}

/** Takes a code: counted and used in one statement; right ones go on, wrong ones say how many tries are left. */
export async function submitCode(turn: Turn): Promise<void> {
  const { parts, pending, progress, step } = turn;
  const code = textOf(turn, 'code', 64).normalize('NFKC').replace(/\D/g, '');
  if (code.length !== DIGITS) {
    return showProblems(turn, [{ word: code === '' ? 'code_missing' : 'code_malformed', field: 'code' }]);
  }
  const { email = '' } = progress;
  await countTry(turn, CODES, { email, account: await findByIdentifier(parts.db, 'email', email) });
  const purpose = PURPOSES[step] ?? 'sign-in';
  const outcome = await openWork(parts.db, { kind: 'person' }, work =>
    tryCode(work, parts.keyring, { binding: pending.uid, purpose, code }),
  );
  return afterCode(turn, outcome);
}

async function afterCode(turn: Turn, outcome: ProofOutcome): Promise<void> {
  if (outcome.outcome === 'proved') {
    if (turn.step === 'lost-code') return afterLostProof(turn, outcome);
    return turn.step === 'recovery-code' ? afterRecoveryProof(turn, outcome) : afterProof(turn, outcome);
  }
  if (outcome.outcome === 'wrong') {
    return showProblems(turn, [{ word: 'code_wrong', field: 'code', vars: { count: outcome.triesLeft } }]);
  }
  /* Sent twice at once: whatever the first of the two made due stays so. */
  if (outcome.reason === 'used') {
    await noteReplay(turn.ctx, turn.parts, 'email_code', { clientId: turn.pending.app.clientId });
    return toStep(turn);
  }
  const state = { expired: 'expired', 'too-many': 'ended' } as const;
  const codeState = outcome.reason in state ? state[outcome.reason as keyof typeof state] : 'over';
  advance(turn, { ...turn.progress, codeState, sentAgain: undefined });
}

/** Goes on after an address was proved: signing up with choosing a credential, signing in with the request. */
export async function afterProof(
  turn: Turn,
  { id, address: email }: { readonly id: string; readonly address: string },
): Promise<void> {
  if (turn.step === 'sign-up-code') {
    return advance(turn, { way: 'sign-up', email, newAccountId: newAccountId(), provedBy: id });
  }
  const account = await findByIdentifier(turn.parts.db, 'email', email);
  if (isArchived(account)) {
    await turnAway(turn, 'code', account.id);
    await beginReturn(turn, account);
    return toStep(turn);
  }
  if (!account || !mayAct({ account })) {
    await turnAway(turn, 'code', account?.id);
    throw unavailable(account);
  }
  const claimed = await claimUnproved(turn, account.id, email);
  if (claimed) {
    const authentication = { accountId: account.id, at: claimed.at, ...BY_CODE };
    return seeOther(turn.ctx, await goOn(turn, authentication, claimed.account));
  }
  if (await leadToSecond(turn, account, 'code')) return;
  seeOther(turn.ctx, await goOn(turn, { accountId: account.id, ...BY_CODE }, account));
}
