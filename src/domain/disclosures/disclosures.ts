import { v7 as uuidv7 } from 'uuid';
import type { Clause } from '../../platform/storage/db.js';
import { type Hashes, type HashValue, hashesOf, isNews, type Told, type Way } from './disclosure.js';
import { insertDisclosures } from './store.js';

export {
  type Disclosure,
  type Hashes,
  type HashValue,
  openHashing,
  PROTOCOL_CLAIMS,
  personalOf,
  type Told,
  WAYS,
  type Way,
} from './disclosure.js';
export { sweepDisclosures } from './jobs.js';
export {
  type DisclosureFilter,
  forgetDisclosures,
  listDisclosures,
  listStatement,
  listTold,
  type ToldLast,
} from './store.js';

/** An answer to an app that is about to leave. */
export interface Answer {
  readonly way: Way;
  /** All of it that is about the person. */
  readonly told: Told;
  /** What the app was told last in this way, as far as it was read; the database looks once more. */
  readonly before: Hashes;
}

/** Whom answers are about, and who gets them. */
export interface Recipient {
  readonly accountId: string;
  readonly clientId: string;
  /** What allowed it; undefined where none was needed. */
  readonly consentId: string | undefined;
  readonly hash: HashValue;
  /** What a claim is held for. */
  readonly purposeOf: (claim: string) => string | undefined;
}

/** What puts on record whatever of these answers is new to the app; undefined when nothing is. */
export function discloses(recipient: Recipient, answers: readonly Answer[]): Clause | undefined {
  const { accountId, clientId, consentId, hash, purposeOf } = recipient;
  const at = new Date();
  const news = answers.flatMap(({ way, told, before }) => {
    const hashes = hashesOf(told, hash);
    if (!isNews(hashes, before)) return [];
    const purposes = Object.keys(told).map(claim => [claim, purposeOf(claim)] as const);
    const known = purposes.filter((entry): entry is [string, string] => entry[1] !== undefined);
    return [{ id: uuidv7(), way, hashes, purposes: Object.fromEntries(known) }];
  });
  return news.length === 0
    ? undefined
    : insertDisclosures({ accountId, clientId, consentId, at, answers: news });
}
