import { openHashing, type Way } from '../../src/domain/disclosures/disclosures.js';
import { openKeyring } from '../../src/platform/crypto/keyring.js';
import type { Db } from '../../src/platform/storage/db.js';
import { openSubjectKey } from '../../src/platform/storage/origin.js';
import { accountOf } from './ledger.js';

/** What is not about a person, as the standards have it; written out here so that nothing can be left out there. */
const PROTOCOL = new Set(
  'iss aud exp nbf iat jti sid nonce acr amr auth_time azp at_hash c_hash s_hash scope client_id cnf sale_opt_out active token_type'.split(
    ' ',
  ),
);

/** Whose disclosures are looked at, and to which app. */
export interface Between {
  readonly db: Db;
  readonly secret: string;
  readonly email: string;
  readonly clientId: string;
}

/** A disclosure as it is on record. */
export interface LeftRow {
  readonly id: string;
  readonly claim: string;
  readonly client_id: string;
  readonly way: Way;
  readonly value_hash: Buffer;
  readonly purpose: string | null;
  readonly consent_id: string | null;
  readonly at: Date;
}

/** Everything that left to an app about somebody, oldest first. */
export async function leftTo({ db, email, clientId }: Omit<Between, 'secret'>): Promise<readonly LeftRow[]> {
  const account_id = await accountOf(db, email);
  return db('disclosures').where({ account_id, client_id: clientId }).orderBy(['id', 'claim']);
}

/** Hashes values as they are kept of somebody. */
export async function hashOf(db: Db, secret: string, accountId: string) {
  const row = await db('subject_keys').where({ account_id: accountId }).first('sealed');
  const key = openSubjectKey(openKeyring(secret), accountId, row?.sealed);
  if (!key) throw new Error('there is no key');
  return openHashing(key);
}

/**
 * What of an answer that an app has is not on record as it is, by claim: with this very value, for this app and this way,
 * and told last. Nothing, if the ledger is right.
 */
export async function missingOf(
  answer: Readonly<Record<string, unknown>>,
  way: Way,
  between: Between,
): Promise<readonly string[]> {
  const accountId = await accountOf(between.db, between.email);
  const hash = await hashOf(between.db, between.secret, accountId);
  const rows = (await leftTo(between)).filter(row => row.way === way);
  const told = Object.entries(answer).filter(([name, value]) => value !== undefined && !PROTOCOL.has(name));
  if (told.length === 0) throw new Error('nothing was told');
  return told
    .filter(([claim, value]) => {
      const latest = rows.filter(row => row.claim === claim).at(-1);
      return latest?.value_hash.toString('hex') !== hash(claim, value);
    })
    .map(([claim]) => claim);
}

/** The claims of a token, as an app reads them. */
export function claimsOf(jwt: string | undefined): Readonly<Record<string, unknown>> {
  return JSON.parse(Buffer.from(jwt?.split('.')[1] ?? '', 'base64url').toString('utf8'));
}
