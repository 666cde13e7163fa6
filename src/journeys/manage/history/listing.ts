import { namesOfClients } from '../../../domain/clients/clients.js';
import { listGone } from '../../../domain/merges/merges.js';
import { ACCOUNT_APP } from '../../../oidc/account-app.js';
import { Refusal } from '../../../platform/errors.js';
import {
  type EventFilter,
  findEvent,
  type Gap,
  idAt,
  type PastEvent,
  type Run,
  readEventsOf,
  readRunsOf,
} from '../../../platform/storage/events.js';
import type { Parts } from '../../journey.js';
import { type Kind, NOT_SHOWN, type Said, saidOf, TRIES, typesOf } from './said.js';

/** What of a history is looked at. */
export interface HistoryFilter {
  readonly kind?: Kind | undefined;
  readonly from?: Date | undefined;
  readonly to?: Date | undefined;
  /** The id of the last one that was shown. */
  readonly before?: string | undefined;
}

/** One action, as it is told. */
export interface Action extends Said {
  readonly id: string;
  /** Of which account it was: one's own, or one that became part of it. */
  readonly accountId: string;
  readonly type: string;
  readonly at: Date;
  readonly by: 'person' | 'app' | 'operator' | 'system';
  readonly app: { readonly clientId: string; readonly name: string | undefined } | undefined;
  readonly device: string | undefined;
  readonly country: string | undefined;
  readonly address: string | undefined;
  /** The attributes of the profile that it is about, by name. */
  readonly about: readonly string[];
  /** Somebody who runs the service looked: which attributes they saw unmasked, and under which codes. */
  readonly look: Look | undefined;
  /** The passkey that was added by it. */
  readonly passkeyId: string | undefined;
}

/** What somebody who runs the service saw of somebody. */
export interface Look {
  /** Names of attributes. */
  readonly seen: readonly string[];
  readonly team?: string;
  readonly reference?: string;
}

/** Tries that lie between two actions: so many of them, at least. */
export interface Tries {
  readonly count: number;
  readonly more: boolean;
  readonly newest: Action;
  /** The id of the action after them, if there is one. */
  readonly before: string | undefined;
}

/** A stretch of a history, newest first. */
export interface Listing {
  readonly rows: readonly (Action | Tries)[];
  /** Goes on there; undefined at the end. */
  readonly older: string | undefined;
}

type Reading = Pick<Parts, 'db' | 'keyring' | 'places'>;

const PER_PAGE = 25;
/** As many tries between two actions are counted; beyond that they are "more". */
const MOST_TRIES = 20;
const HIDDEN = [...NOT_SHOWN.keys()];

/** Which events a filter means; without a kind all that are shown. */
export function eventsOf({ kind, ...when }: HistoryFilter): Omit<EventFilter, 'accountId'> {
  const which = kind === undefined ? { except: HIDDEN } : { only: typesOf(kind) };
  return { ...which, ...when };
}

/** Whose actions a person's history is made of: their account's, and those of accounts that became part of it. */
export async function accountsOf({ db }: Pick<Parts, 'db'>, accountId: string): Promise<readonly string[]> {
  return [accountId, ...(await listGone(db, accountId))];
}

/**
 * A page of a history in four reads for each account that it is of, however much happened. Without a kind, tries that got nobody in are told as one row
 * where they lie: whoever tries by the thousand never hides what counts.
 */
export async function listHistory(
  parts: Reading,
  accountId: string,
  filter: HistoryFilter,
  limit: number = PER_PAGE,
): Promise<Listing> {
  const folding = filter.kind === undefined;
  const wanted = eventsOf(filter);
  const ids = await accountsOf(parts, accountId);
  const except = folding ? [...HIDDEN, ...TRIES] : undefined;
  const read = await readEventsOf(parts.db, parts.keyring, ids, { ...wanted, except, limit: limit + 1 });
  const events = read.slice(0, limit);
  const older = read.length > limit ? events.at(-1)?.id : undefined;
  const gaps = folding ? gapsAround(events, filter, older === undefined) : [];
  const [runs, names] = await Promise.all([
    gaps.length === 0
      ? []
      : readRunsOf(parts.db, parts.keyring, ids, { only: TRIES, gaps, most: MOST_TRIES }),
    namesFor(parts, events),
  ]);
  const actions = await Promise.all(events.map(event => actionOf(parts, event, names)));
  return { rows: await woven(parts, actions, gaps, runs), older };
}

/* One before each event, and one after the last where the list ends. */
function gapsAround(events: readonly PastEvent[], { before, from, to }: HistoryFilter, end: boolean): Gap[] {
  const top = to === undefined ? before : [before ?? idAt(to), idAt(to)].sort()[0];
  const bottom = from === undefined ? undefined : idAt(from);
  const gaps = events.map(({ id }, index): Gap => ({ after: id, before: events[index - 1]?.id ?? top }));
  return end ? [...gaps, { after: bottom, before: events.at(-1)?.id ?? top }] : gaps;
}

async function woven(
  parts: Reading,
  actions: readonly Action[],
  gaps: readonly Gap[],
  runs: readonly (Run | undefined)[],
): Promise<(Action | Tries)[]> {
  const rows: (Action | Tries)[] = [];
  for (let index = 0; index < Math.max(actions.length, gaps.length); index += 1) {
    const run = runs[index];
    if (run) {
      const { count, more } = run;
      const newest = await actionOf(parts, run.newest, new Map());
      rows.push({ count, more, newest, before: gaps[index]?.before });
    }
    const action = actions[index];
    if (action) rows.push(action);
  }
  return rows;
}

/** Names of the apps that events are about, in one read. */
export function namesFor(
  { db }: Pick<Parts, 'db'>,
  events: readonly PastEvent[],
): Promise<ReadonlyMap<string, string>> {
  const ids = new Set(events.map(({ clientId }) => clientId).filter(id => id !== undefined));
  return ids.size === 0 ? Promise.resolve(new Map()) : namesOfClients(db, [...ids]);
}

const BY: Readonly<Record<string, Action['by']>> = { person: 'person', client: 'app', operator: 'operator' };

/** One event, as it is told. */
export async function actionOf(
  { places }: Pick<Parts, 'places'>,
  event: PastEvent,
  names: ReadonlyMap<string, string>,
): Promise<Action> {
  const { id, accountId, type, at, clientId, origin } = event;
  return {
    ...saidOf(event),
    id,
    accountId,
    type,
    at,
    by: BY[event.actorKind] ?? 'system',
    /* The pages of the account are no app to anybody. */
    app:
      clientId === undefined || clientId === ACCOUNT_APP
        ? undefined
        : { clientId, name: names.get(clientId) },
    device: origin?.browser || undefined,
    country: origin && (await places.countryOf(origin.address)),
    address: origin?.address,
    about: type.startsWith('profile.') ? aboutOf(event.detail) : [],
    look: type === 'account.inspected' ? lookOf(event.detail) : undefined,
    passkeyId: type === 'passkey.added' ? String(event.detail['passkeyId']) : undefined,
  };
}

function aboutOf({ attribute, attributes }: PastEvent['detail']): readonly string[] {
  const named = Array.isArray(attributes) ? attributes : [attribute];
  return named.filter(name => typeof name === 'string');
}

function lookOf({ seen, team, reference }: PastEvent['detail']): Look {
  return {
    seen: Array.isArray(seen) ? seen.map(String) : [],
    ...(typeof team === 'string' && { team }),
    ...(typeof reference === 'string' && { reference }),
  };
}

/** What a request names that is about one action of its person. */
export interface Naming {
  readonly parts: Reading;
  readonly me: { readonly accountId: string };
  readonly params: Readonly<Record<string, string>>;
}

/** One's own action; somebody else's is nothing, like one that never was. */
export async function ownAction({ parts, me, params }: Naming): Promise<Action> {
  const id = params['id'] ?? '';
  const event = isEventId(id) ? await findOwn(parts, me.accountId, id) : undefined;
  if (!event) throw new Refusal('missing', 'not_found', 'There is nothing at this address.');
  return actionOf(parts, event, await namesFor(parts, [event]));
}

async function findOwn(parts: Reading, own: string, id: string): Promise<PastEvent | undefined> {
  const first = await findEvent(parts.db, parts.keyring, { accountId: own, id });
  if (first) return first;
  for (const accountId of await listGone(parts.db, own)) {
    const event = await findEvent(parts.db, parts.keyring, { accountId, id });
    if (event) return event;
  }
  return undefined;
}

const UUID = /^[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}$/;

/** Whether a text is the id of an event, in the one way that we write them. */
export function isEventId(text: string): boolean {
  return UUID.test(text);
}
