import { v7 as uuidv7 } from 'uuid';
import type { Keyring } from '../../platform/crypto/keyring.js';
import type { JobDefinition } from '../../platform/jobs/jobs.js';
import type { Db } from '../../platform/storage/db.js';
import { type Origin, openOrigin } from '../../platform/storage/origin.js';
import { openWork, type Work } from '../../platform/storage/work.js';
import type { Account } from '../accounts/accounts.js';
import {
  deleteRemembered,
  deleteRememberedOne,
  findRemembered,
  INSERT_REMEMBERED,
  listRemembered,
  type RememberedStretch,
  removeExpiredBrowsers,
} from './store.js';

/** Days for which a browser is remembered. */
export const REMEMBERED_DAYS = 30;

const DAY = 86_400_000;

/** A browser that did the second step just now. */
export interface NewlyRemembered {
  readonly accountId: string;
  readonly digest: Buffer;
  readonly origin: Origin;
}

/** Remembers for thirty days that the second step was done in a browser, and from where that was. */
export function rememberBrowser(
  work: Work,
  keyring: Keyring,
  { accountId, digest, origin }: NewlyRemembered,
): void {
  const until = new Date(work.at.getTime() + REMEMBERED_DAYS * DAY);
  const id = uuidv7();
  const row = {
    account_id: accountId,
    id,
    digest: digest.toString('hex'),
    remembered_at: work.at,
    expires_at: until,
  };
  const plain = JSON.stringify(origin);
  work.leave({
    into: INSERT_REMEMBERED,
    row,
    personal: { keyring, accountId, context: contextOf(id), plain },
  });
  work.record({ type: 'browser.remembered', accountId });
}

/** What a remembered browser is sealed with: it opens nowhere else. */
export const contextOf = (id: string) => `remembered ${id}`;

/** A browser in which the second step is remembered. */
export interface RememberedBrowser {
  readonly id: string;
  /** From where it was; nobody knows where that was not kept, or the account's key is gone. */
  readonly origin: Origin | undefined;
  readonly at: Date;
  readonly until: Date;
}

/** The browsers in which the second step of an account is remembered, the latest first. */
export async function listRememberedBrowsers(
  db: Db,
  keyring: Keyring,
  { id: accountId, proofsFrom }: Pick<Account, 'id' | 'proofsFrom'>,
  stretch: Omit<RememberedStretch, 'since'>,
): Promise<readonly RememberedBrowser[]> {
  const rows = await listRemembered(db, accountId, { ...stretch, since: proofsFrom ?? new Date(0) });
  return rows.map(({ id, sealed, key, remembered_at: at, expires_at: until }) => ({
    id,
    origin: sealed && key ? openOrigin(keyring, { id: contextOf(id), accountId, sealed, key }) : undefined,
    at,
    until,
  }));
}

/** Asks a browser for the second step again; false when it was forgotten before. */
export async function forgetBrowser(
  work: Work,
  accountId: string,
  which: Parameters<typeof deleteRememberedOne>[2],
): Promise<boolean> {
  const forgotten = await deleteRememberedOne(work.tx, accountId, which);
  if (forgotten) work.record({ type: 'browser.forgotten', accountId, detail: { count: 1 } });
  return forgotten;
}

/** Asks every browser for the second step again; says how many there were. */
export async function forgetAllBrowsers(work: Work, accountId: string): Promise<number> {
  const count = await deleteRemembered(work.tx, accountId);
  if (count > 0) work.record({ type: 'browser.forgotten', accountId, detail: { count } });
  return count;
}

/** Whether the second step is remembered in a browser; a changed password, a changed factor and "this wasn't me" end that. */
export async function isRemembered(
  db: Db,
  { id, proofsFrom }: Pick<Account, 'id' | 'proofsFrom'>,
  digest: Buffer,
): Promise<boolean> {
  const rememberedAt = await findRemembered(db, id, digest, new Date());
  return rememberedAt !== undefined && rememberedAt > (proofsFrom ?? new Date(0));
}

const SWEEP_BATCH = 10_000;

/** Removes remembered browsers whose time is over, once a day, 10,000 at once. */
export function sweepRememberedBrowsers(db: Db): JobDefinition {
  const sweep = () => openWork(db, { kind: 'system' }, work => removeExpiredBrowsers(work.tx, SWEEP_BATCH));
  return {
    name: 'sweep-remembered-browsers',
    every: '17 3 * * *',
    run: async (_payload, { signal }) => {
      while (!signal.aborted && (await sweep()) === SWEEP_BATCH);
    },
  };
}
