import { Refusal } from '../../platform/errors.js';
import { isRequired, languagesOf, noticeText, type Party, type Purpose } from './purpose.js';

/** What somebody agrees to beside the words; what a version never said is absent. */
export interface Matters {
  readonly basis: Purpose['basis'];
  readonly retention: string;
  readonly attributes: readonly string[];
  readonly required?: boolean;
  readonly controllers?: readonly Party[];
  readonly recipients?: readonly ('apps' | Party)[];
  readonly jurisdiction?: readonly string[];
}

/** A notice as it was applied. It never changes; languages may be added. */
export interface NoticeVersion {
  readonly purpose: string;
  readonly version: number;
  /** Who agreed to an earlier version than this one is asked again. */
  readonly countsFrom: number;
  readonly matters: Matters;
  readonly texts: Readonly<Record<string, string>>;
}

/** Why a notice is another one. */
export type NoticeChange =
  | 'words'
  | 'basis'
  | 'retention'
  | 'required'
  | 'controllers'
  | 'recipients'
  | 'jurisdiction'
  | 'attributes_moved'
  | 'attributes'
  | 'less'
  | 'said_first'
  | 'declared';

/** What applying a purpose makes of its notice. */
export interface NextNotice extends NoticeVersion {
  /** Whether it is a version of its own. */
  readonly isNew: boolean;
  readonly changes: readonly NoticeChange[];
  /** Whether those who agreed before have to be asked again. */
  readonly asksAgain: boolean;
}

/* What no operator can call a trifle: another basis, more who get it, longer. */
const NEVER_SMALL: readonly NoticeChange[] = [
  'basis',
  'retention',
  'required',
  'controllers',
  'recipients',
  'jurisdiction',
  'attributes_moved',
];
const MATERIAL: readonly NoticeChange[] = ['words', 'declared', ...NEVER_SMALL];

/**
 * The notice that a purpose leads to, given the one before and the attributes that other purposes had so far. Other words
 * or other terms are another version. Who agreed before is asked again, unless less is asked of them now, an attribute came
 * that nobody has agreed to anyway, or the operator says of this very version that the words changed in nothing that matters.
 */
export function nextNotice(
  before: NoticeVersion | undefined,
  purpose: Purpose,
  attributes: readonly string[],
  elsewhere: ReadonlySet<string>,
): NextNotice {
  const matters = mattersOf(purpose, attributes);
  const texts = Object.fromEntries(languagesOf(purpose).map(each => [each, noticeText(purpose, each)]));
  const said = { purpose: purpose.id, matters, texts };
  if (!before) {
    const { version = 1, counts_from: countsFrom = version } = purpose;
    return { ...said, version, countsFrom, isNew: true, changes: [], asksAgain: false };
  }
  const found = changesOf(before, said, elsewhere);
  const version = versionOf(before, purpose, found);
  if (version === before.version) {
    const kept = { ...said, texts: { ...texts, ...before.texts } };
    return { ...kept, version, countsFrom: before.countsFrom, isNew: false, changes: [], asksAgain: false };
  }
  const changes: readonly NoticeChange[] = found.length > 0 ? found : ['declared'];
  const countsFrom = countsFromOf(before, purpose, version, changes);
  return { ...said, version, countsFrom, isNew: true, changes, asksAgain: countsFrom > before.countsFrom };
}

function mattersOf(purpose: Purpose, attributes: readonly string[]): Matters {
  const { basis, retention, controllers, recipients, jurisdiction } = purpose;
  return {
    basis,
    retention,
    attributes: [...attributes].sort(),
    required: isRequired(purpose),
    ...(controllers && { controllers }),
    ...(recipients && { recipients }),
    ...(jurisdiction && { jurisdiction: [...jurisdiction].sort() }),
  };
}

function versionOf(before: NoticeVersion, { id, version }: Purpose, found: readonly NoticeChange[]): number {
  if (version === undefined) return found.length > 0 ? before.version + 1 : before.version;
  if (version < before.version) {
    throw refused(id, `has version ${before.version} already; versions count up.`);
  }
  if (version === before.version && found.length > 0) {
    throw refused(
      id,
      `says something else than its version ${version} did (${inWords(found)}); give it version ${version + 1}, or leave the version out.`,
    );
  }
  return version;
}

function countsFromOf(
  before: NoticeVersion,
  { id, counts_from: said }: Purpose,
  version: number,
  changes: readonly NoticeChange[],
): number {
  const material = changes.some(change => MATERIAL.includes(change));
  if (said === undefined) return material ? version : before.countsFrom;
  const never = changes.filter(change => NEVER_SMALL.includes(change));
  if (said < version && never.length > 0) {
    throw refused(id, `cannot count from version ${said}: ${inWords(never)}, so everybody is asked again.`);
  }
  if (said < before.countsFrom) {
    throw refused(id, `counts from version ${before.countsFrom} already; what is void stays void.`);
  }
  return said;
}

const refused = (id: string, why: string) =>
  new Refusal('conflict', 'purpose_reworded', `The purpose ${id} ${why}`);

type Said = Pick<NoticeVersion, 'matters' | 'texts'>;

function changesOf(before: Said, now: Said, elsewhere: ReadonlySet<string>): readonly NoticeChange[] {
  const changes: NoticeChange[] = [];
  if (Object.entries(now.texts).some(([language, text]) => (before.texts[language] ?? text) !== text)) {
    changes.push('words');
  }
  const { matters: was } = before;
  const { matters: is } = now;
  if (was.basis !== is.basis) changes.push('basis');
  if (was.retention !== is.retention)
    changes.push(isShorter(was.retention, is.retention) ? 'less' : 'retention');
  for (const list of ['controllers', 'recipients', 'jurisdiction'] as const) {
    changes.push(...listed(list, was[list], is[list]));
  }
  if (was.required === undefined) changes.push('said_first');
  else if (was.required !== is.required) changes.push('required');
  const added = is.attributes.filter(name => !was.attributes.includes(name));
  if (added.some(name => elsewhere.has(name))) changes.push('attributes_moved');
  else if (added.length > 0) changes.push('attributes');
  if (was.attributes.some(name => !is.attributes.includes(name))) changes.push('less');
  return [...new Set(changes)];
}

function listed(
  what: 'controllers' | 'recipients' | 'jurisdiction',
  was: readonly unknown[] | undefined,
  is: readonly unknown[] | undefined,
): readonly NoticeChange[] {
  const [before, after] = [was, is].map(list => (list ?? []).map(each => JSON.stringify(each)));
  if (was === undefined) return is === undefined ? [] : ['said_first'];
  if (after?.some(each => !before?.includes(each))) return [what];
  return before?.some(each => !after?.includes(each)) ? ['less'] : [];
}

const WORDS: Readonly<Record<NoticeChange, string>> = {
  words: 'the words changed',
  basis: 'it rests on another basis',
  retention: 'it is kept for another time',
  required: 'whether it is required changed',
  controllers: 'others decide about it',
  recipients: 'others get it',
  jurisdiction: 'other law holds for it',
  attributes_moved: 'something that was held for another purpose is held for it',
  attributes: 'there is something new that people can give for it',
  less: 'less is held, for fewer or not as long',
  said_first: 'more is said of it than before',
  declared: 'its version says so',
};

/** Why a notice is another one, in plain words. */
export function inWords(changes: readonly NoticeChange[]): string {
  return changes.map(change => WORDS[change]).join(', ');
}

const DAY = { minute: 1 / 1_440, hour: 1 / 24, day: 1 } as const;

function isShorter(was: string, is: string): boolean {
  const days = (span: string) => {
    const [, count, unit] = /^(\d+) (minute|hour|day)/.exec(span) ?? [];
    return unit === undefined ? undefined : Number(count) * DAY[unit as keyof typeof DAY];
  };
  const [before, after] = [days(was), days(is)];
  return before !== undefined && after !== undefined && after < before;
}
