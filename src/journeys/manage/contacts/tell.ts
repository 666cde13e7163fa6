import { v7 as uuidv7 } from 'uuid';
import type { Changed, ChangeWhat, ContactKind } from '../../../domain/contacts/contacts.js';
import { masked } from '../../../platform/masks.js';
import type { Work } from '../../../platform/storage/work.js';
import type { NewsKind } from '../../notices/kinds.js';
import { tellEveryone } from '../../notices/tell.js';
import { tellOfCorrection } from '../../privacy/rights/recipients.js';
import type { Asker } from './mine.js';

/** What is said of a change, in a mail and under `contacts_change.*` on a page. */
export const NEWS_OF: Readonly<Record<ContactKind, Readonly<Record<ChangeWhat, NewsKind>>>> = {
  email: { added: 'email_added', primary: 'email_made_primary', removed: 'email_removed' },
  phone: { added: 'phone_added', primary: 'phone_made_primary', removed: 'phone_removed' },
};

/** Tells the owner everywhere of a change of their addresses; the one who may undo it gets the link for that. */
export function tellChanged(work: Work, asker: Asker, { change, undoToken, undoer }: Changed): Promise<void> {
  const { accountId, kind, what, madeAt } = change;
  if (what === 'primary') tellWhoHas(work, asker, change);
  return tellEveryone(work, asker, {
    accountId,
    kind: NEWS_OF[kind][what],
    values: { address: masked(change.address) },
    undo: { madeAt: madeAt.toISOString() },
    undoing: { to: undoer, url: `${asker.parts.issuer.origin}/undo/${undoToken}` },
  });
}

/* Apps that were told the main address or number before are told of the one of now (GDPR Art. 19). */
function tellWhoHas(work: Work, { parts }: Asker, { accountId, kind, before }: Changed['change']): void {
  const was = before.find(one => one.kind === kind && one.isPrimary && one.verifiedAt)?.address;
  const attribute = kind === 'email' ? 'email' : 'phone_number';
  const told = was === undefined ? {} : { before: { keyring: parts.keyring, told: { [attribute]: was } } };
  tellOfCorrection(work, { accountId, request: uuidv7(), attributes: [attribute], ...told });
}
