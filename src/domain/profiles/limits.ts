import { secondsOf } from '../purposes/purposes.js';
import type { ChangeLimits } from './attribute.js';

/** Why a change cannot be made now. */
export type BlockedWhy = 'waiting' | 'step_up' | 'too_often' | 'too_soon';

/** That a change cannot be made now, and from when it can, where time alone solves it. */
export interface Blocked {
  readonly why: BlockedWhy;
  readonly from?: Date;
}

/** What was there before a change. */
export interface Before {
  /** When the changes that count were asked for, newest first; the database counts them. */
  readonly asked: readonly Date[];
  /** One of them still waits or is to take effect. */
  readonly open: boolean;
  /** There is a value. */
  readonly hasValue: boolean;
}

export const later = (at: Date, span: string) => new Date(at.getTime() + secondsOf(span) * 1_000);

/** How far back changes count for anything, in seconds. */
export function reachOf({ changes, cool_down }: ChangeLimits): number {
  return Math.max(changes ? secondsOf(changes.within) : 0, cool_down ? secondsOf(cool_down) : 0);
}

/** Giving a value for the first time is no change; who takes one away and gives another has changed it. */
export function isFirst({ hasValue, asked }: Before): boolean {
  return !hasValue && asked.length === 0;
}

/** Why a change may not be made now; undefined when it may. */
export function judgeChange(
  limits: ChangeLimits,
  before: Before,
  { at, fresh }: { readonly at: Date; readonly fresh: boolean },
): Blocked | undefined {
  if (before.open) return { why: 'waiting' };
  const { changes, cool_down, step_up } = limits;
  const first = isFirst(before);
  const soon = cool_down && before.asked[0] && later(before.asked[0], cool_down);
  const counted = changes && before.asked[changes.max - 1];
  const often = changes && counted && later(counted, changes.within);
  const tooSoon = !first && soon && soon > at ? soon : undefined;
  const tooOften = !first && often && often > at ? often : undefined;
  if (tooOften && (!tooSoon || tooOften >= tooSoon)) return { why: 'too_often', from: tooOften };
  if (tooSoon) return { why: 'too_soon', from: tooSoon };
  return step_up && !fresh ? { why: 'step_up' } : undefined;
}

/** Whether changes of this attribute leave a row behind that limits go by. */
export function isLimited(limits: ChangeLimits): boolean {
  return Object.entries(limits).some(
    ([name, value]) => name !== 'step_up' && value !== undefined && value !== false,
  );
}
