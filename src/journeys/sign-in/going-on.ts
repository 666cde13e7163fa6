import { type Account, authenticatedFrom, findAccount } from '../../domain/accounts/accounts.js';
import { sessionStands } from '../../domain/federation/federation.js';
import { mayAct } from '../../oidc/acting.js';
import type { Authentication } from '../../oidc/interaction.js';
import { Refusal } from '../../platform/errors.js';
import { openWork } from '../../platform/storage/work.js';
import { wake } from '../dormancy/waking.js';
import { linkIfProved, takeWhatCame } from '../federated/linking.js';
import { elsewhereDemanded } from '../federated/required.js';
import { BROUGHT } from '../federated/strength.js';
import { seeOther } from '../journey.js';
import { knownBrowser } from '../known-browser.js';
import { PASSWORDS, SECOND_STEPS, welcome } from '../limits.js';
import { newDeviceJob } from '../notices/new-device.js';
import { waitingUrl } from '../privacy/deletion/waiting.js';
import type { Progress } from '../progress.js';
import { stillDemanded } from '../second-step/demand.js';
import { remember, stepUrl, type Turn } from '../turn.js';
import { heedSignal } from './signal.js';

/** How a password counts. */
export const BY_PASSWORD = { acr: 'aal1', amr: ['pwd'] } as const;
/** RFC 8176 has no name for a code by mail, and none that means a second factor may stand here. */
export const BY_CODE = { acr: 'aal1', amr: [] } as const;
/** How a passkey counts: a key that was not phished, and a person who was verified. */
export const BY_PASSKEY = { acr: 'phr', amr: ['hwk', 'user'] } as const;

type Proof = 'password' | 'code' | 'passkey' | 'second_step' | 'provider';

/** By what somebody did the first step of signing in. */
export type First = 'password' | 'code' | 'provider';
/** By what they did the second. */
export type Second = 'app' | 'recovery_code' | 'passkey';

/** Somebody signed in, and how. */
export type SignedIn = NonNullable<Turn['progress']['signedIn']>;

const FIRST = { password: BY_PASSWORD.amr, code: BY_CODE.amr, provider: [BROUGHT] } as const;

/**
 * How a way of signing in counts. A code by mail is no authenticator (NIST SP 800-63B-4 §3.1.3.1): with it the second step
 * is the only factor. RFC 8176 has no name for a code that was written down.
 */
export function strengthOf({ by = 'password', second }: Pick<SignedIn, 'by' | 'second'>) {
  const first = FIRST[by];
  if (second === undefined) return { acr: 'aal1', amr: first } as const;
  /* One that was just made, with the person verified, as at the opening of an account. */
  if (second === 'passkey') return { acr: 'phr', amr: [...first, ...BY_PASSKEY.amr, 'mfa'] } as const;
  const otp = second === 'app' ? ['otp'] : [];
  if (by === 'code') return { acr: 'aal1', amr: otp } as const;
  return { acr: 'aal2', amr: [...first, ...otp, 'mfa'] } as const;
}

/** The facts that signing in leaves here; what each room did is in its own. */
export const SIGN_IN_FACTS = ['sign_in.failed', 'identity_provider.failed'] as const;

/** The fact that a try did not sign anybody in. */
export function failedSignIn({ pending }: Turn, by: Proof, accountId?: string) {
  const subject = accountId === undefined ? {} : { accountId };
  return { type: SIGN_IN_FACTS[0], ...subject, clientId: pending.app.clientId, detail: { by } };
}

/** Somebody proved who they are, and may not sign in: that is on record before they are told. */
export async function turnAway(turn: Turn, by: Proof, accountId?: string): Promise<void> {
  await openWork(turn.parts.db, { kind: 'person' }, async work =>
    work.record(failedSignIn(turn, by, accountId)),
  );
}

/** Said only to whoever proved that the account is theirs; a frozen one can be recovered. */
export function unavailable(account?: { readonly state: string }): Refusal {
  if (account?.state === 'frozen') {
    return new Refusal('forbidden', 'account_frozen', 'This account is frozen until its owner recovers it.');
  }
  return new Refusal('forbidden', 'account_unavailable', 'This account cannot be used at the moment.');
}

/* By a passkey nobody shows that they know a password, or a code of an app. */
const PROVED = { aal1: [PASSWORDS], aal2: [PASSWORDS, SECOND_STEPS], phr: [] } as const;

/** Signs somebody in who proved all that was asked, unless their account or their proof has ended meanwhile. */
export async function finish(turn: Turn, signedIn: SignedIn): Promise<void> {
  seeOther(turn.ctx, await finishAt(turn, signedIn));
}

/** The same for a page's script: gives where the request goes on. */
export async function finishAt(turn: Turn, { accountId, at, ...how }: SignedIn): Promise<string> {
  const account = await findAccount(turn.parts.db, accountId);
  if (!mayAct({ account })) {
    await turnAway(turn, how.second ? 'second_step' : 'password', accountId);
    throw unavailable(account);
  }
  const { email, there } = turn.progress;
  const over =
    !mayAct({ account, provedAt: at }) ||
    /* Asked again, since they were elsewhere for a while (C03). */
    (how.by === 'provider' && !(await sessionStands(turn.parts.db, { accountId, id: there ?? '' })));
  if (over)
    return leadTo(turn, { way: 'sign-in', email, came: undefined, there: undefined, thereSince: undefined });
  const thereSince = how.second ? undefined : turn.progress.thereSince;
  const on = { ...turn, progress: { ...turn.progress, thereSince } };
  return goOn(on, { accountId, at: new Date(at), ...strengthOf(how) }, account);
}

/** Keeps the notes of a request, and gives the address of the step that is due then. */
export function leadTo(turn: Turn, progress: Progress): string {
  remember(turn, progress);
  return stepUrl(turn.pending);
}

/**
 * The one door: signs somebody in, on record how, and gives the address where their request goes on. Whoever showed less
 * than the app, a role or the domain of an address demands is led on instead, and is not signed in.
 */
export async function goOn(turn: Turn, authentication: Authentication, account?: Account): Promise<string> {
  const demanded =
    (await elsewhereDemanded(turn, authentication, account)) ??
    (await stillDemanded(turn, authentication, account));
  if (demanded) return leadTo(turn, demanded);
  const woken = await wake(turn, account);
  const heeded = await heedSignal(turn, authentication.accountId, account);
  const { ctx, parts, pending, step } = turn;
  const { accountId, acr } = authentication;
  const there = (await linkIfProved(turn, accountId)) ?? turn.progress.there;
  await takeWhatCame(turn, accountId);
  const { name } = pending.prompt;
  const answered = name === 'create' || name === 'select_account' ? { [name]: {} } : {};
  /* Whoever has just signed up has no other device, and of a recovery every address was told. */
  const isTold = ['sign-up-credential', 'federated-account', 'recovery-credential'].includes(step);
  const known = welcome(turn, accountId, PROVED[acr], isTold ? undefined : newDeviceJob(turn, accountId));
  const at = authenticatedFrom(authentication.at ?? turn.cameAt, account);
  const since = knownSince(turn, authentication, { at, account });
  const { federated, came } = turn.progress;
  const changed = woken || heeded || federated || came;
  const named = known !== undefined && knownBrowser(turn) !== undefined;
  const asRead = changed ? undefined : { named };
  const proved = { ...authentication, at, since, known, there, asRead };
  const to = await parts.interactions.signIn(ctx, proved, answered);
  return account?.leavingAt ? waitingUrl(ctx, parts, accountId, to) : to;
}

/* Whoever came from a provider may have been signed in there for days: that is no fresh sign-in here. */
function knownSince(
  { progress: { thereSince } }: Turn,
  { amr }: Pick<Authentication, 'amr'>,
  { at, account }: { readonly at: Date; readonly account: Account | undefined },
): Date {
  if (thereSince === undefined || !amr.includes(BROUGHT)) return at;
  const earliest = account?.signedOutBefore?.getTime() ?? 0;
  return new Date(Math.min(at.getTime(), Math.max(thereSince, earliest)));
}
