import { type Account, findAccount, lockAccount, wasToldSince } from '../../domain/accounts/accounts.js';
import {
  type CheckedAppCode,
  checkAppCode,
  checkRecoveryCode,
  spelledCode,
  typedCode,
  useAppCode,
  useRecoveryCode,
  useSuspendedCode,
} from '../../domain/factors/factors.js';
import { mayAct } from '../../oidc/acting.js';
import { openWork, type Work } from '../../platform/storage/work.js';
import { noteReplay } from '../journey.js';
import { countTry, SECOND_STEPS, unlessBusy } from '../limits.js';
import { tellEveryone } from '../notices/tell.js';
import type { Progress } from '../progress.js';
import { toStopping } from '../recovery/lost/factor.js';
import { type First, failedSignIn, finish, type Second, turnAway, unavailable } from '../sign-in/going-on.js';
import { showProblems } from '../sign-in/pages.js';
import { advance, type Turn, textOf, toStep } from '../turn.js';
import { digitsOf } from './app-setup.js';
import { demandOn, isOver } from './demand.js';
import { sealNewCode } from './new-code.js';
import { isRememberedHere, rememberHere } from './remembered.js';

const KIND = 'second_step_failed';
const HOUR = 3_600_000;

/**
 * Leads on to the second step, where the account asks for one and this browser is not remembered; says whether it did. What
 * a browser is remembered for does not count where more than a password is demanded, or even wished for.
 */
export async function leadToSecond(turn: Turn, account: Account, by: First): Promise<boolean> {
  if (!account.secondStep) return false;
  const remembered = demandOn(turn, account) === undefined && (await isRememberedHere(turn, account));
  if (remembered) return false;
  const { email } = turn.progress;
  const halfway = { accountId: account.id, at: turn.cameAt.getTime(), by };
  advance(turn, { way: 'sign-in', email, halfway });
  return true;
}

/** Who is at the second step, and since when the first one counts. */
function whoIsHalfway({ progress }: Turn): { readonly accountId: string; readonly at?: number } {
  const who = progress.halfway ?? progress.stepUp ?? progress.recovering;
  if (!who) throw new Error('nobody has done the first step');
  return who;
}

/** Takes a code of an authenticator app, or a recovery code: counted first, and used by the database. */
export async function submitSecondStep(turn: Turn): Promise<void> {
  const { parts, progress, sent } = turn;
  const { accountId, at } = whoIsHalfway(turn);
  /* Whoever is asked for a passkey has no app, or not one that is enough: only a recovery code stands in. */
  const byCode = sent['by'] === 'recovery' || progress.stepUp !== undefined;
  const typed = textOf(turn, 'code', 64);
  const code = byCode ? typedCode(typed) : digitsOf(typed);
  if (code === undefined) {
    const word = typed.trim() === '' ? 'second_missing' : byCode ? 'recovery_malformed' : 'second_malformed';
    return showProblems(turn, [{ word, field: 'code' }]);
  }
  const { email = '' } = progress;
  const counted = await countTry(turn, SECOND_STEPS, { email, account: { id: accountId } });
  const account = await findAccount(parts.db, accountId);
  if (!mayAct({ account, ...(progress.recovering && { way: 'recovery' as const }) })) {
    await turnAway(turn, 'second_step', accountId);
    throw unavailable(account);
  }
  if (at !== undefined && isOver(turn, account, at)) return advance(turn, { way: 'sign-in', email });
  const outcome = byCode
    ? await unlessBusy(turn, counted, () => byRecoveryCode(turn, accountId, code))
    : await byApp(turn, accountId, code);
  if (typeof outcome === 'object' && 'suspendedFor' in outcome)
    return toStopping(turn, accountId, outcome.suspendedFor);
  if (typeof outcome === 'object') return goFurther(turn, outcome);
  parts.interactions.record(failedSignIn(turn, 'second_step', accountId), { kind: 'person' });
  if (outcome === 'wrong') await tellOfWrongSecond(turn, accountId);
  return showProblems(turn, [{ word: byCode ? 'recovery_wrong' : 'second_wrong', field: 'code' }]);
}

/** It was not done, by something that a recovery has suspended. */
interface Suspended {
  readonly suspendedFor: string;
}

/** It was wrong, or right and used before: that may be the same form sent twice. */
type NotDone = 'wrong' | 'again';

/** How the second step was done; a recovery code brings another one. */
interface Done {
  readonly second: Second;
  readonly newCode?: string;
}

async function byApp(turn: Turn, accountId: string, code: string): Promise<Done | Suspended | NotDone> {
  const { db, keyring } = turn.parts;
  const checked = await checkAppCode(db, keyring, accountId, { code, at: new Date() });
  if (!checked) return 'wrong';
  if (checked.suspendedFor !== null) return bySuspended(turn, accountId, checked);
  const used = await openWork(db, { kind: 'person', id: accountId }, async work => {
    const first = await useAppCode(work, accountId, checked);
    if (first) rememberIfWanted(turn, work, accountId);
    return first;
  });
  if (used) return { second: 'app' };
  await noteReplay(turn.ctx, turn.parts, 'app_code', { accountId, clientId: turn.pending.app.clientId });
  return 'again';
}

/* Right, and of an app that a recovery has suspended: it signs nobody in, and whoever has it may stop that. */
async function bySuspended(
  turn: Turn,
  accountId: string,
  checked: CheckedAppCode,
): Promise<Suspended | NotDone> {
  const { db } = turn.parts;
  const used = await openWork(db, { kind: 'person', id: accountId }, work =>
    useSuspendedCode(work, accountId, checked),
  );
  if (used && checked.suspendedFor !== null) return { suspendedFor: checked.suspendedFor };
  await noteReplay(turn.ctx, turn.parts, 'app_code', { accountId, clientId: turn.pending.app.clientId });
  return 'again';
}

async function byRecoveryCode(turn: Turn, accountId: string, code: string): Promise<Done | NotDone> {
  const { db, hasher } = turn.parts;
  const checked = await checkRecoveryCode(db, hasher, accountId, code);
  if (checked.outcome === 'wrong') return 'wrong';
  const used =
    checked.outcome === 'right' &&
    (await openWork(db, { kind: 'person', id: accountId }, async work => {
      if (!(await useRecoveryCode(work, accountId, checked))) return false;
      await tellEveryone(work, { ...turn, app: turn.pending.app }, { accountId, kind: 'recovery_code_used' });
      return true;
    }));
  if (used) return { second: 'recovery_code', newCode: spelledCode(checked.nextCode) };
  const { clientId } = turn.pending.app;
  await noteReplay(turn.ctx, turn.parts, 'recovery_code', { accountId, clientId });
  return 'again';
}

/* Only where somebody signs in with a password: what they prove elsewhere is not what they would skip next time. */
function rememberIfWanted(turn: Turn, work: Work, accountId: string): void {
  if (turn.progress.halfway && turn.sent['remember'] === 'yes') rememberHere(turn, work, accountId);
}

async function goFurther(turn: Turn, { second, newCode }: Done): Promise<void> {
  const { progress } = turn;
  const { email, halfway, stepUp, recovering } = progress;
  const renewed: Progress = newCode === undefined ? {} : { newCode: sealNewCode(turn, newCode) };
  if (recovering) {
    const on: Progress = { ...progress, ...renewed, recovering: { ...recovering, second: 'done' } };
    return advance(turn, on);
  }
  const first = halfway ?? (stepUp && { ...stepUp, by: stepUp.by ?? ('password' as const) });
  if (!first) return toStep(turn);
  const { accountId, by } = first;
  const signedIn = { accountId, by, second, at: turn.cameAt.getTime() };
  if (newCode !== undefined) return advance(turn, { way: 'sign-in', email, signedIn, ...renewed });
  await finish(turn, signedIn);
}

/*
 * Tells the owner at every proven address that somebody knew the password and did not have the second step (ASVS 6.3.5), at
 * most once an hour: whoever comes at the same time waits for the account, and sees that it was told.
 */
async function tellOfWrongSecond(turn: Turn, accountId: string): Promise<void> {
  const { halfway, stepUp } = turn.progress;
  if (halfway?.by !== 'password' && !stepUp) return;
  await openWork(turn.parts.db, { kind: 'person' }, async work => {
    await lockAccount(work, accountId);
    const lately = new Date(work.at.getTime() - HOUR);
    if (await wasToldSince(work.tx, { accountId, about: KIND }, lately)) return;
    await tellEveryone(work, { ...turn, app: turn.pending.app }, { accountId, kind: KIND });
  });
}
