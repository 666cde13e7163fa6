import { PROOF_MINUTES } from '../../domain/contacts/contacts.js';
import { PASSWORD_MINIMUM } from '../../domain/credentials/credentials.js';
import { showChooser } from '../choose-account/pages.js';
import { showConsent } from '../consent/pages.js';
import { showWarning } from '../consent/warning.js';
import { showFederatedAccount } from '../federated/account-page.js';
import { providerButtons, providerName } from '../federated/buttons.js';
import { showOrganisation } from '../federated/organisation-page.js';
import { openPending } from '../federated/pending.js';
import { badgeOf, show } from '../journey.js';
import type { Problem } from '../page-models.js';
import { showQuestion } from '../questions/pages.js';
import { heldOf } from '../recovery/lost/gone.js';
import { showLost } from '../recovery/lost/show.js';
import { openNewCode } from '../second-step/new-code.js';
import { showStepUp } from '../second-step/pages.js';
import { nameAsked } from '../sign-up/name.js';
import { TERMS_VERSION } from '../terms.js';
import { atStartOf, stepUrl, type Turn } from '../turn.js';
import { CONSENT_STEPS, LOST_STEPS, type Way } from './next-step.js';
import { noticeOf } from './notices.js';

const LONGEST_HINT = 254;

/** What a form that came back shows again. */
export interface Typed {
  readonly email?: string;
  readonly name?: string;
  readonly termsAccepted?: boolean;
  /** Of an app that is being set up. */
  readonly secret?: string;
}

/** Shows the step that is due, or the start of the other way; looking changes nothing. */
export function showPending(turn: Turn): Promise<void> {
  const way = turn.ctx.query['way'];
  if (way === 'choose' && chooses(turn)) return showStep(atStartOf(turn));
  const elsewhere = (way === 'sign-in' || way === 'sign-up') && way !== wayOf(turn);
  return showStep(elsewhere ? atStartOf(turn, way) : turn);
}

/** The way that a step belongs to; the steps after a proof belong to none. */
function wayOf({ step }: Turn): Way | undefined {
  if (
    [
      ...CONSENT_STEPS,
      'passkey-offer',
      'choose-account',
      'recovery-credential',
      'second-step',
      'new-recovery-code',
      ...LOST_STEPS,
      'second-factor',
      'second-factor-app',
      'second-factor-passkey',
      'recovery-codes',
    ].includes(step)
  )
    return undefined;
  return step.startsWith('sign-up') || step === 'federated-account' ? 'sign-up' : 'sign-in';
}

/** Shows the page of the step again, with what was wrong about what was sent. */
export function showProblems(turn: Turn, problems: readonly Problem[], typed: Typed = {}): Promise<void> {
  turn.ctx.status = 400;
  return showStep(turn, problems, typed);
}

async function showStep(turn: Turn, problems: readonly Problem[] = [], typed: Typed = {}): Promise<void> {
  const { ctx, parts, progress, pending } = turn;
  const lost = showLost(turn, problems);
  if (lost) return lost;
  const notice = noticeOf(turn);
  const email = progress.email ?? '';
  const { federated } = progress;
  const broughtFrom = federated && (await providerName(turn, federated.provider));
  const base = {
    uid: pending.uid,
    app: badgeOf(pending),
    problems,
    ...(notice && { notice }),
    ...(broughtFrom !== undefined && { broughtFrom }),
  };
  switch (turn.step) {
    case 'choose-account': {
      if (await showChooser(turn, problems)) return;
      return showStep(atStartOf(turn, 'sign-in'));
    }
    case 'identifier': {
      const way = wayLinks(turn);
      return show(ctx, parts, 'sign-in/identifier', {
        ...base,
        ...way,
        ...(await providerButtons(turn)),
        ...(chooses(turn) && { chooseUrl: `${stepUrl(pending)}?way=choose` }),
        email: await likelyEmail(turn, typed),
      });
    }
    case 'sign-up-email':
      return show(ctx, parts, 'sign-up/email', {
        ...base,
        ...wayLinks(turn),
        ...(federated ? {} : await providerButtons(turn)),
        email: await likelyEmail(turn, typed),
      });
    case 'federated-account':
      return showFederatedAccount(turn, problems, typed);
    case 'organisation':
      return showOrganisation(turn, problems);
    case 'password':
      return show(ctx, parts, 'sign-in/password', {
        ...base,
        ...(federated && (await providerButtons(turn))),
        email,
        emailCode: codeEnough(turn),
      });
    case 'sign-in-code':
      return show(ctx, parts, 'sign-in/code', { ...base, ...codePage(turn, problems), email });
    case 'sign-up-code':
      return show(ctx, parts, 'sign-up/code', { ...base, ...codePage(turn, problems), email });
    case 'sign-up-credential': {
      const terms = { version: TERMS_VERSION, url: '/terms' };
      const minimumLength = PASSWORD_MINIMUM.alone;
      const withoutName = nameAsked(parts.profile) === undefined;
      const page = { ...base, ...typed, email, terms, minimumLength, withoutName };
      return show(ctx, parts, 'sign-up/credential', page);
    }
    case 'recovery-code':
    case 'lost-code':
      return show(ctx, parts, 'recovery/code', { ...base, ...codePage(turn, problems), email });
    case 'recovery-credential': {
      const minimumLength = PASSWORD_MINIMUM.alone;
      const held = await heldOf(turn);
      const said = progress.recovering?.gone !== undefined;
      return show(ctx, parts, 'recovery/credential', { ...base, email, minimumLength, held, said });
    }
    case 'second-step':
      return show(ctx, parts, 'second-step/code', { ...base, ...secondPage(turn), email });
    case 'new-recovery-code':
      return show(ctx, parts, 'second-step/new-code', { ...base, code: openNewCode(turn) });
    case 'second-factor':
    case 'second-factor-app':
    case 'second-factor-passkey':
    case 'recovery-codes':
      return showStepUp(turn, base, typed.secret);
    case 'passkey-offer':
      return show(ctx, parts, 'passkey/offer', { ...base, email });
    case 'app-warning':
      return showWarning(turn);
    case 'consent':
      return showConsent(turn, problems);
    case 'question':
      return showQuestion(turn);
  }
}

/* The request began with the choice of an account, and with accounts to choose from. */
function chooses({ pending: { prompt, accountId } }: Turn): boolean {
  if (prompt.name !== 'select_account') return false;
  return accountId !== undefined || prompt.reasons.includes('account_unclear');
}

/* Where more is demanded, a code by mail would only lead back. */
function codeEnough({ parts, pending: { demand } }: Turn): boolean {
  return parts.emailCodeSignIn && (demand === undefined || demand.because === 'wish');
}

function wayLinks({ pending, step }: Turn) {
  const url = stepUrl(pending);
  const [signInUrl, signUpUrl] = [`${url}?way=sign-in`, `${url}?way=sign-up`];
  return { signInUrl, signUpUrl, here: step === 'identifier' ? signInUrl : signUpUrl };
}

function secondPage({ ctx, pending, progress, sent }: Turn) {
  const by = (sent['by'] ?? ctx.query['by']) === 'recovery' ? 'recovery' : 'app';
  const url = stepUrl(pending);
  return {
    by,
    otherUrl: by === 'app' ? `${url}?by=recovery` : url,
    mayRemember: by === 'app' && progress.halfway !== undefined,
    here: by === 'app' ? url : `${url}?by=recovery`,
  } as const;
}

function codePage({ progress }: Turn, problems: readonly Problem[]) {
  const sentAgain = progress.sentAgain === true && problems.length === 0;
  return { minutes: PROOF_MINUTES, state: progress.codeState ?? 'open', sentAgain };
}

/** What was typed, else whom the app expects, else whoever is signed in and not the wrong one. */
async function likelyEmail(turn: Turn, typed: Typed): Promise<string> {
  if (typed.email !== undefined) return typed.email;
  const { federated } = turn.progress;
  if (federated) return openPending(turn, federated).email?.address.slice(0, LONGEST_HINT) ?? '';
  const hint = turn.pending.params['login_hint'];
  if (typeof hint === 'string' && hint.includes('@')) return hint.slice(0, LONGEST_HINT);
  if (turn.step !== 'identifier' || noticeOf(turn) === 'someone_else') return '';
  const account = await turn.parts.interactions.account(turn.pending);
  return account?.email?.address ?? '';
}
