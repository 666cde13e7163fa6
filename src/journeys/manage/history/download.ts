import { Readable } from 'node:stream';
import { readEventsOf } from '../../../platform/storage/events.js';
import { CSV_START, csvLine } from '../../../platform/web/csv.js';
import type { Parts } from '../../journey.js';
import { type Action, accountsOf, actionOf, eventsOf, type HistoryFilter, namesFor } from './listing.js';

type Reading = Pick<Parts, 'db' | 'keyring' | 'places'>;

/** How an action is written out: the sentences and names of one language. */
export interface Telling {
  say(key: string): string;
  country(code: string): string;
}

const AT_ONCE = 500;

/** Every action of a history, newest first, read as it is asked for: no more than one stretch is held at a time. */
async function* actions(parts: Reading, accountId: string, filter: HistoryFilter): AsyncGenerator<Action> {
  const ids = await accountsOf(parts, accountId);
  let before: string | undefined;
  for (;;) {
    const events = await readEventsOf(parts.db, parts.keyring, ids, {
      ...eventsOf({ ...filter, before }),
      limit: AT_ONCE,
    });
    const names = await namesFor(parts, events);
    for (const event of events) yield await actionOf(parts, event, names);
    before = events.at(-1)?.id;
    if (events.length < AT_ONCE) return;
  }
}

const COLUMNS = [
  'time',
  'kind',
  'what',
  'by',
  'app',
  'device',
  'country',
  'address',
  'seen',
  'type',
  'id',
] as const;

/** A history as CSV with a line of headings. */
export function csvOf(parts: Reading, accountId: string, filter: HistoryFilter, telling: Telling): Readable {
  async function* lines(): AsyncGenerator<string> {
    yield CSV_START + csvLine(COLUMNS.map(column => telling.say(`history.column.${column}`)));
    for await (const action of actions(parts, accountId, filter)) {
      const { at, device, address, look, type, id } = action;
      const [kind, what, by] = wordsOf(action, telling);
      const app = action.app?.name ?? action.app?.clientId;
      const country = action.country && telling.country(action.country);
      yield csvLine([
        at.toISOString(),
        kind,
        what,
        by,
        app,
        device,
        country,
        address,
        look?.seen.join(' '),
        type,
        id,
      ]);
    }
  }
  return Readable.from(lines());
}

function wordsOf({ kind, word, by }: Action, { say }: Telling): readonly [string, string, string] {
  return [say(`history.kind.${kind}`), say(`history.did.${word}`), say(`history.by.${by}`)];
}

/** A history as one JSON array. */
export function jsonOf(parts: Reading, accountId: string, filter: HistoryFilter, telling: Telling): Readable {
  async function* pieces(): AsyncGenerator<string> {
    let between = '[\n';
    for await (const action of actions(parts, accountId, filter)) {
      yield `${between}${JSON.stringify({ ...written(action), what: telling.say(`history.did.${action.word}`) })}`;
      between = ',\n';
    }
    yield between === ',\n' ? '\n]\n' : '[]\n';
  }
  return Readable.from(pieces());
}

/** An action as apps and downloads are given it: identifiers, codes and places. */
export function written(action: Action) {
  const { id, at, type, kind, by, app, device, country, address, about, look } = action;
  return {
    id,
    time: at.toISOString(),
    type,
    kind,
    by,
    ...(app && { app: { client_id: app.clientId, ...(app.name !== undefined && { name: app.name }) } }),
    ...(device !== undefined && { device }),
    ...(country !== undefined && { country }),
    ...(address !== undefined && { network_address: address }),
    ...(about.length > 0 && { attributes: about }),
    ...(look && { ...look, seen: [...look.seen] }),
  };
}
