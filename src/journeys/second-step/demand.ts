import {
  type Account,
  findAccount,
  lockAccount,
  mustHaveSecondFactor,
} from '../../domain/accounts/accounts.js';
import { PROOF_MINUTES } from '../../domain/contacts/contacts.js';
import { findPasskey, findWaysIn } from '../../domain/credentials/credentials.js';
import { findFactors } from '../../domain/factors/factors.js';
import { mayAct } from '../../oidc/acting.js';
import type { Authentication } from '../../oidc/interaction.js';
import { FRESH_SECONDS, type StrengthDemand, satisfies, withRole } from '../../oidc/strength.js';
import type { Work } from '../../platform/storage/work.js';
import { BROUGHT } from '../federated/strength.js';
import type { Parts } from '../journey.js';
import { saidLater } from '../passkey/later.js';
import type { Progress } from '../progress.js';
import type { Turn } from '../turn.js';

/** Who showed a password and must set up a second factor, or be offered one. */
export type SteppingUp = NonNullable<Progress['stepUp']>;

/** For whom, in which request and since which password a new app's secret was made. */
export function setupBinding({ pending }: Turn, { accountId, at }: SteppingUp): string {
  return `${pending.uid} ${accountId} ${at}`;
}

/** What this request and the roles of whoever signs in demand beyond a password; nothing for most. */
export function demandOn(
  { parts, pending }: Pick<Turn, 'parts' | 'pending'>,
  account: Pick<Account, 'roles'> | undefined,
): StrengthDemand | undefined {
  return withRole(pending.demand, mustHaveSecondFactor(account?.roles, parts.secondStepRoles));
}

/**
 * What is still to be shown or set up before somebody is signed in, as the notes of their request; nothing where what they
 * showed is enough. Asked by the one door through which everybody is signed in, whatever way they came.
 */
export async function stillDemanded(
  turn: Turn,
  authentication: Authentication,
  account: Account | undefined,
): Promise<Progress | undefined> {
  const { parts, progress } = turn;
  const { accountId, acr, amr } = authentication;
  const first = amr.includes(BROUGHT) ? ('provider' as const) : undefined;
  const asks = turn.pending.demand !== undefined || parts.secondStepRoles.length > 0;
  if (!asks) return undefined;
  const owner = account ?? (await findAccount(parts.db, accountId));
  const demand = demandOn(turn, owner);
  if (!demand || satisfies(acr, [demand.acr])) return undefined;
  const { email } = progress;
  const wish = demand.because === 'wish';
  if (wish && progress.declined) return undefined;
  /* Whoever reads somebody's mail must not be able to set up a second factor, nor to do without one. */
  if (!amr.includes('pwd') && !first) {
    const tooWeak = progress.recovering ? 'recovered' : 'code';
    return wish ? undefined : { way: 'sign-in', email, tooWeak };
  }
  const at = (authentication.at ?? turn.cameAt).getTime();
  const second = secondOf(authentication);
  /* A factor that came meanwhile, such as on the new phone of whoever has lost theirs, is asked for and not a further one. */
  if (owner?.secondStep && !second)
    return { way: 'sign-in', email, halfway: { accountId, at, by: first ?? 'password' } };
  const { passkeys } = await findWaysIn(parts.db, accountId);
  const has = passkeys > 0;
  if (wish && (has || saidLater(turn))) return undefined;
  /* Whoever finds somebody's browser open must not set up a second factor of their own by a session at a provider. */
  if (first && !second && !has && isStaleThere(turn))
    return wish
      ? undefined
      : { way: 'sign-in', email, organisation: progress.organisation, tooWeak: 'provider' };
  const shown = {
    accountId,
    at,
    ...(first && { by: first }),
    ...(second && { second }),
    ...(has && { has }),
  };
  return { way: 'sign-in', email, stepUp: { ...shown, acr: demand.acr, because: demand.because } };
}

function isStaleThere({ cameAt, progress: { thereSince = cameAt.getTime() } }: Turn): boolean {
  return cameAt.getTime() - thereSince > FRESH_SECONDS * 1_000;
}

function secondOf({ acr, amr }: Authentication): 'app' | 'recovery_code' | undefined {
  if (acr !== 'aal2') return undefined;
  return amr.includes('otp') ? 'app' : 'recovery_code';
}

/** Whether a first step counts no more: the password was changed meanwhile, or somebody said "this wasn't me"; or it waited for longer than a code would. */
export function isOver(
  { cameAt }: Pick<Turn, 'cameAt'>,
  account: Account | undefined,
  provedAt: number,
): boolean {
  return !mayAct({ account, provedAt }) || cameAt.getTime() - provedAt > PROOF_MINUTES * 60_000;
}

/** Which second factor is about to be taken away: every app with the codes, or one passkey. */
export type Leaving = 'apps' | { readonly passkeyId: string };

/**
 * Whether it is the last second factor of somebody who must have one. The account stays locked until the work is over, so
 * that whoever takes away another one at this moment waits, and is told that theirs is the last.
 */
export async function isLastFactor(
  work: Work,
  { secondStepRoles }: Pick<Parts, 'secondStepRoles'>,
  accountId: string,
  leaving: Leaving,
): Promise<boolean> {
  if (secondStepRoles.length === 0) return false;
  const account = await lockAccount(work, accountId);
  if (!mustHaveSecondFactor(account?.roles, secondStepRoles)) return false;
  const { passkeys } = await findWaysIn(work.tx, accountId);
  const { apps } = await findFactors(work.tx, accountId);
  if (leaving === 'apps') return apps.length > 0 && passkeys === 0;
  return (
    apps.length === 0 &&
    passkeys === 1 &&
    (await findPasskey(work.tx, accountId, leaving.passkeyId)) !== undefined
  );
}
