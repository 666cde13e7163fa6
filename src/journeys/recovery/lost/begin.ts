import { z } from 'zod';
import { lockAccount, signOutEverywhere } from '../../../domain/accounts/accounts.js';
import { endProofs, spendProof } from '../../../domain/contacts/contacts.js';
import { suspendPasskeys } from '../../../domain/credentials/credentials.js';
import { forgetBrowsers, suspendApps } from '../../../domain/factors/factors.js';
import { beginRecovery, type Recovery } from '../../../domain/recoveries/recoveries.js';
import { endSessionsOf } from '../../../oidc/session.js';
import { openWork, type Work } from '../../../platform/storage/work.js';
import { noteReplay } from '../../journey.js';
import { unavailable } from '../../sign-in/going-on.js';
import { advance, type Turn } from '../../turn.js';
import { sealAsked, tellOfBegun } from './tell.js';
import { isOpen, type Lost, lostOf } from './way.js';

const MOST = 200;
const ids = z.array(z.uuid()).max(MOST);

/** Those passkeys that somebody says were on the phone. */
function passkeysIn({ sent }: Turn): readonly string[] {
  return ids.safeParse([sent['passkey'] ?? []].flat()).data ?? [];
}

/** Begins to wait: what was on the phone signs nobody in from this moment on, and everybody is signed out and told. */
export async function submitBegin(turn: Turn): Promise<void> {
  const { parts, progress, ctx, pending } = turn;
  const lost = lostOf(turn);
  const askedFrom = await sealAsked(turn);
  const actor = { kind: 'person', id: lost.accountId } as const;
  const begun = await openWork(parts.db, actor, work => begin(turn, work, lost, askedFrom));
  if (begun === 'spent') {
    const { accountId } = lost;
    await noteReplay(ctx, parts, 'recovery_proof', { accountId, clientId: pending.app.clientId });
    return advance(turn, { way: 'recovery', email: progress.email, codeState: 'over' });
  }
  const on = { ...lost, passwordAt: begun.at?.getTime() ?? lost.passwordAt, stage: begun.stage };
  advance(turn, { ...progress, lost: on });
}

interface Begun {
  readonly stage: Lost['stage'];
  /** What was shown counts from then on: it outlives that everything before counts no more. */
  readonly at?: Date;
}

async function begin(turn: Turn, work: Work, lost: Lost, askedFrom: Buffer): Promise<Begun | 'spent'> {
  const { accountId, passwordAt, proof = '' } = lost;
  const waitHours = turn.parts.lostPhoneWait;
  const account = await lockAccount(work, accountId);
  if (!(await isOpen(work.tx, account, passwordAt))) throw unavailable(account);
  /* Without a wait what was proved is needed once more, to bind what is new: there it is spent. */
  if (waitHours > 0 && !(await spendProof(work, { id: proof, purpose: 'recovery', accountId })))
    return 'spent';
  const { outcome, recovery } = await beginRecovery(work, { accountId, waitHours, askedFrom });
  if (outcome === 'resting') return { stage: 'resting' };
  if (outcome === 'waiting' || !recovery) return { stage: 'waiting' };
  await suspend(work, recovery, passkeysIn(turn));
  if (waitHours > 0) await endProofs(work, accountId);
  await tellOfBegun(work, turn, recovery);
  return { stage: waitHours > 0 ? 'waiting' : 'new', at: work.at };
}

async function suspend(work: Work, { accountId, id }: Recovery, passkeys: readonly string[]): Promise<void> {
  await suspendApps(work, accountId, id);
  await suspendPasskeys(work, accountId, id, passkeys);
  await forgetBrowsers(work, accountId);
  await signOutEverywhere(work, accountId);
  await endSessionsOf(work, accountId, 'account-changed');
}
