import type Koa from 'koa';
import type { PendingRequest } from '../oidc/interaction.js';
import { type Parts, pendingRequest, seeOther } from './journey.js';
import { keep, lostStageOf, type Progress, progressOf } from './progress.js';
import { nextStep, type Step, type StepFacts, type Way } from './sign-in/next-step.js';

/** One request of a person on the way through a pending request: what they sent, and the step that is due. */
export interface Turn {
  readonly ctx: Koa.Context;
  readonly parts: Parts;
  readonly pending: PendingRequest;
  readonly progress: Progress;
  readonly step: Step;
  /** When it came in: what it proves counts from then, and not from when that was looked at. */
  readonly cameAt: Date;
  /** The fields of the form, or of the JSON that a page's script sent. */
  readonly sent: Readonly<Record<string, unknown>>;
}

/** Finds the pending request that the route names, and where on its way it is. */
export async function openTurn(
  ctx: Koa.Context,
  parts: Parts,
  sent: Turn['sent'] = {},
  along?: string,
): Promise<Turn> {
  const cameAt = new Date();
  const pending = await pendingRequest(ctx, parts, along);
  return at({ ctx, parts, pending, sent, cameAt }, progressOf(pending));
}

function at(turn: Omit<Turn, 'progress' | 'step'>, progress: Progress): Turn {
  const { prompt, app } = turn.pending;
  const unreviewed = !app.verified && !app.firstParty;
  const codesAllowed = turn.parts.emailCodeSignIn;
  const step = nextStep(factsOf(progress, { prompt: prompt.name, codesAllowed, unreviewed }));
  return { ...turn, progress, step };
}

/** What the next step depends on, by the notes of a request and what it is. */
export function factsOf(
  progress: Progress,
  asked: Pick<StepFacts, 'prompt' | 'codesAllowed' | 'unreviewed'>,
): StepFacts {
  const { way, email, organisation, codeSent, warned, stepUp } = progress;
  return {
    ...asked,
    way,
    email,
    organisation,
    codeSent,
    proved: progress.newAccountId !== undefined,
    offering: progress.signedIn !== undefined,
    recovering: progress.recovering !== undefined,
    federated: progress.federated !== undefined,
    halfway: progress.halfway !== undefined,
    renewed: progress.newCode !== undefined,
    lost: lostStageOf(progress),
    codesMade: progress.firstCodes !== undefined,
    stepUp: stepUp && (stepUp.has ? 'passkey' : stepUp.app ? 'app' : 'choice'),
    warned,
    secondFactor: progress.recovering?.second ?? 'none',
  };
}

/** The turn as it would be at the beginning of a way, or of the request; nothing is kept of that. */
export function atStartOf(turn: Turn, way?: Way): Turn {
  return at(turn, { way });
}

/**
 * Keeps the notes and leads to the page of the step that is due then. What somebody brought from an identity provider goes along
 * until it is used, or left behind by name.
 */
export function advance(turn: Turn, progress: Progress): void {
  remember(turn, progress);
  toStep(turn);
}

/** The same without leading anywhere. */
export function remember(turn: Turn, progress: Progress): void {
  const { federated, came, there, thereSince } = turn.progress;
  const along = { federated, came, there, thereSince };
  turn.parts.interactions.remember(turn.pending, keep({ ...along, ...progress }));
}

/** To the page of the current step: a post is never answered with a page that a reload would send again. */
export function toStep({ ctx, pending }: Turn): void {
  seeOther(ctx, stepUrl(pending));
}

/** Where a pending request shows the step that is due. */
export function stepUrl({ uid }: PendingRequest): string {
  return `/interaction/${uid}`;
}

/** A field of what was sent, as text and no longer than anything that makes sense. */
export function textOf({ sent }: Turn, field: string, longest = 1_000): string {
  const value = sent[field];
  return typeof value === 'string' ? value.slice(0, longest) : '';
}
