import type { Config } from './config.js';
import { countDeletions, STUCK_MS } from './domain/deletions/deletions.js';
import { readErased } from './journeys/privacy/deletion/erased-list.js';
import { countUnknown } from './journeys/privacy/deletion/reapply.js';
import { type Db, openDatabase } from './platform/storage/db.js';

/** What is to be known of deletions: a weight and a sentence. */
export type DeletionFinding = readonly [weight: 'ok' | 'note' | 'problem', sentence: string];

/** How deletions go on, and whether a backup brought back what was erased. */
export async function watchDeletions(
  db: Db,
  { erasedList: place, production }: Pick<Config, 'erasedList' | 'production'>,
): Promise<readonly DeletionFinding[]> {
  const { underWay, stuck } = await countDeletions(db, new Date(Date.now() - STUCK_MS));
  const going = `${underWay} deletions of accounts are under way`;
  return [
    stuck > 0
      ? ['problem', `${going}, and ${stuck} need somebody; look at keyhold deletions list --stuck.`]
      : ['ok', `${going}.`],
    await lookAtList(db, place, production),
  ];
}

async function lookAtList(db: Db, place: string | undefined, production: boolean): Promise<DeletionFinding> {
  if (place === undefined) {
    const sentence = 'It is noted nowhere outside of the database what was erased (KEYHOLD_ERASED_LIST)';
    return [production ? 'note' : 'ok', `${sentence}; a backup would bring it back for good.`];
  }
  try {
    const unknown = await countUnknown(db, readErased(place));
    if (unknown === 0)
      return ['ok', `What was erased is noted in ${place}, and the database knows of all of it.`];
    return [
      'problem',
      `${place} names ${unknown} erased accounts that the database knows nothing of: a backup was played back; run keyhold deletions reapply ${place}.`,
    ];
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : '';
    if (code === 'ENOENT') return ['ok', `Nothing was erased yet; it would be noted in ${place}.`];
    return ['problem', `The list of what was erased (${place}) cannot be read: ${String(error)}`];
  }
}

/** Says at start that a backup was played back that is older than what was erased; nothing where that is not so. */
export async function restoredBackup(
  databaseUrl: string,
  place: string | undefined,
): Promise<string | undefined> {
  if (place === undefined) return undefined;
  const db = openDatabase(databaseUrl);
  try {
    const [weight, sentence] = await lookAtList(db, place, true);
    return weight === 'problem' ? sentence : undefined;
  } finally {
    await db.destroy();
  }
}
