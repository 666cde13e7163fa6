import type Koa from 'koa';
import { findAccount, findByIdentifier, newAccountId } from '../../domain/accounts/accounts.js';
import { type ProofOutcome, tryCode } from '../../domain/contacts/contacts.js';
import type { PendingRequest } from '../../oidc/interaction.js';
import { Refusal } from '../../platform/errors.js';
import { openWork } from '../../platform/storage/work.js';
import { readForm } from '../../platform/web/input.js';
import { visitOf } from '../../platform/web/surface.js';
import { sendCode } from '../codes.js';
import { type Parts, pendingRequest, seeOther, toStep } from '../journey.js';
import { codeLimits } from '../limits.js';
import { keep, progressOf, stepOf } from '../progress.js';
import { goOn } from './going-on.js';
import { showStep } from './pages.js';

/** Sends a code, or another one, for the way that the request is on. */
export async function submitCodeRequest(ctx: Koa.Context, parts: Parts): Promise<void> {
  await readForm(ctx, parts.csrf);
  const pending = await pendingRequest(ctx, parts);
  const progress = progressOf(pending);
  const step = stepOf(pending);
  const { email } = progress;
  const signingIn = (step === 'password' || step === 'sign-in-code') && parts.emailCodeSignIn;
  if (!email || (!signingIn && step !== 'sign-up-code')) return toStep(ctx, pending.uid);
  const account = await findByIdentifier(parts.db, 'email', email);
  const purpose = signingIn ? 'sign-in' : 'sign-up';
  await sendCode(ctx, parts, pending, { purpose, email, accountId: account?.id });
  const sentAgain = step !== 'password';
  parts.interactions.remember(
    pending,
    keep({ ...progress, codeSent: signingIn || undefined, codeState: 'open', sentAgain }),
  );
  toStep(ctx, pending.uid);
}

/** Takes a code: counted and used in one statement; right ones go on, wrong ones say how many tries are left. */
export async function submitCode(ctx: Koa.Context, parts: Parts): Promise<void> {
  const form = await readForm(ctx, parts.csrf);
  const pending = await pendingRequest(ctx, parts);
  const progress = progressOf(pending);
  const step = stepOf(pending);
  if ((step !== 'sign-in-code' && step !== 'sign-up-code') || !progress.email) return toStep(ctx, pending.uid);
  const code = typeof form['code'] === 'string' ? form['code'].slice(0, 64) : '';
  const digits = code.replace(/\D/g, '');
  if (digits.length !== 8) {
    ctx.status = 400;
    const word = digits === '' ? 'code_missing' : 'code_malformed';
    return showStep(ctx, parts, pending, [{ word, field: 'code' }]);
  }
  const verdict = await parts.protection.count(codeLimits(progress.email, visitOf(ctx).address));
  if (!verdict.allowed) {
    const { retryAfter } = verdict;
    throw new Refusal('limited', 'too_many_tries', 'There were too many tries for this address.', { retryAfter });
  }
  const purpose = step === 'sign-in-code' ? 'sign-in' : 'sign-up';
  const outcome = await openWork(parts.db, { kind: 'person' }, work =>
    tryCode(work, parts.keyring, { binding: pending.uid, purpose, code: digits }),
  );
  await afterCode(ctx, parts, pending, outcome);
}

async function afterCode(ctx: Koa.Context, parts: Parts, pending: PendingRequest, outcome: ProofOutcome): Promise<void> {
  if (outcome.outcome === 'wrong') {
    ctx.status = 400;
    return showStep(ctx, parts, pending, [{ word: 'code_wrong', field: 'code', vars: { count: outcome.triesLeft } }]);
  }
  if (outcome.outcome === 'ended') {
    const codeState = outcome.reason === 'expired' ? 'expired' : 'ended';
    parts.interactions.remember(pending, keep({ ...progressOf(pending), codeState, sentAgain: undefined }));
    return toStep(ctx, pending.uid);
  }
  await afterProof(ctx, parts, pending, outcome.address);
}

/** Goes on after an address was proved: signing up with choosing a credential, signing in with the request. */
export async function afterProof(ctx: Koa.Context, parts: Parts, pending: PendingRequest, address: string): Promise<void> {
  if (stepOf(pending) === 'sign-up-code') {
    parts.interactions.remember(pending, { way: 'sign-up', email: address, newAccountId: newAccountId() });
    return toStep(ctx, pending.uid);
  }
  const account = await findByIdentifier(parts.db, 'email', address);
  const current = account && (await findAccount(parts.db, account.id));
  if (current?.state !== 'active') {
    throw new Refusal('forbidden', 'account_unavailable', 'This account cannot be used at the moment.');
  }
  /* RFC 8176 has no name for a code by mail, and none that means a second factor may stand here. */
  seeOther(ctx, await goOn(ctx, parts, pending, { accountId: current.id, acr: 'aal1', amr: [] }));
}
