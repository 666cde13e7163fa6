import type { Db } from '../../platform/storage/db.js';
import type { Work } from '../../platform/storage/work.js';
import { type NextNotice, nextNotice } from './notices.js';
import type { Purpose } from './purpose.js';
import * as store from './store.js';

export { heldPurposes, listHeld, NOT_EXPORTED } from './catalogue.js';
export { inWords, type NextNotice, type NoticeChange } from './notices.js';
export {
  BASES,
  isRequired,
  languagesOf,
  noticeText,
  type Party,
  type Purpose,
  purposeSchema,
  type SpokenWords,
  sayIn,
  secondsOf,
  spanSchema,
  termsOf,
  wordsSchema,
} from './purpose.js';
export type { StandingNotice } from './store.js';

/** The job that follows when somebody who agreed has to be asked again. */
export const OUTDATED_CONSENTS = 'outdated-consents';

/** The facts this room records. */
export const PURPOSE_FACTS = ['notice.applied'] as const;

/** Attributes, each with the purpose that it is held for. */
export type HeldFor = readonly { readonly name: string; readonly purpose: string }[];

/** Why anything is held, in the order of the file that says so. */
export function listPurposes(db: Db): Promise<readonly Purpose[]> {
  return store.list(db);
}

/** Which version of its notice stands for each purpose, and from which version on an agreement counts. */
export function listNotices(db: Db): Promise<readonly store.StandingNotice[]> {
  return store.listStanding(db);
}

/**
 * The exact words of these versions of notices in a language, or in English where it is missing, with their SHA-256 as hex; by
 * purpose, also of one that is gone.
 */
export function listNoticeTexts(
  db: Db,
  versions: Readonly<Record<string, number>>,
  language: string,
): Promise<ReadonlyMap<string, { readonly text: string; readonly digest: string }>> {
  return store.listTexts(db, versions, language);
}

/** What making these the purposes there are would do to their notices; refuses words that contradict their version. */
export async function planNotices(
  db: Db,
  purposes: readonly Purpose[],
  attributes: HeldFor,
): Promise<readonly NextNotice[]> {
  const before = await store.listLatest(db);
  return purposes.map(purpose => {
    const own = attributes.filter(each => each.purpose === purpose.id).map(({ name }) => name);
    const others = [...before.values()].filter(notice => notice.purpose !== purpose.id);
    const elsewhere = new Set(others.flatMap(({ matters }) => matters.attributes));
    return nextNotice(before.get(purpose.id), purpose, own, elsewhere);
  });
}

/**
 * Makes these the purposes there are, each under the version of its notice that follows. What still names one that is gone
 * is refused. Gives the notices that are new.
 */
export async function setPurposes(
  work: Work,
  purposes: readonly Purpose[],
  attributes: HeldFor = [],
): Promise<readonly NextNotice[]> {
  const notices = await planNotices(work.tx, purposes, attributes);
  for (const notice of notices) {
    await store.insertNotice(work.tx, notice, work.at);
    if (notice.changes.length === 0) continue;
    const { purpose, version, countsFrom } = notice;
    work.record({ type: 'notice.applied', detail: { purpose, version, counts_from: countsFrom } });
  }
  const standing = purposes.map((purpose, at) => ({ purpose, notice: notices[at] }));
  await store.replace(
    work.tx,
    standing.flatMap(({ purpose, notice }) => (notice ? [{ purpose, notice }] : [])),
    work.at,
  );
  return notices.filter(({ isNew }) => isNew);
}
