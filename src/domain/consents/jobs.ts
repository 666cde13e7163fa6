import type { JobDefinition } from '../../platform/jobs/jobs.js';
import type { Db } from '../../platform/storage/db.js';
import { openWork, type Work } from '../../platform/storage/work.js';
import { OUTDATED_CONSENTS } from '../purposes/purposes.js';
import { append, entryOf } from './ledger.js';
import { type ConsentKey, listOutdated, lockSubjects } from './store.js';

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
