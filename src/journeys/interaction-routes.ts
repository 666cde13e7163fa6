import type Router from '@koa/router';
import type Koa from 'koa';
import { Refusal } from '../platform/errors.js';
import { readForm, readJson } from '../platform/web/input.js';
import { submitChoice } from './choose-account/pages.js';
import { submitConsent, submitDenial } from './consent/pages.js';
import { acceptWarning } from './consent/warning.js';
import { submitFederatedAccount } from './federated/account.js';
import { goAround, submitOrganisation } from './federated/organisation.js';
import type { Parts } from './journey.js';
import { createPasskey, creationOptions, signInByPasskey, signInOptions } from './passkey/passkey.js';
import { skip, submitAnswer } from './questions/pages.js';
import { submitRecovery } from './recovery/code.js';
import { submitBegin } from './recovery/lost/begin.js';
import { submitStopping } from './recovery/lost/factor.js';
import { submitGone } from './recovery/lost/gone.js';
import { submitNewApp } from './recovery/lost/renew.js';
import { leaveLost, submitLost, submitLostPassword, submitWaitingWay } from './recovery/lost/way.js';
import { submitNewPassword } from './recovery/recover.js';
import { chooseAgain, chooseApp, confirmApp, declineFactor } from './second-step/enrol.js';
import { giveFirstCodes, leaveFirstCodes, leaveNewCode } from './second-step/new-code.js';
import { submitSecondStep } from './second-step/second-step.js';
import { submitCode, submitCodeRequest } from './sign-in/code.js';
import { comeBack, submitProvider } from './sign-in/federated.js';
import { goBack, submitIdentifier } from './sign-in/identifier.js';
import { CONSENT_STEPS, STEPS, type Step } from './sign-in/next-step.js';
import { showPending } from './sign-in/pages.js';
import { skipPasskey, submitPassword, WHOSE_PASSWORD } from './sign-in/password.js';
import { submitAccount } from './sign-up/account.js';
import { submitSignUpEmail } from './sign-up/email.js';
import { denyLink, showLink, useLink } from './sign-up/link.js';
import { openTurn, type Turn, toStep } from './turn.js';

type Post = readonly [
  path: string,
  from: readonly Step[],
  act: (turn: Turn) => Promise<void> | void,
  /** What it wants to know along with the pending request. */
  along?: string,
];

const BEFORE_CONSENT = STEPS.filter(step => !CONSENT_STEPS.includes(step));

/** Every form, and the steps it is taken at; at any other it leads to the page of the step that is due. */
const FORMS: readonly Post[] = [
  ['/choose', BEFORE_CONSENT, submitChoice],
  ['/identifier', BEFORE_CONSENT, submitIdentifier],
  ['/sign-up', BEFORE_CONSENT, submitSignUpEmail],
  ['/back', BEFORE_CONSENT, goBack],
  ['/organisation', ['organisation'], submitOrganisation],
  ['/organisation/around', ['organisation'], goAround],
  ['/password', ['password'], submitPassword, WHOSE_PASSWORD],
  [
    '/code/send',
    ['password', 'sign-in-code', 'sign-up-code', 'recovery-code', 'lost-code'],
    submitCodeRequest,
  ],
  ['/code', ['sign-in-code', 'sign-up-code', 'recovery-code', 'lost-code'], submitCode],
  ['/recovery', ['password', 'sign-in-code'], submitRecovery],
  ['/recovery/password', ['recovery-credential'], submitNewPassword],
  ['/recovery/gone', ['recovery-credential'], submitGone],
  ['/second-step', ['second-step', 'second-factor-passkey'], submitSecondStep],
  ['/lost', ['second-step'], submitLost],
  ['/lost/back', ['lost', 'lost-password', 'lost-code'], leaveLost],
  ['/lost/continue', ['lost'], submitWaitingWay],
  ['/lost/password', ['lost-password'], submitLostPassword],
  ['/lost/begin', ['lost-what'], submitBegin],
  ['/lost/app', ['lost-new'], submitNewApp],
  ['/lost/stop', ['stop-recovery'], submitStopping],
  ['/second-step/kept', ['new-recovery-code'], leaveNewCode],
  ['/second-factor/app', ['second-factor'], chooseApp],
  ['/second-factor/other', ['second-factor-app'], chooseAgain],
  ['/second-factor/app/code', ['second-factor-app'], confirmApp],
  ['/second-factor/skip', ['second-factor'], declineFactor],
  ['/recovery-codes/file', ['recovery-codes'], giveFirstCodes],
  ['/recovery-codes/kept', ['recovery-codes'], leaveFirstCodes],
  ['/link/:token', ['sign-up-code'], useLink],
  ['/account', ['sign-up-credential'], submitAccount],
  ['/new-account', ['federated-account'], submitFederatedAccount],
  ['/federated/:provider', BEFORE_CONSENT, submitProvider],
  ['/passkey/skip', ['passkey-offer'], skipPasskey],
  ['/consent/known', ['app-warning'], acceptWarning],
  ['/consent', ['consent'], submitConsent],
  ['/question', ['question'], submitAnswer],
  ['/question/skip', ['question'], skip],
  ['/deny', STEPS, submitDenial],
];

const NEW_PASSKEY = [
  'sign-up-credential',
  'passkey-offer',
  'recovery-credential',
  'lost-new',
  'second-factor',
] as const;

/** Every post of a page's script, and the steps it is taken at. */
const SCRIPTS: readonly Post[] = [
  ['/passkey/options', BEFORE_CONSENT, signInOptions],
  ['/passkey', BEFORE_CONSENT, signInByPasskey],
  ['/passkey/new/options', NEW_PASSKEY, creationOptions],
  ['/passkey/new', NEW_PASSKEY, createPasskey],
];

/** Every page and post of a pending request; each acts only in the browser that began it. */
export function interactionRoutes(router: Router, parts: Parts): void {
  const at = (path: string) => `/interaction/:uid${path}`;
  router.get(at(''), async ctx => showPending(await openTurn(ctx, parts)));
  for (const [path, ...post] of FORMS) router.post(at(path), ctx => takeForm(ctx, parts, post));
  for (const [path, from, act] of SCRIPTS) router.post(at(path), ctx => takeScript(ctx, parts, from, act));
  router.get(at('/federated/:trip'), async ctx => comeBackAt(await openTurn(ctx, parts)));
  router.get(at('/link/:token'), ctx => showLink(ctx, parts));
  router.post(at('/link/:token/deny'), ctx => denyLink(ctx, parts));
}

/* Whoever is past signing in has nothing to bring. */
async function comeBackAt(turn: Turn): Promise<void> {
  return BEFORE_CONSENT.includes(turn.step) ? comeBack(turn) : toStep(turn);
}

async function takeForm(
  ctx: Koa.Context,
  parts: Parts,
  [from, act, along]: readonly [Post[1], Post[2], Post[3]?],
): Promise<void> {
  const turn = await openTurn(ctx, parts, await readForm(ctx, parts.csrf), along);
  return from.includes(turn.step) ? act(turn) : toStep(turn);
}

async function takeScript(ctx: Koa.Context, parts: Parts, from: Post[1], act: Post[2]): Promise<void> {
  const turn = await openTurn(ctx, parts, await readJson(ctx, parts.csrf));
  if (!from.includes(turn.step)) throw new Refusal('conflict', 'finished', 'This step is already done.');
  return act(turn);
}
