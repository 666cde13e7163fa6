import {
  archiveAccount,
  type DormancyPolicy,
  type DormancyStep,
  dormancyStep,
  type LookedAt,
  noteLooks,
  takeDue,
} from '../../domain/accounts/accounts.js';
import { lastUses } from '../../oidc/last-use.js';
import { endSessionsOf } from '../../oidc/session.js';
import type { JobDefinition } from '../../platform/jobs/jobs.js';
import type { Db } from '../../platform/storage/db.js';
import { openWork, type Work } from '../../platform/storage/work.js';
import { tellOfDormancy, type Writing } from './tell.js';

const BATCH = 200;

/** What was done about accounts that rest, since the process began. */
export type DormancyTally = Record<'notice' | 'stopped' | 'archive', number>;

/** What the job works by; without a policy nothing is ever put away. */
export interface DormancyOptions {
  readonly writing: Writing;
  readonly policy: DormancyPolicy | undefined;
  readonly tally: DormancyTally;
  readonly clock?: () => Date;
}

/** Looks at the accounts whose time has come, in batches. Nothing is deleted. */
export function lookAfterDormant(db: Db, options: DormancyOptions): JobDefinition {
  const { policy, clock = () => new Date() } = options;
  return {
    name: 'look-after-dormant',
    every: '*/10 * * * *',
    run: async (_payload, { signal }) => {
      if (!policy) return;
      while (!signal.aborted && (await lookAtSome(db, policy, options, clock())) === BATCH);
    },
  };
}

async function lookAtSome(
  db: Db,
  policy: DormancyPolicy,
  options: DormancyOptions,
  now: Date,
): Promise<number> {
  const steps: DormancyStep['step'][] = [];
  const looked = await openWork(db, { kind: 'system' }, async work => {
    const due = await takeDue(work.tx, now, BATCH);
    const uses = await lastUses(
      work.tx,
      due.map(({ id }) => id),
    );
    const looks = [];
    for (const account of due) {
      const used = uses.get(account.id)?.getTime() ?? 0;
      const lastUse = new Date(Math.max(used, account.openedAt.getTime()));
      const step = dormancyStep(policy, { lastUse, notices: account.notices }, now);
      steps.push(step.step);
      await act(work, options.writing, account, step);
      if (step.step === 'archive') continue;
      looks.push({
        id: account.id,
        lookAt: step.lookAt,
        notices: step.step === 'notice' ? step.notices : 0,
      });
    }
    await noteLooks(work.tx, looks);
    return due.length;
  });
  for (const step of steps) if (step !== 'rest') options.tally[step] += 1;
  return looked;
}

async function act(
  work: Work,
  writing: Writing,
  { id: accountId, language }: LookedAt,
  step: DormancyStep,
): Promise<void> {
  if (step.step === 'rest') return;
  if (step.step === 'notice') {
    work.record({ type: 'dormancy.noticed', accountId, detail: { notices: step.notices } });
    return tellOfDormancy(work, writing, { accountId, language, news: 'notice', archiveAt: step.archiveAt });
  }
  if (step.step === 'stopped') {
    work.record({ type: 'dormancy.stopped', accountId });
    return tellOfDormancy(work, writing, { accountId, language, news: 'stopped' });
  }
  if (!(await archiveAccount(work, accountId))) return;
  await endSessionsOf(work, accountId, 'account-archived');
  await tellOfDormancy(work, writing, { accountId, language, news: 'archived' });
}
