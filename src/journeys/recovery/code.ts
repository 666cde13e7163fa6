import { findAccount, findByIdentifier } from '../../domain/accounts/accounts.js';
import { listEmails, listOpenChanges, type ProofOutcome } from '../../domain/contacts/contacts.js';
import { mayAct } from '../../oidc/acting.js';
import { Refusal } from '../../platform/errors.js';
import { sendCode } from '../codes.js';
import { claimUnproved } from '../sign-in/claiming.js';
import { turnAway, unavailable } from '../sign-in/going-on.js';
import { advance, type Turn, toStep } from '../turn.js';

/** Whether an address came to an account so lately that it can still be taken back: whoever it is recovered against may have brought it. */
export async function isNewAddress({ parts }: Turn, accountId: string, address: string): Promise<boolean> {
  const changes = await listOpenChanges(parts.db, accountId, new Date());
  return changes.some(change => change.what === 'added' && change.address === address);
}

/** Said to whoever reads mail at an address that came lately. */
export function addressTooNew(): Refusal {
  return new Refusal('forbidden', 'address_too_new', 'An address the account had before is needed for this.');
}

/** "Forgot password?": sends a code to the address typed before; one that nobody has looks the same. */
export async function submitRecovery(turn: Turn): Promise<void> {
  const { parts, progress } = turn;
  const { email } = progress;
  if (!email) return toStep(turn);
  const account = await findByIdentifier(parts.db, 'email', email);
  await sendCode(turn, { purpose: 'recovery', email, accountId: account?.id });
  advance(turn, { way: 'recovery', email, codeState: 'open' });
}

/** Goes on once somebody showed that they read mail at an address of the account: nobody is signed in by that yet. */
export async function afterRecoveryProof(
  turn: Turn,
  { id, address, accountId }: Extract<ProofOutcome, { outcome: 'proved' }>,
): Promise<void> {
  const { db } = turn.parts;
  if (accountId !== undefined) await claimUnproved(turn, accountId, address, 'recovery');
  const account = accountId === undefined ? undefined : await findAccount(db, accountId);
  const proven =
    account && (await listEmails(db, account.id)).some(e => e.address === address && e.verifiedAt);
  if (!account || !proven || !mayAct({ account, way: 'recovery' })) {
    await turnAway(turn, 'code', account?.id);
    throw unavailable();
  }
  if (account.state === 'frozen' && (await isNewAddress(turn, account.id, address))) {
    await turnAway(turn, 'code', account.id);
    throw addressTooNew();
  }
  const second = account.secondStep ? ({ second: 'needed' } as const) : {};
  const recovering = { accountId: account.id, proof: id, ...second };
  advance(turn, { way: 'recovery', email: address, recovering });
}
