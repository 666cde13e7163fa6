import type { Config } from './config.js';
import { sweepObjections } from './domain/accounts/accounts.js';
import { forgetConsents } from './domain/consents/consents.js';
import { sweepContactChanges, sweepProofs } from './domain/contacts/contacts.js';
import { sweepCorrections } from './domain/corrections/corrections.js';
import { sweepChallenges } from './domain/credentials/credentials.js';
import { sweepDeletions } from './domain/deletions/deletions.js';
import { sweepDisclosures } from './domain/disclosures/disclosures.js';
import { sweepExports } from './domain/exports/exports.js';
import { sweepRememberedBrowsers } from './domain/factors/factors.js';
import { sweepFederatedSessions, sweepTrials, sweepTrips } from './domain/federation/federation.js';
import { sweepMessages } from './domain/messages/messages.js';
import { sweepMoves } from './domain/moves/moves.js';
import { sweepAllAttempts } from './domain/protection/protection.js';
import { sweepRecoveries } from './domain/recoveries/recoveries.js';
import { sweepRights } from './domain/rights/rights.js';
import { noteLeftBehind } from './journeys/left-behind.js';
import { sweepArtefacts } from './oidc/jobs.js';
import type { JobDefinition } from './platform/jobs/jobs.js';
import type { Db } from './platform/storage/db.js';

/** Everything that is removed once it has been kept for long enough, whomever it is about (`retained` in profile/held.json). */
export function sweepsOf(
  { disclosuresKept, messagesKept }: Pick<Config, 'disclosuresKept' | 'messagesKept'>,
  db: Db,
): readonly JobDefinition[] {
  return [
    sweepArtefacts(db, noteLeftBehind),
    sweepProofs(db),
    sweepContactChanges(db),
    sweepCorrections(db),
    forgetConsents(db),
    sweepObjections(db),
    sweepDeletions(db),
    sweepDisclosures(db, { days: disclosuresKept }),
    sweepMessages(db, { days: messagesKept }),
    sweepRecoveries(db),
    sweepRights(db),
    sweepChallenges(db),
    sweepTrips(db),
    sweepTrials(db),
    sweepFederatedSessions(db),
    sweepRememberedBrowsers(db),
    sweepMoves(db),
    sweepExports(db),
    { name: 'sweep-attempts', every: '*/5 * * * *', run: () => sweepAllAttempts(db) },
  ];
}
