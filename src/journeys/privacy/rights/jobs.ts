import { openSchema } from '../../../domain/profiles/profiles.js';
import { endRestriction, rightsClock } from '../../../domain/rights/rights.js';
import { openClaims } from '../../../oidc/claims.js';
import { openSubjects } from '../../../oidc/subjects.js';
import type { Keyring } from '../../../platform/crypto/keyring.js';
import type { JobDefinition, JobLog } from '../../../platform/jobs/jobs.js';
import type { Db } from '../../../platform/storage/db.js';
import type { Telling } from '../../notices/tell.js';
import { tellRecipients, tellRecipientsJob } from './recipients.js';
import { tellOfRightLater } from './tell.js';

/** What the jobs about requests are run with. */
export interface RightsJobParts {
  readonly db: Db;
  readonly keyring: Keyring;
  readonly telling: Telling;
  readonly log: Pick<JobLog, 'warn'>;
  readonly issuer: URL;
  /** How long an app is tried. */
  readonly days: number;
}

/** What happens later with what people asked for about their data. */
export function rightsJobs({ db, keyring, telling, log, issuer, days }: RightsJobParts): JobDefinition[] {
  return [
    rightsClock({
      db,
      keyring,
      log,
      end: async (work, request) => {
        if (!(await endRestriction(work, keyring, request, 'operator'))) return;
        const { accountId, id } = request;
        tellRecipients(work, { accountId, request: id, about: request, phase: 'ended' });
        await tellOfRightLater(work, telling, request, 'restriction_ended');
      },
    }),
    tellRecipientsJob({
      db,
      keyring,
      days,
      subjectOf: openSubjects(keyring),
      claims: async () => openClaims(await openSchema(db), issuer),
    }),
  ];
}
