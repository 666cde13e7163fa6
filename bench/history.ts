import { v7 as uuidv7 } from 'uuid';
import { csvOf } from '../src/journeys/manage/history/download.js';
import { type HistoryFilter, listHistory } from '../src/journeys/manage/history/listing.js';
import type { Keyring } from '../src/platform/crypto/keyring.js';
import { openPlaces } from '../src/platform/places.js';
import type { Db } from '../src/platform/storage/db.js';
import { newSubjectKey, sealOrigins, withinOrigin } from '../src/platform/storage/origin.js';
import { eventRow } from '../src/platform/storage/work.js';

const DAY = 86_400_000;
const AT_ONCE = 1_000;

/** Mostly strangers who try, now and then somebody who signs in or changes something, and long ago one recovery. */
function typeAt(index: number): string {
  if (index === 1) return 'account.recovered';
  if (index % 10 === 0) return 'session.authenticated';
  return index % 33 === 0 ? 'profile.changed' : 'sign_in.failed';
}

/** An account to which so much happened over ten years, each event sealed as it would be. */
export async function plantHistory(db: Db, keyring: Keyring, size: number): Promise<string> {
  const accountId = uuidv7();
  const now = new Date();
  await db('accounts').insert({
    id: accountId,
    state: 'active',
    language: 'en',
    opened_at: now,
    updated_at: now,
  });
  const sealed = newSubjectKey(keyring, accountId);
  await db('subject_keys').insert({ account_id: accountId, sealed });
  const actor = { kind: 'person', id: accountId } as const;
  const origin = () => ({ address: '129.132.19.216', browser: 'Firefox · Linux' });
  for (let from = 0; from < size; from += AT_ONCE) {
    const rows = Array.from({ length: Math.min(AT_ONCE, size - from) }, (_, offset) => {
      const at = new Date(now.getTime() - ((size - from - offset) / size) * 3_650 * DAY);
      const fact = { type: typeAt(from + offset), accountId, clientId: `client-${offset % 7}` };
      return { ...eventRow(fact, actor, at), id: uuidv7({ msecs: at.getTime() }) };
    });
    const events = await withinOrigin(keyring, origin, () =>
      sealOrigins(rows, async () => [{ account_id: accountId, sealed }]),
    );
    await db('events').insert(events);
  }
  return accountId;
}

/** The pages that are measured, by their names in the report. */
export const HISTORY_PAGES: readonly (readonly [string, HistoryFilter])[] = [
  ['newest', {}],
  ['five years ago', { to: new Date(Date.now() - 1_825 * DAY) }],
  ['sign-ins', { kind: 'sign_ins' }],
  ['tries', { kind: 'tries' }],
  ['recovery, once long ago', { kind: 'safety' }],
  ['apps (none there)', { kind: 'apps' }],
];

const places = openPlaces(trouble => {
  throw trouble;
});

/** One page, as it is read and opened for whoever looks at it. */
export function readPage(db: Db, keyring: Keyring, accountId: string, filter: HistoryFilter) {
  return listHistory({ db, keyring, places }, accountId, filter);
}

/** Writes a whole history out; gives lines a second and by how many MB the process grew at most. */
export async function writeOut(db: Db, keyring: Keyring, accountId: string): Promise<string> {
  const telling = { say: (key: string) => key, country: (code: string) => code };
  globalThis.gc?.();
  const before = process.memoryUsage().rss;
  const began = performance.now();
  let lines = 0;
  let most = before;
  for await (const _ of csvOf({ db, keyring, places }, accountId, {}, telling)) {
    lines += 1;
    if (lines % AT_ONCE === 0) most = Math.max(most, process.memoryUsage().rss);
  }
  const rate = Math.round((lines / (performance.now() - began)) * 1_000);
  return `${rate} lines/s, +${Math.round((most - before) / 1e6)} MB`;
}
