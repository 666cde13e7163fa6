import { endRestriction, rightsClock } from '../../../domain/rights/rights.js';
import type { Keyring } from '../../../platform/crypto/keyring.js';
import type { JobDefinition, JobLog } from '../../../platform/jobs/jobs.js';
import type { Db } from '../../../platform/storage/db.js';
import type { Telling } from '../../notices/tell.js';
import { tellOfRightLater } from './tell.js';

/** What the jobs about requests are run with. */
export interface RightsJobParts {
  readonly db: Db;
  readonly keyring: Keyring;
  readonly telling: Telling;
  readonly log: Pick<JobLog, 'warn'>;
}

/** What happens later with what people asked for about their data. */
export function rightsJobs({ db, keyring, telling, log }: RightsJobParts): JobDefinition[] {
  return [
    rightsClock({
      db,
      keyring,
      log,
      end: async (work, request) => {
        if (!(await endRestriction(work, keyring, request, 'operator'))) return;
        await tellOfRightLater(work, telling, request, 'restriction_ended');
      },
    }),
  ];
}
