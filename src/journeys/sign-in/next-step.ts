/** Every step of the way through a pending request. */
export const STEPS = [
  'choose-account',
  'identifier',
  'organisation',
  'password',
  'sign-in-code',
  'passkey-offer',
  'sign-up-email',
  'sign-up-code',
  'sign-up-credential',
  'federated-account',
  'recovery-code',
  'second-step',
  'new-recovery-code',
  'second-factor',
  'second-factor-app',
  'second-factor-passkey',
  'recovery-codes',
  'recovery-credential',
  'lost',
  'lost-code',
  'lost-password',
  'lost-what',
  'lost-waiting',
  'lost-new',
  'stop-recovery',
  'app-warning',
  'consent',
  'question',
] as const;

/** The steps of somebody who is signed in and asked by an app. */
export const CONSENT_STEPS: readonly Step[] = ['app-warning', 'consent', 'question'];

/** Where somebody is on the way through a request. */
export type Step = (typeof STEPS)[number];

/** The ways to get in. */
export type Way = 'sign-in' | 'sign-up' | 'recovery';

/** How far somebody is whose phone is lost. */
export type LostStage = 'choice' | 'code' | 'password' | 'what' | 'waiting' | 'new' | 'stopping';

/** All that the next step depends on. */
export interface StepFacts {
  /** What the engine asks for. */
  readonly prompt: string;
  /** Which of the ways the person chose, if they did. */
  readonly way?: Way | undefined;
  /** The address typed on this way. */
  readonly email?: string | undefined;
  /** Its domain is one of an organisation where people prove who they are. */
  readonly organisation?: boolean | undefined;
  /** A code was asked for instead of the password. */
  readonly codeSent?: boolean | undefined;
  /** The operator lets people sign in by code. */
  readonly codesAllowed: boolean;
  /** The address was proved, so that an account can be opened for it. */
  readonly proved?: boolean | undefined;
  /** They came with an identity that is nobody's here yet. */
  readonly federated?: boolean | undefined;
  /** The first step of signing in was done, and the account asks for a second one. */
  readonly halfway?: boolean | undefined;
  /** A recovery code was used: the one in its place is shown first. */
  readonly renewed?: boolean | undefined;
  /** A set of recovery codes was made: it is shown first. */
  readonly codesMade?: boolean | undefined;
  /** More is demanded than a password: a second factor is chosen, an app is set up, or the passkey that is there is asked for. */
  readonly stepUp?: 'choice' | 'app' | 'passkey' | undefined;
  /** Signed in by password, with a passkey to be offered before going on. */
  readonly offering?: boolean | undefined;
  /** On the way of recovery: a code to an address of the account was right. */
  readonly recovering?: boolean | undefined;
  /** Their phone is lost, and this is due about it. */
  readonly lost?: LostStage | undefined;
  /** Nobody has looked at who stands behind the app. */
  readonly unreviewed?: boolean | undefined;
  /** They were told so, and want to go on. */
  readonly warned?: boolean | undefined;
  /** Whether the account has a second factor that recovery must not skip. */
  readonly secondFactor: 'none' | 'needed' | 'done';
}

const LOST: Readonly<Record<LostStage, Step>> = {
  choice: 'lost',
  code: 'lost-code',
  password: 'lost-password',
  what: 'lost-what',
  waiting: 'lost-waiting',
  new: 'lost-new',
  stopping: 'stop-recovery',
};

/** Every step of whoever has lost a phone, or holds what is thought to be lost. */
export const LOST_STEPS: readonly Step[] = Object.values(LOST);

const STEP_UP = {
  choice: 'second-factor',
  app: 'second-factor-app',
  passkey: 'second-factor-passkey',
} as const;

/** The next step, from the facts alone: every page and every post asks here what is due. */
export function nextStep(facts: StepFacts): Step {
  if (facts.prompt === 'consent') return facts.unreviewed && !facts.warned ? 'app-warning' : 'consent';
  if (facts.prompt === 'question') return 'question';
  if (facts.lost) return LOST[facts.lost];
  if (facts.renewed) return 'new-recovery-code';
  if (facts.codesMade) return 'recovery-codes';
  if (facts.halfway) return 'second-step';
  if (facts.stepUp) return STEP_UP[facts.stepUp];
  if (facts.offering) return 'passkey-offer';
  if (facts.prompt === 'select_account' && !facts.way) return 'choose-account';
  const way = facts.way ?? (facts.prompt === 'create' ? 'sign-up' : 'sign-in');
  if (way === 'recovery' && facts.email) {
    if (!facts.recovering) return 'recovery-code';
    return facts.secondFactor === 'needed' ? 'second-step' : 'recovery-credential';
  }
  if (way === 'sign-up') {
    if (!facts.email) return 'sign-up-email';
    if (!facts.proved) return 'sign-up-code';
    return facts.federated ? 'federated-account' : 'sign-up-credential';
  }
  if (!facts.email) return 'identifier';
  if (facts.organisation) return 'organisation';
  return facts.codeSent && facts.codesAllowed ? 'sign-in-code' : 'password';
}
