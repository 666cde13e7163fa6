/** Where somebody is on the way through a request. */
export type Step =
  | 'identifier'
  | 'password'
  | 'sign-in-code'
  | 'passkey-offer'
  | 'sign-up-email'
  | 'sign-up-code'
  | 'sign-up-credential'
  | 'consent';

/** All that the next step depends on. */
export interface StepFacts {
  /** What the engine asks for. */
  readonly prompt: string;
  /** Which of the two ways the person chose, if they did. */
  readonly way?: 'sign-in' | 'sign-up' | undefined;
  /** The address typed on this way. */
  readonly email?: string | undefined;
  /** A code was asked for instead of the password. */
  readonly codeSent?: boolean | undefined;
  /** The address was proved, so that an account can be opened for it. */
  readonly proved?: boolean | undefined;
  /** Signed in by password, with a passkey to be offered before going on. */
  readonly offering?: boolean | undefined;
}

/** The next step, from the facts alone: every page and every post asks here what is due. */
export function nextStep(facts: StepFacts): Step {
  if (facts.prompt === 'consent') return 'consent';
  if (facts.offering) return 'passkey-offer';
  const way = facts.way ?? (facts.prompt === 'create' ? 'sign-up' : 'sign-in');
  if (way === 'sign-up') {
    if (!facts.email) return 'sign-up-email';
    return facts.proved ? 'sign-up-credential' : 'sign-up-code';
  }
  if (!facts.email) return 'identifier';
  return facts.codeSent ? 'sign-in-code' : 'password';
}
