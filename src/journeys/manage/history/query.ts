import { nextDay, startOfDay } from '../../../platform/days.js';
import type { Problem } from '../../page-models.js';
import { type HistoryFilter, isEventId } from './listing.js';
import { KINDS, type Kind } from './said.js';

/** What a history's address says, as it was typed and as it is understood. */
export interface Asked {
  readonly kind: Kind | undefined;
  readonly from: string;
  readonly to: string;
  readonly before: string | undefined;
  readonly filter: HistoryFilter;
  readonly problems: readonly Problem[];
}

/** Reads a filter out of an address; days are those of the person's zone, and both are included. */
export function askedOf(query: Readonly<Record<string, unknown>>, zone?: string): Asked {
  const text = (name: string) => (typeof query[name] === 'string' ? query[name].trim().slice(0, 40) : '');
  const kind = KINDS.find(one => one === text('kind'));
  const before = isEventId(text('before')) ? text('before') : undefined;
  const [from, to] = [text('from'), text('to')];
  const start = from === '' ? undefined : startOfDay(from, zone);
  const end = to === '' ? undefined : startOfDay(nextDay(to) ?? '', zone);
  const wrong = (typed: string, understood: Date | undefined) => typed !== '' && understood === undefined;
  const problems: Problem[] = [
    ...(wrong(from, start) ? [{ word: 'day_invalid', field: 'from' } as const] : []),
    ...(wrong(to, end) ? [{ word: 'day_invalid', field: 'to' } as const] : []),
    ...(start && end && start >= end ? [{ word: 'days_reversed', field: 'to' } as const] : []),
  ];
  return { kind, from, to, before, problems, filter: { kind, before, from: start, to: end } };
}

/** The address of a history with that filter, at one of its addresses. */
export function addressOf(path: string, parts: Readonly<Record<string, string | undefined>>): string {
  const set = Object.entries(parts).filter((part): part is [string, string] => Boolean(part[1]));
  return set.length === 0 ? path : `${path}?${new URLSearchParams(set)}`;
}
