import { lockAccount } from '../../../domain/accounts/accounts.js';
import { removeSuspendedPasskeys } from '../../../domain/credentials/credentials.js';
import { removeSuspendedApps } from '../../../domain/factors/factors.js';
import {
  dueOf,
  findDue,
  listDue,
  noteReminded,
  type Recovery,
  stepRecovery,
} from '../../../domain/recoveries/recoveries.js';
import type { JobDefinition } from '../../../platform/jobs/jobs.js';
import type { Db } from '../../../platform/storage/db.js';
import { openWork, type Work } from '../../../platform/storage/work.js';
import { restore } from '../../notices/heal.js';
import { type Telling, tellWithoutRequest } from '../../notices/tell.js';
import { tellOfWaiting } from './tell.js';

const BATCH = 200;

/** What the job works by. */
export interface RecoveryJobOptions {
  readonly telling: Telling;
  readonly clock?: () => Date;
}

/** Reminds of recoveries that wait, says when their time has come, ends those that nobody came back to, and settles the others. */
export function lookAfterRecoveries(db: Db, options: RecoveryJobOptions): JobDefinition {
  const { telling, clock = () => new Date() } = options;
  return {
    name: 'look-after-recoveries',
    every: '*/5 * * * *',
    run: async (_payload, { signal }) => {
      const now = clock();
      let due: readonly Recovery[];
      do {
        due = await listDue(db, now, BATCH);
        for (const one of due) {
          if (signal.aborted) return;
          await openWork(db, { kind: 'system' }, work => lookAfter(work, telling, one, now));
        }
      } while (due.length === BATCH);
    },
  };
}

/* The account first, as whoever stops or completes it does: so each of them waits for the other, and sees what it did. */
async function lookAfter(work: Work, telling: Telling, one: Recovery, now: Date): Promise<void> {
  const { accountId } = one;
  await lockAccount(work, accountId);
  const recovery = await findDue(work.tx, one, now);
  if (!recovery) return;
  if (recovery.state === 'completed') return settle(work, recovery, now);
  const due = dueOf(recovery, now);
  if (due === 'expire') return expire(work, telling, recovery, now);
  await noteReminded(work, recovery, now);
  await tellOfWaiting(work, telling, recovery, due === 'ready' ? 'recovery_ready' : 'recovery_waiting');
}

/* Nobody came back: whoever began it may not be the owner, and their phone is not to be dead for good. */
async function expire(work: Work, telling: Telling, recovery: Recovery, at: Date): Promise<void> {
  if (!(await stepRecovery(work, recovery, 'expire', { at }))) return;
  await restore(work, recovery);
  await tellWithoutRequest(work, telling, { accountId: recovery.accountId, kind: 'recovery_expired' });
}

async function settle(work: Work, recovery: Recovery, at: Date): Promise<void> {
  const { accountId, id } = recovery;
  if (!(await stepRecovery(work, recovery, 'settle', { at }))) return;
  await removeSuspendedApps(work, accountId, id);
  await removeSuspendedPasskeys(work, accountId, id);
}
