import { v7 as uuidv7 } from 'uuid';
import type { Keyring } from '../../platform/crypto/keyring.js';
import { Refusal } from '../../platform/errors.js';
import type { Work } from '../../platform/storage/work.js';
import { lockAccount, mayChange, touchAccount } from '../accounts/accounts.js';
import type { KeptAttribute } from './attribute.js';
import { deleteHeld } from './ending-store.js';
import { type Before, type Blocked, isFirst, isLimited, judgeChange, later, reachOf } from './limits.js';
import { keptAttributes, type ProfileSchema, purposeOf } from './schema.js';
import {
  type ChangeRow,
  confirmValues,
  deleteValues,
  insertChanges,
  type KeptValue,
  listChanges,
  listValues,
  type ProfileSource,
  settleChange,
  undoLater,
  upsertValues,
} from './store.js';
import { readValue, sameValue, type Value, type ValueProblem } from './value.js';

/** What changes go by: the declaration that stands, and the key that values on their way are sealed with. */
export interface Rules {
  readonly schema: ProfileSchema;
  readonly keyring: Keyring;
}

/** What somebody wants their profile to say. */
export interface Asking {
  readonly accountId: string;
  /** By attribute, as a form or an app gave it; null or '' takes a value away. */
  readonly values: Readonly<Record<string, unknown>>;
  /** They have just proved anew that it is them. */
  readonly fresh: boolean;
  /** Where it comes from, if they did not give it here. */
  readonly source?: Bringing;
}

/** Where a change comes from: its person, what they brought along, or a provider they signed in with. */
type Bringing = Exclude<ProfileSource, 'operator' | 'import'>;

/** What became of one attribute. */
export interface Became {
  readonly attribute: string;
  readonly became: 'changed' | 'unchanged' | 'waiting' | 'scheduled';
  /** When it takes effect, or until when it can be undone. */
  readonly until?: Date;
  readonly changeId?: string;
}

/** What is wrong with what was given for one attribute. */
export interface AttributeProblem {
  readonly attribute: string;
  readonly problem: ValueProblem | 'unknown' | 'not_yours';
}

export interface BlockedAttribute extends Blocked {
  readonly attribute: string;
}

/** Nothing is changed unless everything can be. */
export type ChangeOutcome =
  | { readonly outcome: 'invalid'; readonly problems: readonly AttributeProblem[] }
  | { readonly outcome: 'blocked'; readonly blocked: readonly BlockedAttribute[] }
  | { readonly outcome: 'taken'; readonly changes: readonly Became[] };

/** Attributes, each with the value that was read for it; nothing is none. */
export type Given = readonly (readonly [attribute: KeptAttribute, value: Value | undefined])[];

/** Changes what a profile says, as its person wants it and its limits allow; all of it, or nothing. */
export async function changeProfile(work: Work, rules: Rules, asking: Asking): Promise<ChangeOutcome> {
  const { given, problems } = readGiven(rules.schema, asking, work.at);
  return problems.length > 0 ? { outcome: 'invalid', problems } : takeChanges(work, rules, asking, given);
}

/** The same for a picture, which was uploaded meanwhile: its value is where it is served. */
export async function changePicture(
  work: Work,
  rules: Rules,
  asking: Pick<Asking, 'accountId' | 'fresh' | 'source'> & {
    readonly attribute: KeptAttribute;
    readonly path: string | undefined;
  },
): Promise<ChangeOutcome> {
  return takeChanges(work, rules, asking, [[asking.attribute, asking.path]]);
}

function readGiven(schema: ProfileSchema, { values }: Asking, at: Date) {
  const known = new Map(keptAttributes(schema).map(attribute => [attribute.name, attribute]));
  const given: [KeptAttribute, Value | undefined][] = [];
  const problems: AttributeProblem[] = [];
  for (const [name, input] of Object.entries(values)) {
    const attribute = known.get(name);
    if (!attribute?.see.includes('person')) {
      problems.push({ attribute: name, problem: 'unknown' });
      continue;
    }
    if (!attribute.change.includes('person')) {
      problems.push({ attribute: name, problem: 'not_yours' });
      continue;
    }
    const read = readValue(attribute, input, at);
    if ('problem' in read) problems.push({ attribute: name, problem: read.problem });
    else given.push([attribute, read.value]);
  }
  return { given, problems };
}

/** Takes changes that were read, as the limits allow; all of them, or nothing. */
export async function takeChanges(
  work: Work,
  rules: Rules,
  { accountId, fresh, source = 'person' }: Pick<Asking, 'accountId' | 'fresh' | 'source'>,
  given: Given,
): Promise<ChangeOutcome> {
  await hold(work, accountId);
  const names = given.map(([{ name }]) => name);
  const [values, past] = [await listValues(work.tx, accountId), await listChanges(work.tx, accountId, names)];
  const different = given.filter(([{ name }, value]) => !sameValue(values.get(name)?.value, value));
  const before = new Map(
    different.map(([{ name, limits }]) => [name, beforeOf(name, limits, past, values.has(name), work.at)]),
  );
  const blocked = different.flatMap(([{ name, limits }]) => {
    const was = before.get(name);
    const why = was && judgeChange(limits, was, { at: work.at, fresh });
    return why ? [{ attribute: name, ...why }] : [];
  });
  if (blocked.length > 0) {
    for (const { attribute, why } of blocked) {
      work.record({ type: 'profile.change_blocked', accountId, detail: { attribute, why } });
    }
    return { outcome: 'blocked', blocked };
  }
  const changes: Became[] = [];
  for (const [attribute, value] of different) {
    const was = before.get(attribute.name);
    const one = {
      accountId,
      attribute,
      value,
      current: values.get(attribute.name),
      first: was ? isFirst(was) : false,
      source,
    };
    changes.push(await takeOne(work, rules, one));
  }
  const made = changes.filter(({ became }) => became === 'changed').map(({ attribute }) => attribute);
  await noteChanged(work, accountId, made, source);
  const same = names.filter(name => !different.some(([attribute]) => attribute.name === name));
  /* Given once more, it is kept for its time from now on. */
  const again = same.filter(name => values.has(name) && isLimitedInTime(rules.schema, name));
  await confirmValues(work.tx, accountId, again, work.at);
  return {
    outcome: 'taken',
    changes: [...changes, ...same.map(attribute => ({ attribute, became: 'unchanged' as const }))],
  };
}

function isLimitedInTime(schema: ProfileSchema, name: string): boolean {
  const attribute = keptAttributes(schema).find(each => each.name === name);
  return attribute !== undefined && purposeOf(schema, attribute).retention !== 'account';
}

/** Whoever holds the account changes its profile alone, so that what is counted is counted once. */
export async function hold(work: Work, accountId: string): Promise<void> {
  if (mayChange(await lockAccount(work, accountId))) return;
  throw new Refusal('forbidden', 'account_not_active', 'Nothing can be changed about this account now.');
}

/**
 * Takes back that something be kept for a purpose that rests on consent: all that is held for it goes at once, whatever the limits
 * of changes say (GDPR Art. 7(3), 17(1)(b)). Gives what there was.
 */
export async function endPurpose(
  work: Work,
  schema: ProfileSchema,
  { accountId, purpose }: { readonly accountId: string; readonly purpose: string },
): Promise<readonly string[]> {
  await hold(work, accountId);
  const isFree = schema.purposes.some(({ id, basis }) => id === purpose && basis === 'consent');
  if (!isFree) throw new Refusal('missing', 'purpose_not_found', 'There is nothing to take back.');
  const names = keptAttributes(schema).filter(each => each.purpose === purpose);
  const gone = await deleteHeld(
    work.tx,
    accountId,
    names.map(({ name }) => name),
  );
  if (gone.length > 0) await touchAccount(work.tx, accountId, work.at);
  for (const attribute of gone)
    work.record({ type: 'profile.expired', accountId, detail: { attribute, reason: 'taken_back' } });
  return gone;
}

/** Puts on record that values are others from now on. */
export async function noteChanged(
  work: Work,
  accountId: string,
  attributes: readonly string[],
  source = 'person',
): Promise<void> {
  if (attributes.length === 0) return;
  await touchAccount(work.tx, accountId, work.at);
  work.record({ type: 'profile.changed', accountId, detail: { attributes, source } });
}

const COUNTS: ReadonlySet<string> = new Set(['waiting', 'scheduled', 'done', 'undone']);
const isOpen = ({ state }: ChangeRow) => state === 'waiting' || state === 'scheduled';

/** What stands before a change of an attribute, as its limits ask for it. */
export function beforeOf(
  name: string,
  limits: KeptAttribute['limits'],
  past: readonly ChangeRow[],
  hasValue: boolean,
  at: Date,
): Before {
  const own = past.filter(({ attribute }) => attribute === name);
  const from = at.getTime() - reachOf(limits) * 1_000;
  const counted = own.filter(row => COUNTS.has(row.state) && row.asked_at.getTime() > from);
  return { asked: counted.map(({ asked_at }) => asked_at), open: own.some(isOpen), hasValue };
}

interface One {
  readonly accountId: string;
  readonly attribute: KeptAttribute;
  readonly value: Value | undefined;
  readonly current: KeptValue | undefined;
  /** It is given for the first time. */
  readonly first: boolean;
  readonly source: Bringing;
}

async function takeOne(work: Work, { keyring }: Rules, one: One): Promise<Became> {
  const { accountId, attribute, value, current, first, source } = one;
  const { limits, name } = attribute;
  const id = uuidv7();
  const state = stateOf(limits, first);
  const open = state !== 'done';
  const effective =
    limits.effective_after && state === 'scheduled' ? later(work.at, limits.effective_after) : null;
  const undo = !open && !first && limits.undo_within ? later(work.at, limits.undo_within) : null;
  if (isLimited(limits) && !(first && state === 'done')) {
    await insertChanges(work.tx, [
      {
        account_id: accountId,
        id,
        attribute: name,
        state,
        value: open ? seal(keyring, accountId, id, value ?? null) : null,
        value_before: undo ? seal(keyring, accountId, id, current ?? null) : null,
        asked_at: work.at,
        effective_at: effective,
        settled_at: open ? null : work.at,
        undo_until: undo,
        reason: null,
        source,
      },
    ]);
  }
  if (open) {
    work.record({ type: 'profile.change_asked', accountId, detail: { attribute: name, change: id, state } });
    return { attribute: name, became: state, changeId: id, ...(effective && { until: effective }) };
  }
  await put(work, accountId, name, value, source);
  return { attribute: name, became: 'changed', ...(undo && { until: undo, changeId: id }) };
}

function stateOf(limits: KeptAttribute['limits'], first: boolean): 'waiting' | 'scheduled' | 'done' {
  if (limits.approval) return 'waiting';
  return limits.effective_after && !first ? 'scheduled' : 'done';
}

/** Makes a value the one that stands; nothing is none. */
export async function put(
  work: Work,
  accountId: string,
  name: string,
  value: unknown,
  source: KeptValue['source'],
  at = work.at,
): Promise<void> {
  if (value === undefined || value === null) await deleteValues(work.tx, accountId, [name]);
  else await upsertValues(work.tx, accountId, [[name, { value, source, at }]]);
}

const SEAL = 'profile-change';

/** Seals a value on its way, for its own row. */
export function seal(keyring: Keyring, accountId: string, id: string, value: unknown): Buffer {
  return keyring.seal(SEAL, JSON.stringify([accountId, id, value]));
}

/** Opens a value on its way; it belongs to its own row only, and a secret that is lost takes it along. */
export function openSealed(
  keyring: Keyring,
  row: Pick<ChangeRow, 'account_id' | 'id'>,
  sealed: Buffer,
): unknown {
  const [accountId, id, value] = JSON.parse(keyring.open(SEAL, sealed)) as [string, string, unknown];
  if (accountId !== row.account_id || id !== row.id) throw new Error('this value belongs to another change');
  return value;
}

/** A change of somebody's. */
export interface OwnChange {
  readonly accountId: string;
  readonly id: string;
}

/**
 * Makes a change undone that is still in its window, and with it every later one of the same attribute: the value is again
 * what it was before, from where and since when it was. Undefined where there is nothing to undo.
 */
export async function undoChange(
  work: Work,
  { keyring }: Pick<Rules, 'keyring'>,
  { frozen = false, ...own }: OwnChange & { readonly frozen?: boolean },
): Promise<string | undefined> {
  /* Whoever objects has their account frozen first. */
  await (frozen ? lockAccount(work, own.accountId) : hold(work, own.accountId));
  const row = await settleChange(work.tx, {
    ...own,
    from: ['done'],
    undoable: work.at,
    to: { state: 'undone', settled_at: work.at },
  });
  if (!row?.value_before) return undefined;
  await undoLater(work.tx, row);
  const before = openSealed(keyring, row, row.value_before) as (KeptValue & { readonly at: string }) | null;
  const at = before ? new Date(before.at) : work.at;
  await put(work, own.accountId, row.attribute, before?.value, before?.source ?? 'person', at);
  await touchAccount(work.tx, own.accountId, work.at);
  work.record({
    type: 'profile.change_undone',
    accountId: own.accountId,
    detail: { attribute: row.attribute, change: row.id },
  });
  return row.attribute;
}

/** Takes back a change that waits or has yet to take effect; undefined where there is none. */
export async function withdrawChange(work: Work, own: OwnChange): Promise<string | undefined> {
  await hold(work, own.accountId);
  const to = { state: 'withdrawn', settled_at: work.at } as const;
  const row = await settleChange(work.tx, { ...own, from: ['waiting', 'scheduled'], to });
  if (!row) return undefined;
  const detail = { attribute: row.attribute, change: row.id };
  work.record({ type: 'profile.change_withdrawn', accountId: own.accountId, detail });
  return row.attribute;
}
