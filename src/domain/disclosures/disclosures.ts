import { v7 as uuidv7 } from 'uuid';
import type { Clause } from '../../platform/storage/db.js';
import { type HashValue, hashesOf, type Told, type Way } from './disclosure.js';
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
export { exportDisclosures } from './exported.js';
export { sweepDisclosures } from './jobs.js';
export {
  countTellings,
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
  /** By which the same answer is recognised the next time. */
  readonly digest: string;
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

/** What puts on record whatever of these answers is new to the app; the database looks which claims are. */
export function discloses(recipient: Recipient, answers: readonly Answer[]): Clause {
  const { accountId, clientId, consentId, hash, purposeOf } = recipient;
  const at = new Date();
  const news = answers.map(({ way, told, digest }) => {
    const hashes = hashesOf(told, hash);
    const purposes = Object.keys(told).map(claim => [claim, purposeOf(claim)] as const);
    const known = purposes.filter((entry): entry is [string, string] => entry[1] !== undefined);
    return { id: uuidv7(), way, digest, hashes, purposes: Object.fromEntries(known) };
  });
  return insertDisclosures({ accountId, clientId, consentId, at, answers: news });
}
