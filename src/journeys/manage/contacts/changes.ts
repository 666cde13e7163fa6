import {
  findChange,
  listOpenChanges,
  makePrimary,
  removeContact,
  type Undone,
  undoChange,
} from '../../../domain/contacts/contacts.js';
import { openWork, type Work } from '../../../platform/storage/work.js';
import { type Doing, endLinksTo, tellEveryone } from '../../notices/tell.js';
import { type Asker, isId, type MyContact, requestOf } from './mine.js';
import { tellChanged } from './tell.js';

/** Makes a proved address of one's own the main one. */
export async function makeMain(asker: Asker, contact: MyContact): Promise<void> {
  await openWork(asker.parts.db, asker.actor, async work => {
    const made = await makePrimary(work, requestOf(asker, contact));
    if (made !== 'unchanged') await tellChanged(work, asker, made);
  });
}

/** Removes an address of one's own, unless it is the last at which one can be reached. */
export async function removeMine(asker: Asker, contact: MyContact): Promise<void> {
  await openWork(asker.parts.db, asker.actor, async work => {
    await tellChanged(work, asker, await removeContact(work, requestOf(asker, contact)));
  });
}

/** What can be undone still, newest first. */
export function listMyChanges({ parts, accountId }: Asker) {
  return listOpenChanges(parts.db, accountId, new Date());
}

/** One of them, whatever became of it. */
export async function findMyChange({ parts, accountId }: Asker, id: string) {
  return isId(id) ? findChange(parts.db, accountId, id) : undefined;
}

/** Undoes a change, signed in: everybody stays signed in. */
export async function undoMine(asker: Asker, id: string): Promise<Undone> {
  if (!isId(id)) return { outcome: 'ended', reason: 'none' };
  return openWork(asker.parts.db, asker.actor, async work => {
    const undone = await undoChange(work, asker.accountId, id);
    await tellUndone(work, asker, undone);
    return undone;
  });
}

/** Tells the owner everywhere that a change was undone, and those whose address went with it. */
export async function tellUndone(work: Work, doing: Doing, undone: Undone): Promise<void> {
  if (undone.outcome !== 'undone') return;
  const { change, lost } = undone;
  await endLinksTo(work, doing.parts.keyring, change.accountId, lost);
  const informed = lost.filter(({ kind, verifiedAt }) => kind === 'email' && verifiedAt);
  await tellEveryone(work, doing, {
    accountId: change.accountId,
    kind: 'contacts_undone',
    informed: informed.map(({ address }) => address),
  });
}
