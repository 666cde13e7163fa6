import type { Keyring } from '../../platform/crypto/keyring.js';
import type { Work } from '../../platform/storage/work.js';
import type { KeptAttribute } from './attribute.js';
import { type Became, type BlockedAttribute, hold, type Rules, takeChanges } from './changes.js';
import type { BlockedWhy } from './limits.js';
import { keptAttributes, type ProfileSchema, purposeOf } from './schema.js';
import { type FromProvider, type KeptValue, listValues } from './store.js';
import { readValue, sameValue, type Value, type ValueProblem } from './value.js';

/**
 * Who wins when a provider sends a value again: what it sent first and nothing later, the provider always, or the provider
 * until the value was changed here.
 */
export const WINNERS = ['first', 'always', 'until_edited'] as const;
export type Winner = (typeof WINNERS)[number];

/** What a provider sent about somebody who has signed in with it. */
export interface Provided {
  readonly accountId: string;
  /** The provider's id. */
  readonly provider: string;
  readonly values: readonly {
    readonly attribute: string;
    readonly value: unknown;
    readonly wins: Winner;
  }[];
  /** What it sent before, as the last answer said. */
  readonly given: Given;
  /** They were shown these values, and want them kept. */
  readonly agreed?: boolean;
}

/** What a provider has sent, each value as a digest under a key of ours. */
export type Given = Readonly<Record<string, string>>;

/** Why a value that was sent is not taken. */
export type LeftOut = ValueProblem | BlockedWhy | 'unknown' | 'not_agreed' | 'kept';

interface Left {
  readonly attribute: string;
  readonly why: LeftOut;
}

/** What became of what a provider sent. */
export interface ProvidedOutcome {
  readonly changes: readonly Became[];
  readonly left: readonly Left[];
  /** To be kept with the link, and given back at the next sign-in. */
  readonly given: Given;
}

/** What stands about an attribute when a provider sends a value of it. */
export interface Standing {
  readonly current: Pick<KeptValue, 'source'> | undefined;
  readonly source: FromProvider;
  /** It has sent some value before. */
  readonly sentBefore: boolean;
  /** It has sent this very value last time. */
  readonly sentThis: boolean;
  /** An operator decides about changes of it, or they wait for their day. */
  readonly waits: boolean;
}

/** Whether the provider's value is to stand, by the rule of its attribute. */
export function providerWins(wins: Winner, standing: Standing): boolean {
  const { current, source, sentBefore, sentThis, waits } = standing;
  /* Turned down or taken back once, the same value is not asked for at every sign-in. */
  if (sentThis && waits) return false;
  if (wins === 'always') return true;
  if (wins === 'first') return !sentBefore && current === undefined;
  /* What was undone or taken away here was edited here. */
  return current === undefined ? !sentBefore : current.source === source && !sentThis;
}

/**
 * Takes what a provider sent into the profile of whoever has just signed in with it: what cannot be taken is left out, and
 * hinders neither the rest nor the sign-in. A value that it does not send stays.
 */
export async function takeProvided(work: Work, rules: Rules, provided: Provided): Promise<ProvidedOutcome> {
  const { accountId, provider, values } = provided;
  await hold(work, accountId);
  const kept = await listValues(work.tx, accountId);
  const left: Left[] = [];
  const given = new Map(Object.entries(provided.given));
  const wanted: (readonly [KeptAttribute, Value])[] = [];
  for (const { attribute: name, value, wins } of values) {
    const read = readSent(rules.schema, name, value, work.at);
    if (typeof read === 'string') {
      left.push({ attribute: name, why: read });
      continue;
    }
    const sent = digestOf(rules.keyring, provided, name, read.value);
    const why = whyNot(rules.schema, provided, { ...read, wins, sent, current: kept.get(name) });
    if (why !== 'not_agreed') given.set(name, sent);
    if (why) left.push({ attribute: name, why });
    else wanted.push([read.attribute, read.value]);
  }
  const asking = { accountId, fresh: true, source: `provider:${provider}` as const };
  const { changes, blocked } = await takeWhatMay(work, rules, asking, wanted);
  /* Blocked for a time, it is tried again. */
  for (const { attribute } of blocked) {
    const before = provided.given[attribute];
    if (before === undefined) given.delete(attribute);
    else given.set(attribute, before);
  }
  return {
    changes: changes.filter(({ became }) => became !== 'unchanged'),
    left: [...left, ...blocked.map(({ attribute, why }) => ({ attribute, why }))],
    given: Object.fromEntries(given),
  };
}

/* All or nothing is for forms: what is blocked is put on record, and the rest is taken without it. */
async function takeWhatMay(
  work: Work,
  rules: Rules,
  asking: Parameters<typeof takeChanges>[2],
  wanted: readonly (readonly [KeptAttribute, Value])[],
): Promise<{ readonly changes: readonly Became[]; readonly blocked: readonly BlockedAttribute[] }> {
  if (wanted.length === 0) return { changes: [], blocked: [] };
  const taken = await takeChanges(work, rules, asking, wanted);
  if (taken.outcome === 'taken') return { changes: taken.changes, blocked: [] };
  const blocked = taken.outcome === 'blocked' ? taken.blocked : [];
  const names = blocked.map(({ attribute }) => attribute);
  const rest = wanted.filter(([{ name }]) => !names.includes(name));
  const again = rest.length > 0 ? await takeChanges(work, rules, asking, rest) : undefined;
  return { changes: again?.outcome === 'taken' ? again.changes : [], blocked };
}

interface Sent {
  readonly attribute: KeptAttribute;
  readonly value: Value;
}

function readSent(
  schema: ProfileSchema,
  name: string,
  input: unknown,
  at: Date,
): Sent | ValueProblem | 'unknown' {
  const attribute = keptAttributes(schema).find(each => each.name === name);
  if (!attribute) return 'unknown';
  const read = readValue(attribute, input, at);
  if ('problem' in read) return read.problem;
  return read.value === undefined ? 'missing' : { attribute, value: read.value };
}

function whyNot(
  schema: ProfileSchema,
  { provider, given, agreed }: Provided,
  {
    attribute,
    value,
    wins,
    sent,
    current,
  }: Sent & {
    readonly wins: Winner;
    readonly sent: string;
    readonly current: KeptValue | undefined;
  },
): LeftOut | undefined {
  const before = given[attribute.name];
  const source: FromProvider = `provider:${provider}`;
  /* The same once more: it is kept for its time from now on. */
  if (current?.source === source && sameValue(current.value, value)) return undefined;
  /* What rests on consent is given by its person, and what they took back does not come again (GDPR Art. 7(3)). */
  if (!current && !agreed && purposeOf(schema, attribute).basis === 'consent') return 'not_agreed';
  const { approval, effective_after } = attribute.limits;
  const isTheirs = providerWins(wins, {
    current,
    source,
    sentBefore: before !== undefined,
    sentThis: before === sent,
    waits: approval === true || effective_after !== undefined,
  });
  return isTheirs ? undefined : 'kept';
}

function digestOf(
  keyring: Keyring,
  { accountId, provider }: Provided,
  attribute: string,
  value: Value,
): string {
  const parts = JSON.stringify([accountId, provider, attribute, value]);
  return keyring.mac('provided', parts).toString('base64url', 0, 16);
}
