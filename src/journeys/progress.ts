import { z } from 'zod';
import type { PendingRequest } from '../oidc/interaction.js';
import type { LostStage } from './sign-in/next-step.js';

const schema = z.object({
  way: z.enum(['sign-in', 'sign-up', 'recovery']).optional(),
  email: z.string().optional(),
  /** Sign-in: the address leads to an organisation. */
  organisation: z.literal(true).optional(),
  /** Sign-in: a code was asked for instead of the password. */
  codeSent: z.boolean().optional(),
  codeState: z.enum(['open', 'expired', 'ended', 'over']).optional(),
  /** A new code was just sent. */
  sentAgain: z.boolean().optional(),
  /** Sign-up: the address was proved, and this is the account's id to be. */
  newAccountId: z.uuid().optional(),
  /** Sign-up: the proof of the address. */
  provedBy: z.uuid().optional(),
  /** Recovery: a code to an address of this account was right. */
  recovering: z
    .object({
      accountId: z.uuid(),
      proof: z.uuid(),
      /** Whether the account's second factor was shown; absent where it has none. */
      second: z.enum(['needed', 'done']).optional(),
      /** What was on a phone that is gone: it signs nobody in once the account is recovered. */
      gone: z.array(z.uuid()).optional(),
    })
    .optional(),
  /** They came with an identity that is nobody's here yet (sealed), at that time (milliseconds) and from that version of a provider. */
  federated: z
    .object({ provider: z.string(), version: z.number(), identity: z.string(), at: z.number() })
    .optional(),
  /** What the provider by which they come in says of them (sealed): taken once they are in. */
  came: z
    .object({ provider: z.string(), version: z.number(), identity: z.string(), at: z.number() })
    .optional(),
  /** The session at an identity provider that they came by: it counts for the account whose it is alone. */
  there: z.uuid().optional(),
  /** Since when they are known to have been signed in there (milliseconds). */
  thereSince: z.number().optional(),
  /** The first step of signing in was done at that time (milliseconds), and the account asks for a second one. */
  halfway: z
    .object({ accountId: z.uuid(), at: z.number(), by: z.enum(['password', 'code', 'provider']) })
    .optional(),
  /** Signed in at that time (milliseconds) and in that way; something comes before going on. */
  signedIn: z
    .object({
      accountId: z.uuid(),
      at: z.number(),
      by: z.enum(['password', 'code', 'provider']).optional(),
      second: z.enum(['app', 'recovery_code', 'passkey']).optional(),
    })
    .optional(),
  /** The password was right, and the app or a role demands more than the account can show so far. */
  stepUp: z
    .object({
      accountId: z.uuid(),
      at: z.number(),
      acr: z.enum(['aal2', 'phr']),
      because: z.enum(['app', 'role', 'wish']),
      /** What the first step was, if no password. */
      by: z.enum(['password', 'provider']).optional(),
      /** What was shown beside the password already. */
      second: z.enum(['app', 'recovery_code']).optional(),
      /** A passkey is there already: it is asked for, and nothing new is set up. */
      has: z.boolean().optional(),
      /** Of what can be set up, an authenticator app was chosen. */
      app: z.boolean().optional(),
    })
    .optional(),
  /** The recovery codes that came with a first factor: sealed, and shown before going on. */
  firstCodes: z.string().optional(),
  /** The way that was tried is not strong enough for what is demanded. */
  tooWeak: z.enum(['code', 'recovered', 'provider']).optional(),
  /** They do not want what the app merely prefers. */
  declined: z.boolean().optional(),
  /** A recovery code was used, and another one took its place: sealed, and shown before going on. */
  newCode: z.string().optional(),
  /** The phone of whoever did a first step is lost. */
  lost: z
    .object({
      accountId: z.uuid(),
      /** What is due once both were shown; until then they choose, or show them. */
      stage: z.enum(['choice', 'going', 'what', 'waiting', 'resting', 'new']),
      /** A code to an address of the account was right. */
      proof: z.uuid().optional(),
      /** The password was right at that time (milliseconds). */
      passwordAt: z.number().optional(),
    })
    .optional(),
  /** They came with what took the place of a lost phone. */
  newPhone: z.boolean().optional(),
  /** What a recovery has suspended was shown: whoever did may stop it. */
  stopping: z.object({ accountId: z.uuid(), recovery: z.uuid(), at: z.number() }).optional(),
  /** The recovery was stopped just now. */
  recoveryStopped: z.boolean().optional(),
  /** Sign-up found the address taken in the meantime. */
  accountExists: z.boolean().optional(),
  /** They proved that an account is theirs which was put away; recovery brings it back. */
  archived: z.boolean().optional(),
  /** They were told that nobody has checked the app, and want to go on. */
  warned: z.boolean().optional(),
  /** The attributes that they were asked for and gave, or did not. */
  settled: z.array(z.string()).optional(),
});

/** The notes of a request on its way; nothing of them outlives it. */
export type Progress = z.output<typeof schema>;

/** The notes of a pending request. */
export function progressOf(pending: PendingRequest): Progress {
  return schema.parse(pending.progress);
}

/** How far somebody is whose phone is lost; nobody else. */
export function lostStageOf({ lost, stopping }: Progress): LostStage | undefined {
  if (stopping) return 'stopping';
  if (!lost) return undefined;
  if (lost.stage === 'choice') return 'choice';
  if (lost.proof === undefined) return 'code';
  if (lost.passwordAt === undefined) return 'password';
  if (lost.stage === 'resting') return 'waiting';
  return lost.stage === 'going' ? 'password' : lost.stage;
}

/** The notes without what is undefined, as they are kept. */
export function keep(progress: Progress): Record<string, unknown> {
  return Object.fromEntries(Object.entries(progress).filter(([, value]) => value !== undefined));
}
