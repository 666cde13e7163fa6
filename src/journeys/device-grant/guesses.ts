import type Koa from 'koa';
import { type Limit, PROTECTION_FACTS } from '../../domain/protection/protection.js';
import { networkOf } from '../../platform/addresses.js';
import { Refusal } from '../../platform/errors.js';
import { openWork } from '../../platform/storage/work.js';
import { visitOf } from '../../platform/web/surface.js';
import type { Parts } from '../journey.js';

const QUARTER = 900;

/*
 * A code has 34 bits and lives for ten minutes. Only wrong ones stay counted, so that no number of devices is too many;
 * of all wrong ones together, 2000 in a quarter of an hour find one of a thousand waiting devices once in ten thousand.
 */
function limitsOf(ctx: Koa.Context): readonly Limit[] {
  const limit = (per: string, subject: string, max: number): Limit => ({
    name: 'user-code',
    per,
    subject,
    max,
    window: QUARTER,
  });
  const network = networkOf(visitOf(ctx).address);
  return [limit('network', network, 20), limit('everywhere', '', 2_000)];
}

/** Counts a guess at a device's code before it is looked for, or refuses it (SECURITY: C44). */
export async function countGuess(ctx: Koa.Context, { db, protection }: Parts): Promise<void> {
  const verdict = await protection.count(limitsOf(ctx));
  if (verdict.allowed) return;
  const { reached, retryAfter } = verdict;
  if (reached) {
    const detail = { limit: reached.name, per: reached.per };
    await openWork(db, { kind: 'person' }, async work => work.record({ type: PROTECTION_FACTS[0], detail }));
  }
  throw new Refusal('limited', 'too_many_tries', 'There were too many tries. Please wait.', { retryAfter });
}

/** Takes a guess back that was right. */
export function takeGuessBack(ctx: Koa.Context, { protection }: Parts): Promise<void> {
  return protection.takeBack(limitsOf(ctx));
}
