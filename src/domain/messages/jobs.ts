import type { JobDefinition } from '../../platform/jobs/jobs.js';
import type { Db } from '../../platform/storage/db.js';
import { openWork } from '../../platform/storage/work.js';
import { removeOldMessages } from './store.js';

const BATCH = 500;
const DAY = 86_400_000;

/** How long messages are kept, and the clock, which is another one in tests only. */
export interface MessageRetention {
  readonly days: number;
  readonly now?: () => Date;
}

/** Removes messages that have been kept for long enough: nothing waits to be sent for so long. */
export function sweepMessages(db: Db, { days, now = () => new Date() }: MessageRetention): JobDefinition {
  return {
    name: 'sweep-messages',
    every: '53 3 * * *',
    run: async (_payload, { signal }) => {
      const before = new Date(now().getTime() - days * DAY);
      const sweep = () => openWork(db, { kind: 'system' }, work => removeOldMessages(work.tx, before, BATCH));
      while (!signal.aborted && (await sweep()) === BATCH);
    },
  };
}
