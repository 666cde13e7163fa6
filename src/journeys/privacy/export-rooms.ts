import { exportAccount, personalOpener } from '../../domain/accounts/accounts.js';
import { exportCommands } from '../../domain/commands/commands.js';
import { exportConsents } from '../../domain/consents/consents.js';
import { exportContacts } from '../../domain/contacts/contacts.js';
import { exportCorrections } from '../../domain/corrections/corrections.js';
import { exportCredentials } from '../../domain/credentials/credentials.js';
import { exportDeletions } from '../../domain/deletions/deletions.js';
import { exportDisclosures } from '../../domain/disclosures/disclosures.js';
import { exportExports } from '../../domain/exports/exports.js';
import { exportFactors } from '../../domain/factors/factors.js';
import { exportFederation } from '../../domain/federation/federation.js';
import { exportMerges, listGone } from '../../domain/merges/merges.js';
import { exportMessages } from '../../domain/messages/messages.js';
import { exportMoves } from '../../domain/moves/moves.js';
import { exportProfile } from '../../domain/profiles/profiles.js';
import { exportBrowsers } from '../../domain/protection/protection.js';
import { exportQuestions } from '../../domain/questions/questions.js';
import { exportRecoveries } from '../../domain/recoveries/recoveries.js';
import { exportRights } from '../../domain/rights/rights.js';
import { exportProtocol } from '../../oidc/exported.js';
import type { Keyring } from '../../platform/crypto/keyring.js';
import type { ExportFile, Exporting, ExportScope, Whence } from '../../platform/storage/export-file.js';
import { exportHistory } from '../../platform/storage/exported-events.js';
import type { Parts } from '../journey.js';
import { openChangedFrom } from '../manage/contacts/mine.js';
import { openWhence } from '../move/whence.js';
import { openToldOf } from '../notices/tell.js';
import { receiptsOf } from '../receipts/issue.js';
import { openAsked } from '../recovery/lost/tell.js';

/** What reading of every room takes. */
export type Reading = Pick<Parts, 'db' | 'keyring' | 'issuer' | 'profile'>;

/** Whose data, and which of them. */
export interface Whose {
  readonly accountId: string;
  readonly scope: ExportScope;
}

/**
 * Every file of an export, in its order: each room says what it has. profile/held.json says of each column in which of these it
 * stands, and a test holds the two against each other.
 */
export async function filesOf(reading: Reading, { accountId, scope }: Whose): Promise<readonly ExportFile[]> {
  const { db, keyring } = reading;
  const opener = await personalOpener(db, keyring, accountId);
  const from: Exporting = { db, keyring, accountId, scope, open: opener, whence: whenceBy(keyring) };
  const files = [
    ...exportAccount(from),
    ...exportProfile(from),
    ...exportCorrections(from),
    ...exportQuestions(from),
    ...exportRights(from),
    ...exportContacts(from),
    ...exportConsents(from).map(file => withReceipts(reading, accountId, file)),
    ...exportDisclosures(from),
    ...exportCommands(from),
    ...exportProtocol(from),
    ...exportCredentials(from),
    ...exportFactors(from),
    ...exportFederation(from),
    ...exportBrowsers(from),
    ...exportRecoveries(from),
    ...exportMoves(from),
    ...exportMerges(from),
    ...exportMessages(from),
    ...exportDeletions(from),
    ...exportExports(from),
    exportHistory(from, await listGone(db, accountId)),
  ];
  /* What was chosen for the account stands in the file of the account as well. */
  return files.filter(({ name, portable }) => (scope === 'access' ? name !== 'choices' : portable));
}

type Opener = (keyring: Keyring, sealed: unknown) => object;

/* Each by the journey that sealed it. */
const WHENCE: Readonly<Record<string, Opener>> = {
  objection: (keyring, sealed) => openToldOf(keyring, sealed as Buffer),
  'contact-change': (keyring, sealed) => openChangedFrom({ keyring }, sealed as Buffer),
  recovery: (keyring, sealed) => openAsked(keyring, sealed as Buffer),
  move: (keyring, sealed) => openWhence({ keyring }, sealed as Buffer),
  code: (_keyring, kept) => JSON.parse(String(kept)) as object,
};

const MEMBERS = ['device', 'address', 'country', 'app'] as const;

function whenceBy(keyring: Keyring): (name: string, sealed: unknown) => Whence {
  return (name, sealed) => {
    if (sealed === null || sealed === undefined) return null;
    try {
      const opened = new Map(Object.entries(WHENCE[name]?.(keyring, sealed) ?? {}));
      const told = MEMBERS.flatMap(member => {
        const value = opened.get(member);
        return typeof value === 'string' && value !== '' ? [[member, value] as const] : [];
      });
      return told.length === 0 ? null : Object.fromEntries(told);
    } catch {
      return null;
    }
  };
}

/* So many are signed at once. */
const RECEIPTS_AT_ONCE = 50;

/* Each event of the ledger comes with its signed receipt. */
function withReceipts(reading: Reading, accountId: string, file: ExportFile): ExportFile {
  if (file.name !== 'consent-ledger') return file;
  return {
    ...file,
    page: async (after, limit) => {
      const page = await file.page(after, Math.min(limit, RECEIPTS_AT_ONCE));
      const ids = page.records.map(({ id }) => String(id));
      const receipts = await receiptsOf(reading, accountId, ids);
      const attachments = [...receipts].map(([id, jws]) => ({
        path: `receipts/${id}.jws`,
        bytes: Buffer.from(jws),
      }));
      return { ...page, attachments };
    },
  };
}
