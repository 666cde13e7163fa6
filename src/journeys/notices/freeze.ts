import { freezeAccount } from '../../domain/accounts/accounts.js';
import { endProofs } from '../../domain/contacts/contacts.js';
import { endSessionsOf } from '../../oidc/session.js';
import type { Work } from '../../platform/storage/work.js';
import { undoMergeOf } from '../merging/undo.js';
import { stopDeletion, stopWaiting } from './heal.js';
import { type Doing, tellEveryone } from './tell.js';
import type { Objected, Undoing } from './undo.js';

/** How an account is frozen. */
export interface Freezing {
  readonly objected: Objected;
  /** What is undone at once. */
  readonly undoings: readonly Undoing[];
  /** `account_frozen_here` when somebody who was signed in did it, who may not be the owner: its link undoes the rest. */
  readonly told: 'account_frozen' | 'account_frozen_here';
}

/**
 * Its owner said "this wasn't me": nobody is signed in to the account and nobody gets in until it is recovered, whatever was
 * under way has ended, and every address is told.
 */
export async function freeze(
  work: Work,
  doing: Doing,
  { objected, undoings, told }: Freezing,
): Promise<void> {
  const { accountId, undo } = objected;
  /* Whichever of the two it is: neither what came with the one nor who got into the other stays. */
  await undoMergeOf(work, doing, accountId, 'objection');
  const frozen = await freezeAccount(work, accountId);
  /* Pressed twice at once: the first did it all. A link in another mailbox may have more to undo. */
  if (!frozen && told === 'account_frozen_here') return;
  await stopWaiting(work, accountId);
  await stopDeletion(work, accountId);
  for (const undoing of undoings) await undoing.run(work, objected, doing.parts);
  await endSessionsOf(work, accountId, 'account-frozen');
  await endProofs(work, accountId);
  await tellEveryone(work, doing, { accountId, kind: told, undo });
}
