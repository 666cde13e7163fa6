import type { Base } from './app.js';
import type { Config } from './config.js';
import { auditJobs } from './domain/audit/audit.js';
import { fetchLogo } from './domain/clients/clients.js';
import { sweepCommands, tellApps } from './domain/commands/commands.js';
import { judgeConsents, recordOutdatedConsents } from './domain/consents/consents.js';
import { checkDomains, refreshSamlMetadata, revokeTokens } from './domain/federation/federation.js';
import { openLedger } from './domain/messages/messages.js';
import {
  bringAboutChanges,
  type Decision,
  type Ending,
  openSchema,
  sweepProfiles,
} from './domain/profiles/profiles.js';
import { tellOfEnds, withholdJob } from './journeys/consent/tell-of-end.js';
import { expireConsents } from './journeys/consent/withdraw.js';
import { lookAfterDormant } from './journeys/dormancy/job.js';
import { tellOfDay, tellOfEnding } from './journeys/manage/profile/tell.js';
import { dispatchJob } from './journeys/messages/dispatch.js';
import { tellNewDevice } from './journeys/notices/new-device.js';
import { deletionJobs } from './journeys/privacy/deletion/job.js';
import { makeExports, resumeExports } from './journeys/privacy/export-job.js';
import { finishMerges } from './journeys/privacy/merged.js';
import { rightsJobs } from './journeys/privacy/rights/jobs.js';
import { OF_ANY_ACCOUNT } from './journeys/privacy/rooms.js';
import { lookAfterRecoveries } from './journeys/recovery/lost/job.js';
import { mayAct } from './oidc/acting.js';
import { advanceSigningKeys, backchannelLogout } from './oidc/jobs.js';
import { openSubjects } from './oidc/subjects.js';
import { openTokenSigner } from './oidc/token-signer.js';
import type { JobDefinition, JobLog } from './platform/jobs/jobs.js';
import { sendMailJob } from './platform/mail/mail.js';
import { openNames } from './platform/names.js';
import { sendSmsJob } from './platform/sms/sms.js';
import type { Work } from './platform/storage/work.js';
import { samlJobs, tellBySoap } from './saml/saml.js';
import { sweepsOf } from './sweeping.js';

/** As people and apps know this installation. */
export const NAME = 'Keyhold';
/* By each process. */
const TOLD_A_SECOND = 10;

/** What the record is kept with. */
export const auditOf = (
  { issuer, auditHeads: file, eventsKept: kept }: Config,
  { laterDb: db, keyring }: Base,
  log: JobLog,
) => ({
  db,
  keyring,
  issuer,
  file,
  kept,
  log,
});

/** The one list of what happens later. */
export function jobsOf(
  config: Config,
  base: Base,
  log: JobLog,
  provider: Parameters<typeof backchannelLogout>[0],
): JobDefinition[] {
  const { issuer, dormancy: policy } = config;
  const { laterDb: db, keyring, transport, sms, outbound, renderer, places } = base;
  const ledger = openLedger(db, account => mayAct({ account }));
  const telling = { issuer, keyring, renderer, rp: { name: NAME }, translator: base.words.translator };
  const profiles = {
    db,
    keyring,
    schema: () => openSchema(db),
    tell: (work: Work, decision: Decision) => tellOfDay(work, telling, decision),
    tellEnding: (work: Work, ending: Ending) => tellOfEnding(work, telling, ending),
  };
  return [
    sendMailJob(db, keyring, transport, ledger),
    sendSmsJob(db, keyring, sms, ledger),
    dispatchJob(db, telling),
    tellNewDevice(db, { keyring, places, telling }),
    lookAfterRecoveries(db, { telling }),
    lookAfterDormant(db, { writing: telling, policy, tally: base.dormancyTally }),
    backchannelLogout(provider, db, tellBySoap({ ...base, db, issuer, subjectOf: openSubjects(keyring) })),
    tellApps({ db, keyring, outbound, issuer, sign: openTokenSigner(db, keyring), perSecond: TOLD_A_SECOND }),
    sweepCommands(db),
    finishMerges({ db, rooms: OF_ANY_ACCOUNT }),
    ...deletionJobs(config, { db, telling, subjectOf: openSubjects(keyring) }),
    withholdJob(db, keyring),
    tellOfEnds(db, { keyring, subjectOf: openSubjects(keyring), days: config.commandsTried }),
    advanceSigningKeys(db),
    ...samlJobs(db),
    ...auditJobs(auditOf(config, base, log)),
    ...sweepsOf(config, db),
    revokeTokens({ db, keyring, reachAnyway: base.federation.reachAnyway }),
    refreshSamlMetadata({ db, reachAnyway: base.federation.reachAnyway }),
    checkDomains({ db, issuer, names: openNames() }),
    recordOutdatedConsents(db),
    judgeConsents(db),
    expireConsents(db),
    ...rightsJobs({ db, keyring, telling, log, issuer, days: config.commandsTried }),
    bringAboutChanges(profiles),
    sweepProfiles(profiles),
    makeExports(db, { ...telling, schema: () => openSchema(db) }),
    resumeExports(db),
    {
      name: 'client-logo',
      run: async payload => {
        await fetchLogo(db, outbound, String((payload as { clientId?: unknown }).clientId));
      },
    },
  ];
}
