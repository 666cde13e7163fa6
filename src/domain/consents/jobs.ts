import type { JobDefinition } from '../../platform/jobs/jobs.js';
import type { Db } from '../../platform/storage/db.js';
import { openWork, type Work } from '../../platform/storage/work.js';
import { listPurposes, OUTDATED_CONSENTS, secondsOf } from '../purposes/purposes.js';
import { append, entryOf } from './ledger.js';
import { type ConsentKey, forgetBefore, judgeAgain, listOutdated, lockSubjects } from './store.js';

const BATCH = 500;

/**
 * Puts on record whose consent the change of a notice made void. It was void from the instant on at which the change was
 * applied: this only writes it down.
 */
export function recordOutdatedConsents(db: Db): JobDefinition {
  return {
    name: OUTDATED_CONSENTS,
    run: async (_payload, attempt) => {
      let after: ConsentKey = { accountId: '00000000-0000-0000-0000-000000000000', clientId: '' };
      while (!attempt.signal.aborted) {
        const outdated = await listOutdated(db, after, BATCH);
        const last = outdated.at(-1);
        if (!last) return;
        const before = after;
        after = last;
        await openWork(db, { kind: 'system' }, work => record(work, before, outdated));
      }
      throw new Error('stopped before everything was on record');
    },
  };
}

/* Whoever agreed to the new words meanwhile, or took it all back, is no longer among them. */
async function record(work: Work, after: ConsentKey, found: readonly ConsentKey[]): Promise<void> {
  const accounts = found.map(({ accountId }) => accountId);
  await lockSubjects(work.tx, accounts);
  for (const consent of await listOutdated(work.tx, after, BATCH)) {
    const { accountId, clientId, notices } = consent;
    if (!accounts.includes(accountId)) continue;
    await append(work.tx, 'invalidated', entryOf(work, { ...consent, method: 'notice_changed' }));
    const purposes = Object.keys(notices).sort();
    work.record({ type: 'consent.outdated', accountId, clientId, detail: { purposes } });
  }
}

/** Judges consents anew after the declarations have changed, so that reading one is cheap again. */
export function judgeConsents(db: Db): JobDefinition {
  return {
    name: 'judge-consents',
    every: '*/5 * * * *',
    run: async (_payload, { signal }) => {
      while (
        !signal.aborted &&
        (await openWork(db, { kind: 'system' }, ({ tx }) => judgeAgain(tx, BATCH))) === BATCH
      );
    },
  };
}

const YEAR = 365 * 86_400;

/**
 * Forgets the ledgers of accounts that are gone, once the time is over that the purpose `proof` keeps them for; a year at
 * the least, so that no slip of a file takes anybody's proof away.
 */
export function forgetConsents(db: Db): JobDefinition {
  return {
    name: 'forget-consents',
    every: '23 4 * * *',
    run: async (_payload, { signal }) => {
      const { retention = 'account' } = (await listPurposes(db)).find(({ id }) => id === 'proof') ?? {};
      const kept = retention === 'account' ? YEAR : Math.max(secondsOf(retention), YEAR);
      const before = new Date(Date.now() - kept * 1_000);
      while (!signal.aborted && (await forgetBefore(db, before, BATCH)) === BATCH);
    },
  };
}
