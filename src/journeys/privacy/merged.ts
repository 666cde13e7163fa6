import { findAccount, removeAccount } from '../../domain/accounts/accounts.js';
import { listLiveConsents } from '../../domain/consents/consents.js';
import {
  beginFinish,
  findStandingMerge,
  finishMerge,
  forgetMerges,
  listDueMerges,
  type Merge,
} from '../../domain/merges/merges.js';
import type { JobDefinition } from '../../platform/jobs/jobs.js';
import type { Db } from '../../platform/storage/db.js';
import { openWork, type Work } from '../../platform/storage/work.js';
import { withdrawFromApp } from '../consent/withdraw.js';
import type { ForgettingRoom } from './forgetting-room.js';

/* One that an operator brought back to life meanwhile is let be. */
async function isLeftOver(work: Work, goneId: string): Promise<boolean> {
  return (await findAccount(work.tx, goneId))?.state === 'closed';
}

async function forgetRooms(work: Work, rooms: readonly ForgettingRoom[], accountId: string, most: number) {
  let removed = 0;
  for (const { forget } of rooms) {
    if (removed >= most) break;
    removed += await forget(work, { accountId, addresses: [] }, most - removed);
  }
  return removed;
}

/**
 * Removes for good, a batch at a time: what an account that became part of another one left behind, and that it did. For when the
 * account that it became part of goes itself.
 */
export async function forgetMerged(
  work: Work,
  rooms: readonly ForgettingRoom[],
  accountId: string,
  most: number,
): Promise<number> {
  const merge = await findStandingMerge(work.tx, accountId);
  if (merge?.accountId === accountId && (await isLeftOver(work, merge.goneId))) {
    const removed = await forgetRooms(work, rooms, merge.goneId, most);
    if (removed > 0) return removed;
    await removeAccount(work, merge.goneId);
  }
  return forgetMerges(work.tx, accountId, most);
}

/** What the job works with. */
export interface FinishOptions {
  readonly db: Db;
  readonly rooms: readonly ForgettingRoom[];
  readonly clock?: () => Date;
}

const MERGES = 50;
const ROWS = 500;

/**
 * Once a merge can be undone no more: what was kept for that goes at once; what apps were allowed by the account that went is taken
 * back, on record; at the next look its rooms forget it, a batch in a transaction, and it is removed with its key. What happened in it
 * stays, in the history of the account that it became part of. Killed anywhere, it goes on at the next look.
 */
export function finishMerges({ db, rooms, clock = () => new Date() }: FinishOptions): JobDefinition {
  return {
    name: 'finish-merges',
    every: '*/5 * * * *',
    run: async (_payload, { signal }) => {
      for (const merge of await listDueMerges(db, clock(), MERGES)) {
        if (signal.aborted) return;
        if (merge.state === 'open') await end(db, merge);
        else await remove(db, rooms, merge, signal);
      }
    },
  };
}

const within = <T>(db: Db, act: (work: Work) => Promise<T>) => openWork(db, { kind: 'system' }, act);

function end(db: Db, merge: Merge): Promise<void> {
  return within(db, async work => {
    if (!(await beginFinish(work, merge)) || !(await isLeftOver(work, merge.goneId))) return;
    for (const { clientId } of await listLiveConsents(work.tx, merge.goneId))
      await withdrawFromApp(work, { accountId: merge.goneId, clientId, method: 'merge' });
  });
}

async function remove(
  db: Db,
  rooms: readonly ForgettingRoom[],
  merge: Merge,
  signal: AbortSignal,
): Promise<void> {
  const round = () =>
    within(db, async work =>
      (await isLeftOver(work, merge.goneId)) ? forgetRooms(work, rooms, merge.goneId, ROWS) : 0,
    );
  while ((await round()) > 0) if (signal.aborted) return;
  await within(db, async work => {
    if (await isLeftOver(work, merge.goneId)) await removeAccount(work, merge.goneId);
    await finishMerge(work, merge);
  });
}
