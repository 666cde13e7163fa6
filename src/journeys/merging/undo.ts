import { v7 as uuidv7 } from 'uuid';
import {
  closeAccount,
  lockAccount,
  reopenAccount,
  restoreSaleChoice,
  signOutEverywhere,
} from '../../domain/accounts/accounts.js';
import { widenConsentAgain } from '../../domain/consents/consents.js';
import { giveBackContacts } from '../../domain/contacts/contacts.js';
import { giveBackPasskeys } from '../../domain/credentials/credentials.js';
import { giveBackLinks } from '../../domain/federation/federation.js';
import { findStandingMerge, type Merge, recordUnmerge, useMergeUndo } from '../../domain/merges/merges.js';
import { restoreValues } from '../../domain/profiles/profiles.js';
import { endOtherSessionsOf, endSessionsOf } from '../../oidc/session.js';
import { Refusal } from '../../platform/errors.js';
import type { Work } from '../../platform/storage/work.js';
import { type Doing, endLinksTo, tellEveryone } from '../notices/tell.js';
import { tellOfCorrection } from '../privacy/rights/recipients.js';
import { type Kept, readKept } from './kept.js';

/** Who undoes: its owner, signed in in this session; or somebody who says "this wasn't me". */
export type UndoBy = { readonly session: string } | 'objection';

/**
 * Undoes the merge that an account is part of, on either side, if that is possible still: both are as they were, as far as their owner
 * changed nothing about it since, and nobody is signed in to either. After an objection the account that comes back is frozen: whoever
 * got into it to give it away knows how; and then it never refuses, since freezing must never wait for it.
 */
export async function undoMergeOf(
  work: Work,
  doing: Doing,
  accountId: string,
  by: UndoBy,
): Promise<Merge | undefined> {
  const standing = await findStandingMerge(work.tx, accountId);
  if (!standing) return undefined;
  const { accountId: stays, goneId: goes } = standing;
  for (const id of [stays, goes].sort()) await lockAccount(work, id);
  const used = await useMergeUndo(work, doing.parts.keyring, standing);
  if (!used) return undefined;
  await putBack(work, doing, used.merge, { kept: readKept(used.kept), by });
  await reopenAccount(work, goes, by === 'objection' ? 'frozen' : 'active');
  await signOut(work, stays, by);
  recordUnmerge(work, used.merge, by === 'objection' ? by : 'account');
  for (const id of [stays, goes])
    await tellEveryone(work, doing, { accountId: id, kind: 'accounts_unmerged' });
  return used.merge;
}

async function putBack(
  work: Work,
  doing: Doing,
  { accountId: from, goneId: to }: Merge,
  { kept, by }: { readonly kept: Kept; readonly by: UndoBy },
) {
  const { keyring } = doing.parts;
  const { lost, reachable } = await giveBackContacts(work, { to, from, before: kept.contacts });
  await endLinksTo(work, keyring, from, lost);
  await giveBackPasskeys(work, { to, from, kept: kept.passkeys });
  await giveBackLinks(work, { to, from, kept: kept.links });
  const attributes = await restoreValues(work, from, kept.values);
  if (attributes.length > 0) tellOfCorrection(work, { accountId: from, request: uuidv7(), attributes });
  for (const consent of kept.consents)
    await widenConsentAgain(work, { accountId: from, method: 'merge', ...consent });
  if (!reachable) await leaveUnreachable(work, from, by);
  if (kept.sale) await restoreSaleChoice(work, from, { before: undefined, ...kept.sale });
}

/*
 * Their own addresses went to somebody else, and those that they have are going. Whoever is signed in is told to see to that first;
 * a thief who did it must not thereby keep what is not theirs: then nobody gets into what is left.
 */
async function leaveUnreachable(work: Work, accountId: string, by: UndoBy): Promise<void> {
  if (by === 'objection') {
    await closeAccount(work, accountId);
    return;
  }
  const message =
    'The address that this account had belongs to another account now. Add another one first, then undo this.';
  throw new Refusal('conflict', 'address_taken', message);
}

/* Whoever came in by what belonged to the other account is out. */
async function signOut(work: Work, accountId: string, by: UndoBy): Promise<void> {
  if (by !== 'objection') {
    await endOtherSessionsOf(work, accountId, { but: by.session, reason: 'account-changed' });
    return;
  }
  await signOutEverywhere(work, accountId);
  await endSessionsOf(work, accountId, 'account-changed');
}
