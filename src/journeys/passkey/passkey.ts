import type Koa from 'koa';
import {
  addPasskey,
  beginAuthentication,
  beginRegistration,
  checkAuthentication,
  checkRegistration,
  usePasskey,
} from '../../domain/credentials/credentials.js';
import { findAccount } from '../../domain/accounts/accounts.js';
import type { PendingRequest } from '../../oidc/interaction.js';
import { Refusal } from '../../platform/errors.js';
import { openWork } from '../../platform/storage/work.js';
import { readJson } from '../../platform/web/input.js';
import { visitOf } from '../../platform/web/surface.js';
import { mail } from '../codes.js';
import { askedFrom, type Parts, pendingRequest } from '../journey.js';
import { challengeLimits } from '../limits.js';
import { progressOf } from '../progress.js';
import { type Applicant, applicantOf, applicationProblems, openApplicantsAccount, restartTaken } from '../sign-up/account.js';
import { goOn } from '../sign-in/going-on.js';

const BY_PASSKEY = { acr: 'phr', amr: ['hwk', 'user'] } as const;

function answer(ctx: Koa.Context, body: object): void {
  ctx.status = 200;
  ctx.body = body;
}

async function allowChallenge(ctx: Koa.Context, parts: Parts): Promise<void> {
  const verdict = await parts.protection.count(challengeLimits(visitOf(ctx).address));
  if (!verdict.allowed) {
    throw new Refusal('limited', 'too_many_tries', 'There were too many tries from your network. Please wait.', {
      retryAfter: verdict.retryAfter,
    });
  }
}

/** What the browser needs to ask for a passkey; it says nothing about anybody, so nothing can be enumerated. */
export async function signInOptions(ctx: Koa.Context, parts: Parts): Promise<void> {
  await readJson(ctx, parts.csrf);
  const pending = await pendingRequest(ctx, parts);
  await allowChallenge(ctx, parts);
  answer(ctx, await beginAuthentication(parts.db, { rp: parts.rp, binding: pending.uid }));
}

/** Signs in whoever answered the challenge. */
export async function signInByPasskey(ctx: Koa.Context, parts: Parts): Promise<void> {
  const body = await readJson(ctx, parts.csrf);
  const pending = await pendingRequest(ctx, parts);
  if (pending.prompt.name === 'consent') throw new Refusal('conflict', 'finished', 'This step is already done.');
  const response = body['credential'];
  const checked = await checkAuthentication(parts.db, { rp: parts.rp, binding: pending.uid, response });
  const signedIn = await openWork(parts.db, { kind: 'person' }, work => usePasskey(work, checked));
  const account = signedIn.outcome === 'signed-in' ? await findAccount(parts.db, signedIn.accountId) : undefined;
  if (account?.state !== 'active') {
    const unknown = signedIn.outcome === 'refused' && signedIn.reason === 'unknown_passkey';
    const words = parts.pages.say(ctx, unknown ? 'passkey.unknown' : 'passkey.refused');
    throw new Refusal('invalid', unknown ? 'passkey_unknown' : 'passkey_refused', words);
  }
  answer(ctx, { location: await goOn(ctx, parts, pending, { accountId: account.id, ...BY_PASSKEY }) });
}

interface Owner {
  readonly accountId: string;
  readonly email: string;
  readonly name: string;
  /** The account is opened together with the passkey. */
  readonly applicant?: Applicant;
}

async function ownerOf(ctx: Koa.Context, parts: Parts, pending: PendingRequest, body: Readonly<Record<string, unknown>>): Promise<Owner> {
  const applicant = applicantOf(pending, body['name']);
  if (applicant) {
    const [problem] = applicationProblems(applicant, body['terms'] === true);
    if (!problem) return { ...applicant, applicant };
    throw new Refusal('invalid', problem.word, parts.pages.say(ctx, `problem.${problem.word}`));
  }
  const { signedIn, email } = progressOf(pending);
  if (signedIn && email) return { accountId: signedIn, email, name: '' };
  throw new Refusal('conflict', 'finished', 'This step is already done.');
}

/** What the browser needs to make a passkey, for the account to be or for the one just signed in to. */
export async function creationOptions(ctx: Koa.Context, parts: Parts): Promise<void> {
  const body = await readJson(ctx, parts.csrf);
  const pending = await pendingRequest(ctx, parts);
  const owner = await ownerOf(ctx, parts, pending, body);
  await allowChallenge(ctx, parts);
  const options = await beginRegistration(parts.db, {
    rp: parts.rp,
    binding: pending.uid,
    accountId: owner.accountId,
    userName: owner.email,
    displayName: owner.name || owner.email,
    upgrade: body['conditional'] === true && !owner.applicant,
  });
  answer(ctx, options);
}

/** Keeps a new passkey; while signing up it opens the account with it, in one transaction. */
export async function createPasskey(ctx: Koa.Context, parts: Parts): Promise<void> {
  const body = await readJson(ctx, parts.csrf);
  const pending = await pendingRequest(ctx, parts);
  const owner = await ownerOf(ctx, parts, pending, body);
  const checked = await checkRegistration(parts.db, { rp: parts.rp, binding: pending.uid, response: body['credential'] });
  const language = parts.pages.language(ctx);
  if (checked.outcome === 'refused' || checked.passkey.accountId !== owner.accountId) {
    throw new Refusal('invalid', 'passkey_refused', parts.pages.say(ctx, 'passkey.refused'));
  }
  const { applicant } = owner;
  await openWork(parts.db, { kind: 'person', id: owner.accountId }, async work => {
    if (applicant) await openApplicantsAccount(work, applicant, language);
    await addPasskey(work, checked);
    if (applicant) return;
    const asked = { at: work.at, app: pending.app.name, ...askedFrom(ctx) };
    mail(work, parts, 'passkey-added', owner.email, language, { homeUrl: `${parts.issuer.origin}/`, asked });
  }).catch(error => restartTaken(parts, pending, error));
  const how = applicant ? BY_PASSKEY : ({ acr: 'aal1', amr: ['pwd'] } as const);
  answer(ctx, { location: await goOn(ctx, parts, pending, { accountId: owner.accountId, ...how }) });
}
