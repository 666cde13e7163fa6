import { countLeft } from '../domain/steps/steps.js';
import type { LeftBehind } from '../oidc/left-behind.js';
import type { Tx } from '../platform/storage/db.js';
import type { Progress } from './progress.js';
import { nextStep } from './sign-in/next-step.js';
import { factsOf } from './turn.js';

/** The step that was due in a request that nobody finished. */
export function stepLeft({ prompt, progress }: Omit<LeftBehind, 'count'>): string {
  /* Its notes are read as those of a living one: what is masked is only asked whether it is there. */
  const notes = progress as Progress;
  return nextStep(factsOf(notes, { prompt, codesAllowed: true, unreviewed: false }));
}

/** Counts at which steps people gave up. */
export async function noteLeftBehind(tx: Tx, left: readonly LeftBehind[], hour: Date): Promise<void> {
  const steps = new Map<string, number>();
  for (const each of left) {
    const step = stepLeft(each);
    steps.set(step, (steps.get(step) ?? 0) + each.count);
  }
  await countLeft(tx, hour.toISOString().slice(0, 10), steps);
}
