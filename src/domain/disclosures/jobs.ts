import type { JobDefinition } from '../../platform/jobs/jobs.js';
import type { Db } from '../../platform/storage/db.js';
import { openWork } from '../../platform/storage/work.js';
import { removeReplaced } from './store.js';

const BATCH = 500;
const DAY = 86_400_000;

/** How long what was replaced by another value is shown, and the clock, which is another one in tests only. */
export interface DisclosureRetention {
  readonly days: number;
  readonly now?: () => Date;
}

/**
 * Removes what an app was told so long ago that it has been told another value for as long as the policy says. What it was
 * told last stays: whoever wants to know who has what must always find it.
 */
export function sweepDisclosures(
  db: Db,
  { days, now = () => new Date() }: DisclosureRetention,
): JobDefinition {
  return {
    name: 'sweep-disclosures',
    every: '23 4 * * *',
    run: async (_payload, { signal }) => {
      const before = new Date(now().getTime() - days * DAY);
      const sweep = () => openWork(db, { kind: 'system' }, work => removeReplaced(work.tx, before, BATCH));
      while (!signal.aborted && (await sweep()) === BATCH);
    },
  };
}
