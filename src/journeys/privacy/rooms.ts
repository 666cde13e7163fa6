import { forgetIdentifiers } from '../../domain/accounts/accounts.js';
import { forget as forgetCommands } from '../../domain/commands/commands.js';
import { forgetConsentsOf } from '../../domain/consents/consents.js';
import { forgetContacts } from '../../domain/contacts/contacts.js';
import { forgetCorrections } from '../../domain/corrections/corrections.js';
import { forgetCredentials } from '../../domain/credentials/credentials.js';
import { forgetDisclosures } from '../../domain/disclosures/disclosures.js';
import { forgetExports } from '../../domain/exports/exports.js';
import { forgetFactors } from '../../domain/factors/factors.js';
import { endTokens, forgetFederation } from '../../domain/federation/federation.js';
import { forgetMessages } from '../../domain/messages/messages.js';
import { forgetMoves } from '../../domain/moves/moves.js';
import { forgetProfile } from '../../domain/profiles/profiles.js';
import { forgetBrowsers } from '../../domain/protection/protection.js';
import { forgetQuestions } from '../../domain/questions/questions.js';
import { forgetRecoveries } from '../../domain/recoveries/recoveries.js';
import { forgetRights } from '../../domain/rights/rights.js';
import { forgetArtefacts } from '../../oidc/forgetting.js';
import { forgetMailbox } from '../../platform/mail/mail.js';
import type { Tx } from '../../platform/storage/db.js';
import type { ForgettingRoom } from './forgetting-room.js';
import { forgetMerged } from './merged.js';

export type { ForgettingRoom, Forgotten } from './forgetting-room.js';

type ByAccount = (tx: Tx, accountId: string, most: number) => Promise<number>;

const byAccount = (room: string, forget: ByAccount): ForgettingRoom => ({
  room,
  forget: ({ tx }, { accountId }, most) => forget(tx, accountId, most),
});

/** Every room but that of merges: what an account that became part of another one leaves behind is removed by these. */
export const OF_ANY_ACCOUNT: readonly ForgettingRoom[] = [
  byAccount('artefacts', forgetArtefacts),
  byAccount('credentials', forgetCredentials),
  byAccount('factors', forgetFactors),
  {
    room: 'federation',
    forget: async (work, { accountId }, most) => {
      const ended = await endTokens(work, { accountId }, most);
      return ended > 0 ? ended : forgetFederation(work.tx, accountId, most);
    },
  },
  byAccount('recoveries', forgetRecoveries),
  byAccount('moves', forgetMoves),
  byAccount('protection', forgetBrowsers),
  byAccount('exports', forgetExports),
  byAccount('profiles', forgetProfile),
  byAccount('questions', forgetQuestions),
  byAccount('corrections', forgetCorrections),
  byAccount('rights', forgetRights),
  byAccount('messages', forgetMessages),
  byAccount('consents', forgetConsentsOf),
  byAccount('disclosures', forgetDisclosures),
  { room: 'mail', forget: ({ tx }, { addresses }, most) => forgetMailbox(tx, addresses, most) },
  /* What was told stays, and whom it was about goes. */
  {
    room: 'commands',
    forget: async (work, { accountId }) => {
      await forgetCommands(work, accountId);
      return 0;
    },
  },
  byAccount('contacts', forgetContacts),
  byAccount('accounts', forgetIdentifiers),
];

/**
 * Every room that has something about people, in the order in which they forget: first what lets somebody in, last by what they
 * are found. profile/held.json says of each table which of these removes it, and a test holds the two against each other.
 */
export const FORGETTING: readonly ForgettingRoom[] = [
  /* An account that became part of this one goes before it, whether that could be undone still or not. */
  { room: 'merges', forget: (work, whom, most) => forgetMerged(work, OF_ANY_ACCOUNT, whom.accountId, most) },
  ...OF_ANY_ACCOUNT,
];
