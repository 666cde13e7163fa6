import type Koa from 'koa';
import { findAccount } from '../../domain/accounts/accounts.js';
import {
  addPasskey,
  beginAuthentication,
  beginRegistration,
  type CheckedRegistration,
  checkAuthentication,
  checkRegistration,
  removePassword,
  usePasskey,
} from '../../domain/credentials/credentials.js';
import { mayAct } from '../../oidc/acting.js';
import type { Authentication } from '../../oidc/interaction.js';
import { Refusal } from '../../platform/errors.js';
import { openWork } from '../../platform/storage/work.js';
import { noteReplay } from '../journey.js';
import { CHALLENGES, countTry } from '../limits.js';
import { FRESH_SECONDS } from '../manage/freshness.js';
import { tellEveryone } from '../notices/tell.js';
import { beginReturn, isArchived } from '../recovery/archived.js';
import { toStopping } from '../recovery/lost/factor.js';
import { complete } from '../recovery/lost/renew.js';
import { proveAgain, type Recovering, recover, recoveringOf } from '../recovery/recover.js';
import type { SteppingUp } from '../second-step/demand.js';
import { enrolPasskey, steppingUpOf } from '../second-step/enrol.js';
import { BY_CODE, BY_PASSKEY, goOn, strengthOf, turnAway, unavailable } from '../sign-in/going-on.js';
import {
  type Applicant,
  applicantOf,
  applicationProblems,
  openApplicantsAccount,
  openedOrTaken,
} from '../sign-up/account.js';
import { stepUrl, type Turn } from '../turn.js';

function answer(ctx: Koa.Context, body: object): void {
  ctx.status = 200;
  ctx.body = body;
}

/* Said in the language of the page, which shows it. */
function refuse({ ctx, parts }: Turn, code: string, key: string): never {
  ctx.set('Content-Language', parts.pages.language(ctx));
  throw new Refusal('invalid', code, parts.pages.say(ctx, key));
}

/** What the browser needs to ask for a passkey; it says nothing about anybody, so nothing can be enumerated. */
export async function signInOptions(turn: Turn): Promise<void> {
  const { ctx, parts, pending } = turn;
  await countTry(turn, CHALLENGES);
  answer(ctx, await beginAuthentication(parts.db, { rp: parts.rp, binding: pending.uid }));
}

/** Signs in whoever answered the challenge. */
export async function signInByPasskey(turn: Turn): Promise<void> {
  const { ctx, parts, pending, sent } = turn;
  const answered = { rp: parts.rp, binding: pending.uid, response: sent['credential'] };
  const checked = await checkAuthentication(parts.db, answered);
  await noteUsedChallenge(turn, checked);
  const account = checked.outcome === 'verified' && (await findAccount(parts.db, checked.passkey.accountId));
  if (account && isArchived(account)) {
    await turnAway(turn, 'passkey', account.id);
    await beginReturn(turn, account);
    return answer(ctx, { location: stepUrl(pending) });
  }
  if (account && !mayAct({ account })) {
    await turnAway(turn, 'passkey', account.id);
    return refuse(turn, 'passkey_refused', 'problem.passkey_failed');
  }
  const signedIn = await openWork(parts.db, { kind: 'person' }, work => usePasskey(work, checked));
  if (signedIn.outcome === 'signed-in') {
    return answer(ctx, {
      location: await goOn(turn, { accountId: signedIn.accountId, ...BY_PASSKEY }, account || undefined),
    });
  }
  if (signedIn.suspendedFor !== undefined && signedIn.accountId !== undefined) {
    toStopping(turn, signedIn.accountId, signedIn.suspendedFor);
    return answer(ctx, { location: stepUrl(pending) });
  }
  if (signedIn.reason === 'unknown_passkey') return refuse(turn, 'passkey_unknown', 'passkey.unknown');
  return refuse(turn, 'passkey_refused', 'problem.passkey_failed');
}

/* A challenge is good for one answer, in its own request: any other answer may be a stolen one. */
async function noteUsedChallenge(
  turn: Turn,
  checked: { readonly outcome: string; readonly reason?: string },
) {
  if (checked.outcome !== 'refused' || checked.reason !== 'challenge') return;
  await noteReplay(turn.ctx, turn.parts, 'passkey_challenge', { clientId: turn.pending.app.clientId });
}

interface Owner {
  readonly accountId: string;
  readonly email: string;
  readonly name: string;
  /** The account is opened together with the passkey. */
  readonly applicant?: Applicant;
  /** The account is recovered with the passkey. */
  readonly recovering?: Recovering;
  /** It takes the place of what was on a lost phone. */
  readonly renewing?: true;
  /** The passkey is a second factor that is demanded. */
  readonly stepUp?: SteppingUp;
  /** How its owner is signed in once the passkey is kept. */
  readonly authentication: Authentication;
}

function ownerOf(turn: Turn): Owner {
  const { progress, sent } = turn;
  const applicant = applicantOf(turn);
  if (applicant) {
    const [problem] = applicationProblems(applicant, sent['terms'] === true, turn.parts);
    if (problem) return refuse(turn, problem.word, `problem.${problem.word}`);
    return { ...applicant, applicant, authentication: { accountId: applicant.accountId, ...BY_PASSKEY } };
  }
  const { signedIn, email = '' } = progress;
  const recovering = recoveringOf(turn);
  if (recovering) {
    const { accountId } = recovering;
    return { accountId, email, name: '', recovering, authentication: { accountId, ...BY_CODE } };
  }
  if (turn.step === 'lost-new' && progress.lost) {
    const { accountId } = progress.lost;
    return { accountId, email, name: '', renewing: true, authentication: { accountId, ...BY_CODE } };
  }
  const stepUp = steppingUpOf(turn);
  if (stepUp) {
    const { accountId } = stepUp;
    return { accountId, email, name: '', stepUp, authentication: { accountId, ...BY_PASSKEY } };
  }
  if (!signedIn) throw new Error('no passkey was offered');
  const { accountId, at, ...how } = signedIn;
  /* They may still go on with it; what lets somebody in for years takes more than that. */
  if (turn.cameAt.getTime() - at > FRESH_SECONDS * 1000)
    return refuse(turn, 'passkey_refused', 'problem.passkey_failed');
  const authentication = { accountId, at: new Date(at), ...strengthOf(how) };
  return { accountId, email, name: '', authentication };
}

/** What the browser needs to make a passkey, for the account to be or for the one just signed in to. */
export async function creationOptions(turn: Turn): Promise<void> {
  const { ctx, parts, pending, sent } = turn;
  const owner = ownerOf(turn);
  await countTry(turn, CHALLENGES);
  const options = await beginRegistration(parts.db, {
    rp: parts.rp,
    binding: pending.uid,
    accountId: owner.accountId,
    userName: owner.email,
    displayName: owner.name || owner.email,
    upgrade: sent['conditional'] === true && turn.step === 'passkey-offer',
  });
  answer(ctx, options);
}

/** Keeps a new passkey; while signing up it opens the account with it, while recovering it recovers it, in one transaction. */
export async function createPasskey(turn: Turn): Promise<void> {
  const { ctx, parts, pending, sent } = turn;
  const owner = ownerOf(turn);
  /* Elsewhere it is what they are signed in by, and then somebody was verified. */
  const upgrade = turn.step === 'passkey-offer';
  const answered = { rp: parts.rp, binding: pending.uid, response: sent['credential'], upgrade };
  const checked = await checkRegistration(parts.db, answered);
  await noteUsedChallenge(turn, checked);
  if (checked.outcome === 'refused' || checked.passkey.accountId !== owner.accountId) {
    return refuse(turn, 'passkey_refused', 'problem.passkey_failed');
  }
  if (owner.stepUp) return answer(ctx, { location: await enrolPasskey(turn, owner.stepUp, checked) });
  const authentication = await keep(turn, owner, checked);
  answer(ctx, { location: authentication ? await goOn(turn, authentication) : stepUrl(pending) });
}

type Verified = Extract<CheckedRegistration, { outcome: 'verified' }>;

/** Gives how the owner is signed in with the passkey kept; undefined when the request goes on elsewhere. */
async function keep(turn: Turn, owner: Owner, checked: Verified): Promise<Authentication | undefined> {
  const { ctx, parts } = turn;
  const { applicant, recovering, renewing, accountId, authentication } = owner;
  if (applicant) {
    const opened = await openedOrTaken(turn, applicant, async work => {
      await openApplicantsAccount(work, parts, applicant, parts.pages.language(ctx));
      await addPasskey(work, checked);
    });
    return opened ? authentication : undefined;
  }
  const passkeyId = checked.passkey.id;
  if (renewing) {
    await complete(turn, async work => {
      await addPasskey(work, checked);
      return { addedPasskey: passkeyId };
    });
    return undefined;
  }
  if (recovering) {
    const recovered = await recover(turn, recovering, { kind: 'passkey', passkeyId }, async work => {
      await addPasskey(work, checked);
      await removePassword(work, accountId);
    });
    if (!recovered) proveAgain(turn);
    return recovered;
  }
  await openWork(parts.db, { kind: 'person', id: accountId }, async work => {
    const account = await findAccount(work.tx, accountId);
    if (!mayAct({ account })) throw unavailable(account);
    if (!mayAct({ account, provedAt: authentication.at?.getTime() ?? 0 }))
      return refuse(turn, 'passkey_refused', 'problem.passkey_failed');
    await addPasskey(work, checked);
    const news = { accountId, kind: 'passkey_added', undo: { passkeyId } } as const;
    await tellEveryone(work, { ...turn, app: turn.pending.app }, news);
  });
  return authentication;
}
