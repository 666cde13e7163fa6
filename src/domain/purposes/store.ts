import { createHash } from 'node:crypto';
import { Refusal } from '../../platform/errors.js';
import type { Db, Tx } from '../../platform/storage/db.js';
import type { Matters, NextNotice, NoticeVersion } from './notices.js';
import type { Purpose } from './purpose.js';

const MOST = 200;

interface PurposeRow {
  readonly declaration: Purpose;
}

/** The purposes there are, in the order of the file that says so. */
export async function list(db: Db): Promise<readonly Purpose[]> {
  const rows = await db('purposes').select<PurposeRow[]>('declaration').orderBy('position').limit(MOST);
  return rows.map(({ declaration }) => declaration);
}

/** Which version of its notice stands for each purpose. */
export interface StandingNotice {
  readonly purpose: string;
  readonly version: number;
  readonly countsFrom: number;
}

/** Which versions stand. */
export async function listStanding(db: Db): Promise<readonly StandingNotice[]> {
  return db('purposes')
    .select<StandingNotice[]>({ purpose: 'id', version: 'version', countsFrom: 'counts_from' })
    .orderBy('position')
    .limit(MOST);
}

interface VersionRow {
  readonly purpose: string;
  readonly version: number;
  readonly counts_from: number;
  readonly matters: Matters;
  readonly texts: Readonly<Record<string, string>>;
}

/** The latest notice of each purpose that there ever was. */
export async function listLatest(db: Db): Promise<ReadonlyMap<string, NoticeVersion>> {
  const { rows } = await db.raw<{ rows: VersionRow[] }>(
    `SELECT DISTINCT ON (v.purpose) v.purpose, v.version, v.counts_from, v.matters,
       (SELECT coalesce(jsonb_object_agg(n.language, n.text), '{}') FROM purpose_notices n
        WHERE n.purpose = v.purpose AND n.version = v.version) AS texts
     FROM purpose_versions v ORDER BY v.purpose, v.version DESC LIMIT 2000`,
  );
  return new Map(
    rows.map(({ counts_from: countsFrom, ...row }) => [row.purpose, { ...row, countsFrom }] as const),
  );
}

interface TextRow {
  readonly purpose: string;
  readonly text: string;
  readonly digest: Buffer;
}

/** The words of these versions in a language, or in English where it is missing, by purpose. */
export async function listTexts(
  db: Db,
  versions: Readonly<Record<string, number>>,
  language: string,
): Promise<ReadonlyMap<string, { readonly text: string; readonly digest: string }>> {
  const { rows } = await db.raw<{ rows: TextRow[] }>(
    `SELECT DISTINCT ON (n.purpose) n.purpose, n.text, n.digest
     FROM jsonb_each_text(CAST(:versions AS jsonb)) v
     JOIN purpose_notices n ON n.purpose = v.key AND n.version = v.value::integer AND n.language IN (:language, 'en')
     ORDER BY n.purpose, n.language = :language DESC`,
    { versions: JSON.stringify(versions), language },
  );
  return new Map(
    rows.map(({ purpose, text, digest }) => [purpose, { text, digest: digest.toString('hex') }]),
  );
}

/** Keeps a notice; what of it is there already stays. */
export async function insertNotice(tx: Tx, notice: NextNotice, at: Date): Promise<void> {
  const { purpose, version, texts } = notice;
  await tx('purpose_versions')
    .insert({
      purpose,
      version,
      counts_from: notice.countsFrom,
      matters: JSON.stringify(notice.matters),
      applied_at: at,
    })
    .onConflict(['purpose', 'version'])
    .ignore();
  const rows = Object.entries(texts).map(([language, text]) => ({
    purpose,
    version,
    language,
    text,
    digest: createHash('sha256').update(text).digest(),
  }));
  await tx('purpose_notices').insert(rows).onConflict(['purpose', 'version', 'language']).ignore();
}

/** Makes these the purposes there are. What still names one that is gone is refused by the database. */
export async function replace(
  tx: Tx,
  purposes: readonly { readonly purpose: Purpose; readonly notice: NextNotice }[],
  at: Date,
): Promise<void> {
  const ids = purposes.map(({ purpose }) => purpose.id);
  await tx('purposes').whereNotIn('id', ids).delete().catch(translate);
  if (purposes.length === 0) return;
  const rows = purposes.map(({ purpose, notice }, position) => ({
    id: purpose.id,
    position,
    basis: purpose.basis,
    name: JSON.stringify(purpose.name),
    why: JSON.stringify(purpose.why),
    retention: purpose.retention,
    declaration: JSON.stringify(purpose),
    version: notice.version,
    counts_from: notice.countsFrom,
    applied_at: at,
  }));
  await tx('purposes').insert(rows).onConflict('id').merge();
}

function translate(error: unknown): never {
  const { constraint, detail = '' } = error as { constraint?: string; detail?: string };
  if (constraint !== 'topics__purpose') throw error;
  const [, id = ''] = /^Key \(id\)=\((\w+)\)/.exec(detail) ?? [];
  throw new Refusal(
    'conflict',
    'purpose_in_use',
    `People are written to for the purpose ${id}; retire its topics first.`,
  );
}
