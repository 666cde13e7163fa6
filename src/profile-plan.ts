import { type Attribute, type ChangeLimits, isKept, type ProfileSchema } from './domain/profiles/profiles.js';
import {
  inWords,
  isRequired,
  type NextNotice,
  type Party,
  type Purpose,
  type SpokenWords,
  termsOf,
} from './domain/purposes/purposes.js';

/** What one entry of the declaration becomes. */
export interface PlannedChange {
  readonly what: 'purpose' | 'attribute';
  readonly name: string;
  readonly kind: 'added' | 'changed' | 'removed';
  /** In plain words, each a line of its own. */
  readonly words: readonly string[];
}

/** What applying `next` would change of `now`. */
export function planChanges(now: ProfileSchema, next: ProfileSchema): readonly PlannedChange[] {
  return [
    ...compared('purpose', byId(now.purposes), byId(next.purposes), describePurpose),
    ...compared('attribute', byName(now.attributes), byName(next.attributes), describeAttribute),
  ];
}

const byId = (purposes: readonly Purpose[]) => new Map(purposes.map(purpose => [purpose.id, purpose]));
const byName = (attributes: readonly Attribute[]) =>
  new Map(attributes.map(attribute => [attribute.name, attribute]));

type Described = readonly (readonly [about: string, words: string])[];

/* Of something new only what is there is said. */
const NOTHING = /nothing$|^without /;

function compared<Entry>(
  what: PlannedChange['what'],
  now: ReadonlyMap<string, Entry>,
  next: ReadonlyMap<string, Entry>,
  describe: (entry: Entry) => Described,
): PlannedChange[] {
  const changes: PlannedChange[] = [];
  for (const [name, entry] of next) {
    const was = now.get(name);
    if (!was)
      changes.push({
        what,
        name,
        kind: 'added',
        words: describe(entry).flatMap(([, words]) => (NOTHING.test(words) ? [] : [words])),
      });
    else {
      const words = differences(describe(was), describe(entry));
      if (words.length > 0) changes.push({ what, name, kind: 'changed', words });
    }
  }
  for (const name of now.keys()) {
    if (!next.has(name)) changes.push({ what, name, kind: 'removed', words: [] });
  }
  return changes;
}

function differences(was: Described, is: Described): readonly string[] {
  const before = new Map(was);
  return is.flatMap(([about, words]) => {
    const old = before.get(about) ?? '';
    if (old === words) return [];
    return [old.length + words.length > 240 || old === '' ? words : `${words} (until now: ${old})`];
  });
}

const spoken = (words: SpokenWords) => `"${words['en']}"`;
const languages = (words: SpokenWords) =>
  Object.entries(words)
    .filter(([language]) => language !== 'en')
    .sort()
    .map(([language, text]) => `${language} "${text}"`)
    .join(', ');

const BASIS: Readonly<Record<Purpose['basis'], string>> = {
  consent: 'because the person agrees',
  contract: 'needed for what the person asked for',
  legal_obligation: 'because a law demands it',
  vital_interest: 'to protect somebody’s life',
  public_task: 'for a task in the public interest',
  legitimate_interest: 'for a legitimate interest',
};

function describePurpose(purpose: Purpose): Described {
  const {
    basis,
    name,
    why,
    notice,
    retention,
    controllers,
    recipients,
    jurisdiction,
    consent_lasts: lasts,
  } = purpose;
  const kept =
    retention === 'account' ? 'as long as the account exists' : `for ${retention} after the last change`;
  const { purposes: terms, basis: law } = termsOf(purpose);
  return [
    ['basis', `held ${BASIS[basis]}`],
    ['retention', `kept ${kept}`],
    ['name', `called ${spoken(name)}`],
    ['why', `explained as ${spoken(why)}`],
    ['required', isRequired(purpose) ? 'required' : 'optional'],
    ['controllers', `decided about by ${parties(controllers ?? []) || 'whoever runs this'}`],
    ['recipients', `told to ${parties(recipients ?? []) || 'nobody'}`],
    ['jurisdiction', `under the law of ${jurisdiction?.join(', ') ?? 'nothing'}`],
    ['terms', `in standard terms ${[...terms, law].join(', ')}`],
    ['lasts', `what an app is allowed for it lasts ${lasts ?? 'until it is taken back'}`],
    ['notice', notice ? `with the notice ${spoken(notice)}` : 'without a notice of its own'],
    ['names', `called in other languages ${languages(name) || 'nothing'}`],
    ['whys', `explained in other languages as ${languages(why) || 'nothing'}`],
    ['notices', `with notices in other languages ${(notice && languages(notice)) || 'nothing'}`],
  ];
}

const parties = (list: readonly ('apps' | Party)[]) =>
  list.map(who => (who === 'apps' ? 'apps that the person allows' : who.name)).join(', ');

/** What applying would do to notices, and whom it would have asked again, in plain words. */
export function noticesInWords(
  notices: readonly { readonly notice: NextNotice; readonly people: string }[],
): string {
  if (notices.length === 0) return '';
  const width = Math.max(...notices.map(({ notice }) => notice.purpose.length));
  const lines = notices.map(({ notice: { purpose, version, countsFrom, changes, asksAgain }, people }) => {
    const why = changes.length > 0 ? `: ${inWords(changes)}` : '';
    const then = asksAgain
      ? `those who agreed to a version before ${countsFrom} must be asked again (${people})`
      : 'nobody is asked again';
    return `  ${purpose.padEnd(width)}  version ${version}${why}${version > 1 ? `; ${then}` : ''}`;
  });
  return `Notices\n${lines.join('\n')}\n`;
}

const whom = (list: readonly string[]) =>
  list.map(who => (who === 'person' ? 'the person' : who)).join(', ') || 'nobody';

function typeOf(attribute: Attribute): string {
  return isKept(attribute) ? attribute.type : `kept by ${attribute.kept}`;
}

function describeAttribute(attribute: Attribute): Described {
  const { label, ask, purpose, scope, see } = attribute;
  return [
    ['type', isKept(attribute) ? `a ${attribute.type}${rulesOf(attribute)}` : typeOf(attribute)],
    ['purpose', `held for "${purpose}"`],
    ['see', `seen by ${whom(see)}`],
    ['scope', scope === undefined ? 'apps ask for it by name' : `told to apps with the scope ${scope}`],
    ...(isKept(attribute) ? describeKept(attribute) : []),
    ['label', `called ${spoken(label)}`],
    ['ask', ask ? `asked for as ${spoken(ask)}` : 'asked for by what it is called'],
    ['labels', `called in other languages ${languages(label) || 'nothing'}`],
    ['asks', `asked for in other languages as ${(ask && languages(ask)) || 'nothing'}`],
  ];
}

function describeKept({ required, change, limits, hint }: Extract<Attribute, { type: string }>): Described {
  return [
    ['required', required ? 'cannot be left out' : 'may be left out'],
    ['change', `may be changed by ${whom(change)}`],
    ['limits', `the person changes it ${describeLimits(limits)}`],
    ['hint', hint ? `with the hint ${spoken(hint)}` : 'without a hint'],
    ['hints', `with hints in other languages ${(hint && languages(hint)) || 'nothing'}`],
  ];
}

function rulesOf(attribute: Extract<Attribute, { type: string }>): string {
  const rules: string[] = [];
  if (attribute.type === 'text') {
    rules.push(`of ${attribute.max} characters at most`);
    if (attribute.pattern) rules.push(`like ${attribute.pattern}`);
  }
  if (attribute.type === 'number') {
    if (attribute.whole) rules.push('whole');
    const { min, max } = attribute;
    if (min !== undefined && max !== undefined) rules.push(`from ${min} to ${max}`);
    else if (min !== undefined) rules.push(`of ${min} or more`);
    else if (max !== undefined) rules.push(`of ${max} at most`);
  }
  if (attribute.type === 'date' && attribute.past) rules.push('in the past');
  if (attribute.type === 'choice') rules.push(`of ${attribute.choices.map(({ value }) => value).join(', ')}`);
  return rules.length === 0 ? '' : ` ${rules.join(', ')}`;
}

/** The limits of changes in plain words. */
export function describeLimits(limits: ChangeLimits): string {
  const { changes, cool_down, step_up, approval, effective_after, undo_within } = limits;
  const words = [
    ...(changes ? [`${changes.max === 1 ? 'once' : `${changes.max} times`} in ${changes.within}`] : []),
    ...(cool_down ? [`${cool_down} apart`] : []),
    ...(step_up ? ['after signing in anew'] : []),
    ...(approval ? ['once an operator has allowed it'] : []),
    ...(effective_after ? [`to take effect after ${effective_after}`] : []),
    ...(undo_within ? [`with ${undo_within} to undo it`] : []),
  ];
  return words.join(', ') || 'at any time';
}

const SIGN = { added: '+', changed: '~', removed: '-' } as const;

/** The plan as a table: what, and beside it in plain words how. */
export function planInWords(changes: readonly PlannedChange[]): string {
  if (changes.length === 0) return 'Nothing changes: this is what stands already.\n';
  const width = Math.max(...changes.map(({ name }) => name.length));
  const lines: string[] = [];
  for (const what of ['purpose', 'attribute'] as const) {
    const entries = changes.filter(change => change.what === what);
    if (entries.length > 0) lines.push(what === 'purpose' ? 'Purposes' : 'Attributes');
    for (const { kind, name, words } of entries) {
      const [first, ...rest] = words.length > 0 ? words : ['is not held any more'];
      lines.push(`  ${SIGN[kind]} ${name.padEnd(width)}  ${kind === 'added' ? `new: ${first}` : first}`);
      for (const line of rest) lines.push(`    ${''.padEnd(width)}  ${line}`);
    }
  }
  const count = (kind: PlannedChange['kind']) => changes.filter(change => change.kind === kind).length;
  lines.push(`${count('added')} new, ${count('changed')} changed, ${count('removed')} gone.`);
  return `${lines.join('\n')}\n`;
}
