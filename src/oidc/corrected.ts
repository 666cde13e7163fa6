import type { Client } from '../domain/clients/clients.js';
import { findConsent } from '../domain/consents/consents.js';
import { discloses } from '../domain/disclosures/disclosures.js';
import type { Keyring } from '../platform/crypto/keyring.js';
import { type Clause, type Db, openBinder } from '../platform/storage/db.js';
import type { Work } from '../platform/storage/work.js';
import { type Claims, unrestricted } from './claims.js';
import { hashingOf } from './disclosing.js';
import type { AccountSnapshot, ConsentSnapshot } from './memory.js';
import type { SubjectOf } from './subjects.js';

/** What corrections are told with. */
export interface Correcting {
  readonly db: Db;
  readonly keyring: Keyring;
  readonly claims: Claims;
  readonly subjectOf: SubjectOf;
}

/** What an app that has something of somebody is told of it when it is another. */
export interface Corrected {
  /** What it may have, as it is now. */
  readonly now: Readonly<Record<string, unknown>>;
  /** What is no longer true there, where it may not have the new value, or where there is none any more. */
  readonly outdated: readonly string[];
  /** Puts on record that it leaves, in the work that sends it. */
  record(work: Work): Promise<void>;
}

/**
 * What an app is told of claims that it knows and that were corrected: the value of now where what was allowed still stands and
 * nothing holds it back, and else no more than that what it has is not true any more. Undefined for an account that is gone.
 */
export async function correctedFor(
  { db, keyring, claims }: Correcting,
  accountId: string,
  client: Client,
  names: readonly string[],
): Promise<Corrected | undefined> {
  const { rows } = await db.raw<{ rows: { account: AccountSnapshot; consent: ConsentSnapshot | null }[] }>(
    `SELECT to_json(a) AS account, to_json(c) AS consent FROM account_snapshots a
     LEFT JOIN consent_snapshots c ON c.account_id = a.account_id AND c.client_id = ? WHERE a.account_id = ?`,
    [client.id, accountId],
  );
  const [row] = rows;
  if (!row) return undefined;
  const { account, consent } = row;
  const all = unrestricted(claims, account, claims.of(account));
  const may = (name: string) => client.firstParty || isAllowed(claims, consent, name);
  const told = Object.entries(all).filter(
    ([name, value]) => names.includes(name) && value !== undefined && value !== null && may(name),
  );
  const now = Object.fromEntries(told);
  const consentId = (await findConsent(db, accountId, client.id))?.id;
  return {
    now,
    outdated: names.filter(name => !(name in now)),
    record: work => recordLeaving(work, keyring, claims, { account, clientId: client.id, consentId, now }),
  };
}

function isAllowed(claims: Claims, consent: ConsentSnapshot | null, name: string): boolean {
  if (!consent || consent.refused_claims.includes(name)) return false;
  const source = claims.sourceOf(name);
  if (consent.withheld.includes(source)) return false;
  return (
    consent.claims.includes(name) ||
    claims.askedBy(consent.scopes, []).some(each => each.name === source && source === name)
  );
}

interface LeavingNow {
  readonly account: AccountSnapshot;
  readonly clientId: string;
  readonly consentId: string | undefined;
  readonly now: Readonly<Record<string, unknown>>;
}

async function recordLeaving(
  work: Work,
  keyring: Keyring,
  claims: Claims,
  { account, clientId, consentId, now }: LeavingNow,
): Promise<void> {
  if (Object.keys(now).length === 0) return;
  const accountId = account.account_id;
  const digest = keyring.mac('disclosed', `${accountId} webhook ${JSON.stringify(now)}`);
  const answer = { way: 'webhook' as const, told: now, digest: digest.toString('base64url').slice(0, 22) };
  const hash = hashingOf(keyring, accountId, account);
  const recipient = { accountId, clientId, consentId, hash, purposeOf: claims.purposeOf };
  await run(work, discloses(recipient, [answer]));
}

/* A clause that rides with a statement elsewhere is one of its own here. */
async function run(work: Work, clause: Clause): Promise<void> {
  const { values, bind } = openBinder();
  const { parts } = clause(bind);
  const named = Object.fromEntries(values.map((value, at) => [`v${at + 1}`, value]));
  const sql = `WITH ${parts.join(', ')} SELECT 1`.replaceAll('?', '\\?').replace(/\$(\d+)::/g, ':v$1::');
  await work.tx.raw(sql.replace(/:(v\d+)::(\w+(\[\])?)/g, 'CAST(:$1 AS $2)'), named as Record<string, never>);
}
