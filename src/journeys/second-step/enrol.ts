import { lockAccount } from '../../domain/accounts/accounts.js';
import { addPasskey, type CheckedRegistration, findWaysIn } from '../../domain/credentials/credentials.js';
import {
  addApp,
  findFactors,
  newRecoveryCodes,
  periodOf,
  replaceCodes,
  storedCodes,
} from '../../domain/factors/factors.js';
import { openWork, type Work } from '../../platform/storage/work.js';
import { seeOther } from '../journey.js';
import { countTry, SECOND_STEPS } from '../limits.js';
import { type News, tellEveryone } from '../notices/tell.js';
import { rememberLater } from '../passkey/later.js';
import { finish, finishAt, leadTo, type Second } from '../sign-in/going-on.js';
import { showProblems } from '../sign-in/pages.js';
import { advance, type Turn, textOf, toStep } from '../turn.js';
import { digitsOf, openSetup } from './app-setup.js';
import { isOver, type SteppingUp, setupBinding } from './demand.js';
import { sealCodes } from './new-code.js';

/** Who sets up a second factor at this step; nobody at any other. */
export function steppingUpOf({ step, progress }: Turn): SteppingUp | undefined {
  return step === 'second-factor' || step === 'second-factor-app' ? progress.stepUp : undefined;
}

function mustStepUp(turn: Turn): SteppingUp {
  const stepUp = steppingUpOf(turn);
  if (!stepUp) throw new Error('nobody sets up a second factor');
  return stepUp;
}

/** "Use an authenticator app", where that is enough. */
export function chooseApp(turn: Turn): void {
  const stepUp = mustStepUp(turn);
  if (stepUp.acr === 'phr') return toStep(turn);
  advance(turn, { ...turn.progress, stepUp: { ...stepUp, app: true } });
}

/** "Choose something else". */
export function chooseAgain(turn: Turn): void {
  const { app: _, ...stepUp } = mustStepUp(turn);
  advance(turn, { ...turn.progress, stepUp });
}

/** "Not now", where the app merely prefers a second step: not asked again in this browser for a month. */
export async function declineFactor(turn: Turn): Promise<void> {
  const { accountId, at, because, second, by = 'password' } = mustStepUp(turn);
  if (because !== 'wish') return toStep(turn);
  rememberLater(turn);
  const signedIn = { accountId, at, by, ...(second && { second }) } as const;
  await finish({ ...turn, progress: { ...turn.progress, declined: true } }, signedIn);
}

/** Takes the first code of a new app: from then on it counts, and whoever set it up goes on. */
export async function confirmApp(turn: Turn): Promise<void> {
  const { ctx, parts, progress, sent } = turn;
  const stepUp = mustStepUp(turn);
  const { accountId } = stepUp;
  const secret = openSetup(parts, setupBinding(turn, stepUp), sent['setup']);
  if (secret === undefined) return showProblems(turn, [{ word: 'setup_expired' }]);
  const typed = textOf(turn, 'code', 64);
  const code = digitsOf(typed);
  await countTry(turn, SECOND_STEPS, { email: progress.email ?? '', account: { id: accountId } });
  const period = code === undefined ? undefined : periodOf(secret, code, new Date());
  if (period === undefined) {
    const word = typed.trim() === '' ? 'second_missing' : 'setup_wrong';
    return showProblems(turn, [{ word, field: 'code' }], { secret });
  }
  const name = parts.pages.say(ctx, 'ways.app');
  const location = await enrol(turn, stepUp, 'app', async work => {
    const added = await addApp(work, parts.keyring, { accountId, secret, period, name });
    if (added.outcome !== 'added') return undefined;
    return { kind: 'app_added', undo: { appId: added.id, addedAt: work.at.toISOString() } };
  });
  seeOther(ctx, location);
}

type Verified = Extract<CheckedRegistration, { outcome: 'verified' }>;

/** Keeps a passkey as the second factor; gives where its owner goes on. */
export function enrolPasskey(turn: Turn, stepUp: SteppingUp, checked: Verified): Promise<string> {
  return enrol(turn, stepUp, 'passkey', async work => {
    const { id: passkeyId } = await addPasskey(work, checked);
    return { kind: 'passkey_added', undo: { passkeyId } };
  });
}

/**
 * Adds a factor for whoever showed the strongest that the account has, and the recovery codes that come with the first one;
 * its owner is told everywhere. Gives where they go on. Somebody may have added one meanwhile: then the password alone adds
 * none any more.
 */
async function enrol(
  turn: Turn,
  { accountId, at, second, by: first = 'password' }: SteppingUp,
  by: Second,
  add: (work: Work) => Promise<Omit<News, 'accountId'> | undefined>,
): Promise<string> {
  const { parts, progress } = turn;
  const { codes: before } = await findFactors(parts.db, accountId);
  const codes = before ? [] : newRecoveryCodes();
  const stored = await storedCodes(parts.hasher, codes);
  const addedAt = await openWork(parts.db, { kind: 'person', id: accountId }, async work => {
    const account = await lockAccount(work, accountId);
    const { passkeys } = await findWaysIn(work.tx, accountId);
    const shown = account?.secondStep === (second !== undefined) && passkeys === 0;
    if (!shown || isOver(turn, account, at)) return undefined;
    const news = await add(work);
    if (!news) return undefined;
    if (stored.length > 0) await replaceCodes(work, accountId, stored);
    await tellEveryone(work, { ...turn, app: turn.pending.app }, { ...news, accountId });
    return work.at;
  });
  if (!addedAt) return leadTo(turn, { way: 'sign-in', email: progress.email });
  const signedIn = { accountId, by: first, second: by, at: addedAt.getTime() } as const;
  if (codes.length === 0) return finishAt(turn, signedIn);
  return leadTo(turn, {
    way: 'sign-in',
    email: progress.email,
    signedIn,
    firstCodes: sealCodes(turn, codes),
  });
}
