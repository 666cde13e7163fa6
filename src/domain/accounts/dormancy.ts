import type { Db, Tx } from '../../platform/storage/db.js';
import type { Work } from '../../platform/storage/work.js';

/** After how many days of rest notices go out, how many, so many days apart; as long after the last one an account is put away. */
export interface DormancyPolicy {
  readonly after: number;
  readonly notices: number;
  readonly every: number;
}

/** What is due for an account that was looked at, and when it is looked at again. */
export type DormancyStep =
  /** It is in use. */
  | { readonly step: 'rest'; readonly lookAt: Date }
  /** It was used again after a notice. */
  | { readonly step: 'stopped'; readonly lookAt: Date }
  | {
      readonly step: 'notice';
      readonly notices: number;
      readonly lookAt: Date;
      /** When it would be put away. */
      readonly archiveAt: Date;
    }
  | { readonly step: 'archive' };

const DAY = 86_400_000;
const later = (from: Date, days: number) => new Date(from.getTime() + days * DAY);

/**
 * What is due. Each step is counted from the one before it, and never from the last use alone: whoever is looked at for the
 * first time after years gets every notice, with the days between.
 */
export function dormancyStep(
  { after, notices: most, every }: DormancyPolicy,
  { lastUse, notices }: { readonly lastUse: Date; readonly notices: number },
  now: Date,
): DormancyStep {
  const due = later(lastUse, after);
  if (now < due) return { step: notices > 0 ? 'stopped' : 'rest', lookAt: due };
  if (notices >= most) return { step: 'archive' };
  const archiveAt = later(now, every * (most - notices));
  return { step: 'notice', notices: notices + 1, lookAt: later(now, every), archiveAt };
}

/** An account whose time to be looked at has come. */
export interface LookedAt {
  readonly id: string;
  readonly openedAt: Date;
  readonly language: string;
  readonly notices: number;
}

/** Takes accounts that are due, so that nobody else looks at them until the transaction is over. */
export async function takeDue(tx: Tx, now: Date, limit: number): Promise<readonly LookedAt[]> {
  const { rows } = await tx.raw<{ rows: LookedAt[] }>(
    `SELECT id, opened_at AS "openedAt", language, dormancy_notices AS notices FROM accounts
     WHERE state = 'active' AND look_at <= ? ORDER BY look_at LIMIT ? FOR NO KEY UPDATE SKIP LOCKED`,
    [now, limit],
  );
  return rows;
}

/** Notes when accounts are looked at next, and how many notices each has had. */
export async function noteLooks(
  tx: Tx,
  looks: readonly { readonly id: string; readonly lookAt: Date; readonly notices: number }[],
): Promise<void> {
  if (looks.length === 0) return;
  await tx.raw(
    `UPDATE accounts a SET look_at = l."lookAt", dormancy_notices = l.notices
     FROM jsonb_to_recordset(?::jsonb) AS l(id uuid, "lookAt" timestamptz, notices smallint) WHERE a.id = l.id`,
    [JSON.stringify(looks)],
  );
}

/** Every account by its number, a page at a time. */
export async function listAccountIds(db: Db, after: string, limit: number): Promise<readonly string[]> {
  const rows = await db('accounts').where('id', '>', after).orderBy('id').limit(limit).select('id');
  return rows.map(({ id }) => String(id));
}

/** Accounts that were put away before then and are not on their way out; the longest first. */
export async function listArchivedBefore(db: Db, before: Date, limit: number): Promise<readonly string[]> {
  const rows = await db('accounts')
    .where({ state: 'archived' })
    .whereNull('leaving_at')
    .where('look_at', '<', before)
    .orderBy('look_at')
    .limit(limit)
    .select('id');
  return rows.map(({ id }) => String(id));
}

/** Ends the notices of an account that is used again; false when there were none, or somebody was quicker. */
export async function endNotices(work: Work, id: string): Promise<boolean> {
  const { rowCount } = await work.tx.raw<{ rowCount: number }>(
    'UPDATE accounts SET dormancy_notices = 0, look_at = ? WHERE id = ? AND dormancy_notices > 0',
    [work.at, id],
  );
  if (rowCount > 0) work.record({ type: 'dormancy.stopped', accountId: id });
  return rowCount > 0;
}

/** How many accounts are where; reads the whole table, so for an operator who asks and not for a page. */
export interface DormancyCounts {
  readonly active: number;
  /** By how many notices they have had. */
  readonly noticed: Readonly<Record<string, number>>;
  readonly archived: number;
}

/** Counts the accounts that rest. */
export async function countDormant(db: Db): Promise<DormancyCounts> {
  const { rows } = await db.raw<{ rows: { state: string; notices: number; count: number }[] }>(
    `SELECT state, dormancy_notices AS notices, count(*)::int AS count FROM accounts
     WHERE state IN ('active', 'archived') GROUP BY 1, 2 ORDER BY 1, 2`,
  );
  const sum = (state: string) =>
    rows.filter(row => row.state === state).reduce((all, { count }) => all + count, 0);
  const noticed = rows.filter(({ state, notices }) => state === 'active' && notices > 0);
  return {
    active: sum('active'),
    noticed: Object.fromEntries(noticed.map(({ notices, count }) => [String(notices), count])),
    archived: sum('archived'),
  };
}
