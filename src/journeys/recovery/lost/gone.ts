import { z } from 'zod';
import { listPasskeys, suspendPasskeys } from '../../../domain/credentials/credentials.js';
import { findFactors, suspendApps } from '../../../domain/factors/factors.js';
import { beginRecovery, stepRecovery } from '../../../domain/recoveries/recoveries.js';
import type { Work } from '../../../platform/storage/work.js';
import { advance, type Turn, toStep } from '../../turn.js';
import { sealAsked } from './tell.js';

const ids = z.array(z.uuid()).max(200);

/** Something that may have been on a phone that is gone. */
export interface Held {
  readonly id: string;
  readonly name: string;
  readonly addedAt: Date;
  /** It is said to have been on it. */
  readonly gone: boolean;
}

/** What an account has that may have been on a phone: its passkeys and its authenticator apps. */
export async function heldOf({ parts, progress }: Turn): Promise<readonly Held[]> {
  const { accountId = '', gone = [] } = progress.recovering ?? {};
  const [passkeys, { apps }] = await Promise.all([
    listPasskeys(parts.db, accountId),
    findFactors(parts.db, accountId),
  ]);
  const counting = [...passkeys.filter(({ suspendedFor }) => suspendedFor === null), ...apps];
  return counting.map(({ id, name, addedAt }) => ({ id, name, addedAt, gone: gone.includes(id) }));
}

/** Whoever may recover the account says what was on the phone; nothing happens before they do. */
export function submitGone(turn: Turn): void {
  const { progress, sent } = turn;
  const { recovering } = progress;
  if (!recovering) return toStep(turn);
  const gone = ids.safeParse([sent['gone'] ?? []].flat()).data ?? [];
  advance(turn, { ...progress, recovering: { ...recovering, gone } });
}

/** From where what is gone was said to be; before the work is opened. */
export async function askedAbout(turn: Turn): Promise<Buffer | undefined> {
  return turn.progress.recovering?.gone?.length ? sealAsked(turn) : undefined;
}

/**
 * Suspends what was on the phone, in the work that recovers the account: there is nothing to wait for, and it can be undone for
 * as long as any recovery of a lost phone. Gives what its undoing needs to know.
 */
export async function pauseGone(
  work: Work,
  accountId: string,
  gone: readonly string[],
  askedFrom: Buffer,
): Promise<Readonly<Record<string, string>>> {
  const begun = await beginRecovery(work, { accountId, waitHours: 0, askedFrom });
  if (begun.outcome !== 'begun' || !begun.recovery) return {};
  const { id } = begun.recovery;
  await suspendPasskeys(work, accountId, id, gone);
  await suspendApps(work, accountId, id, gone);
  await stepRecovery(work, begun.recovery, 'complete');
  return { recovery: id };
}
