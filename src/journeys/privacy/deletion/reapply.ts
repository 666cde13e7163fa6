import { findAccount, listAccountIds } from '../../../domain/accounts/accounts.js';
import {
  askDeletion,
  findDeletion,
  findDeletionOf,
  hasten,
  knownOf,
  markOf,
  noteErasedBefore,
} from '../../../domain/deletions/deletions.js';
import type { Keyring } from '../../../platform/crypto/keyring.js';
import type { Db } from '../../../platform/storage/db.js';
import { openWork, type Work } from '../../../platform/storage/work.js';
import type { Erased } from './erased-list.js';

const BATCH = 500;

/** What came of holding a list against a database. */
export interface Reapplied {
  /** Accounts that the list names, each once. */
  readonly listed: number;
  /** Those of them that are here, and are deleted again. */
  readonly back: number;
}

/**
 * Deletes again what a backup brought back: every account that stands in the list of what was erased begins its deletion anew, at
 * once and under the number it had, so that its private link leads to it again. Done twice it is as done once. With `look` alone
 * nothing is done.
 */
export async function reapply(
  db: Db,
  keyring: Keyring,
  list: AsyncIterable<Erased>,
  { look = false }: { readonly look?: boolean } = {},
): Promise<Reapplied> {
  const listed = new Map<string, Erased>();
  for await (const erased of list) listed.set(erased.account, erased);
  let back = 0;
  let after = '00000000-0000-0000-0000-000000000000';
  for (;;) {
    const ids = await listAccountIds(db, after, BATCH);
    for (const id of ids) {
      const erased = listed.get(markOf(keyring, id).toString('base64url'));
      if (!erased) continue;
      back += 1;
      if (!look) await openWork(db, { kind: 'operator' }, work => begin(work, keyring, id, erased));
    }
    if (ids.length < BATCH) break;
    after = ids.at(-1) ?? after;
  }
  if (!look) await noteOthers(db, [...listed.values()]);
  return { listed: listed.size, back };
}

/* One that had not begun in the backup begins now; one that had goes on by itself. */
async function begin(work: Work, keyring: Keyring, accountId: string, erased: Erased): Promise<void> {
  const standing = await findDeletionOf(work.tx, accountId);
  if (standing) return hasten(work, standing.id, work.at);
  const account = await findAccount(work.tx, accountId);
  const isFree = (await findDeletion(work.tx, erased.deletion)) === undefined;
  const again = { id: erased.deletion, link: Buffer.from(erased.link, 'base64url') };
  await askDeletion(work, keyring, {
    accountId,
    cause: 'restored',
    beginsAt: work.at,
    letters: { addresses: [], language: account?.language ?? 'en' },
    ...(isFree && { again }),
  });
}

/* What the backup knows nothing of, because it is older than the account: that it was erased is on record here again. */
async function noteOthers(db: Db, listed: readonly Erased[]): Promise<void> {
  for (let from = 0; from < listed.length; from += BATCH) {
    const batch = listed.slice(from, from + BATCH);
    const known = await knownOf(
      db,
      batch.map(({ deletion }) => deletion),
    );
    const unknown = batch.filter(({ deletion }) => !known.has(deletion));
    await openWork(db, { kind: 'operator' }, work =>
      noteErasedBefore(
        work,
        unknown.map(({ account, at, deletion, link }) => ({
          id: deletion,
          at: new Date(at),
          mark: Buffer.from(account, 'base64url'),
          link: Buffer.from(link, 'base64url'),
        })),
      ),
    );
  }
}

const YEAR = 364 * 86_400_000;

/**
 * How many deletions of the last year the list knows and the database does not: more than none, and a backup was played back
 * that is older than they are.
 */
export async function countUnknown(
  db: Db,
  list: AsyncIterable<Erased>,
  now: Date = new Date(),
): Promise<number> {
  let unknown = 0;
  /* A step that was done again has said it again. */
  let batch = new Set<string>();
  const count = async () => {
    const known = await knownOf(db, [...batch]);
    unknown += batch.size - known.size;
    batch = new Set();
  };
  for await (const { deletion, at } of list) {
    if (now.getTime() - Date.parse(at) > YEAR) continue;
    batch.add(deletion);
    if (batch.size === BATCH) await count();
  }
  await count();
  return unknown;
}
