import { z } from 'zod';
import type { PendingRequest } from '../oidc/interaction.js';
import { nextStep, type Step } from './sign-in/next-step.js';

const schema = z.object({
  way: z.enum(['sign-in', 'sign-up']).optional(),
  email: z.string().optional(),
  codeSent: z.boolean().optional(),
  /** A new code was just sent, or the last one is over. */
  codeState: z.enum(['open', 'expired', 'ended']).optional(),
  sentAgain: z.boolean().optional(),
  /** Sign-up: the address was proved, and this is the account's id to be. */
  newAccountId: z.uuid().optional(),
  /** Signed in by password; the passkey offer comes before going on. */
  signedIn: z.uuid().optional(),
});

/** The notes of a request on its way; nothing of them outlives it. */
export type Progress = z.output<typeof schema>;

/** The notes of a pending request. */
export function progressOf(pending: PendingRequest): Progress {
  return schema.parse(pending.progress);
}

/** The step that is due in a pending request. */
export function stepOf(pending: PendingRequest): Step {
  const progress = progressOf(pending);
  return nextStep({
    prompt: pending.prompt.name,
    way: progress.way,
    email: progress.email,
    codeSent: progress.codeSent,
    proved: progress.newAccountId !== undefined,
    offering: progress.signedIn !== undefined,
  });
}

/** The notes without what is undefined, as they are kept. */
export function keep(progress: Progress): Record<string, unknown> {
  return Object.fromEntries(Object.entries(progress).filter(([, value]) => value !== undefined));
}
