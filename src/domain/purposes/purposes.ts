import type { Db } from '../../platform/storage/db.js';
import type { Work } from '../../platform/storage/work.js';
import type { Purpose } from './purpose.js';

export {
  BASES,
  type Purpose,
  purposeSchema,
  type SpokenWords,
  sayIn,
  secondsOf,
  spanSchema,
  wordsSchema,
} from './purpose.js';

const MOST = 200;

interface PurposeRow {
  readonly id: string;
  readonly basis: Purpose['basis'];
  readonly name: Purpose['name'];
  readonly why: Purpose['why'];
  readonly retention: string;
}

/** Why anything is held, in the order of the file that says so. */
export async function listPurposes(db: Db): Promise<readonly Purpose[]> {
  return db('purposes')
    .select<PurposeRow[]>('id', 'basis', 'name', 'why', 'retention')
    .orderBy('position')
    .limit(MOST);
}

/** Makes these the purposes there are. What still names one that is gone is refused by the database. */
export async function setPurposes(work: Work, purposes: readonly Purpose[]): Promise<void> {
  const rows = purposes.map(({ id, basis, name, why, retention }, position) => ({
    id,
    position,
    basis,
    name: JSON.stringify(name),
    why: JSON.stringify(why),
    retention,
    applied_at: work.at,
  }));
  await work
    .tx('purposes')
    .whereNotIn(
      'id',
      purposes.map(({ id }) => id),
    )
    .delete();
  if (rows.length > 0) await work.tx('purposes').insert(rows).onConflict('id').merge();
}
