import { digest } from '../../platform/crypto/tokens.js';
import type { Db } from '../../platform/storage/db.js';

/** How often something may be tried by or against one subject within a window; afterwards it heals by itself. */
export interface Limit {
  /** What is tried, e.g. `sign-in`. */
  readonly name: string;
  /** Who or what it is counted for, e.g. `account` or `network`. */
  readonly per: string;
  readonly subject: string;
  readonly max: number;
  /** Seconds. */
  readonly window: number;
}

/** Whether a counted try may go on; `retryAfter` in seconds. */
export type Verdict = { readonly allowed: true } | { readonly allowed: false; readonly retryAfter: number };

/** Counts tries in the database, before the secret is looked at, so that parallel tries are all counted. */
export interface Protection {
  /** Counts one try against every limit, in one statement of its own that no later failure undoes. */
  count(limits: readonly Limit[]): Promise<Verdict>;
  /** Forgets the tries counted against these limits: whoever tried has proved who they are. */
  clear(limits: readonly Limit[]): Promise<void>;
}

/* Subjects are kept as digests: the table is no list of addresses. */
const keyOf = ({ name, per, subject }: Limit) => `${name}:${per}:${digest(subject).toString('base64url').slice(0, 32)}`;

const COUNT_SQL = `
  INSERT INTO attempts AS a (subject, count, window_ends_at)
  SELECT subject, 1, now() + make_interval(secs => secs) FROM unnest(?::text[], ?::int[]) AS l(subject, secs)
  ORDER BY subject
  ON CONFLICT (subject) DO UPDATE SET
    count = CASE WHEN a.window_ends_at <= now() THEN 1 ELSE a.count + 1 END,
    window_ends_at = CASE WHEN a.window_ends_at <= now() THEN excluded.window_ends_at ELSE a.window_ends_at END
  RETURNING subject, count, ceil(extract(epoch FROM window_ends_at - now()))::int AS left`;

interface Counted {
  readonly subject: string;
  readonly count: number;
  readonly left: number;
}

/** Opens the protection; with `enabled: false` (a test rig on loopback) nothing is counted or refused. */
export function openProtection(db: Db, { enabled }: { readonly enabled: boolean }): Protection {
  return {
    count: async limits => {
      if (!enabled || limits.length === 0) return { allowed: true };
      const keys = limits.map(keyOf);
      const { rows } = await db.raw<{ rows: Counted[] }>(COUNT_SQL, [keys, limits.map(limit => limit.window)]);
      const over = rows.filter(row => row.count > (limits[keys.indexOf(row.subject)]?.max ?? 0));
      if (over.length === 0) return { allowed: true };
      return { allowed: false, retryAfter: Math.max(1, ...over.map(row => row.left)) };
    },
    clear: async limits => {
      if (enabled) await db('attempts').whereIn('subject', limits.map(keyOf)).delete();
    },
  };
}

/** Removes counts whose window has passed, a bounded batch at a time; says how many. */
export async function sweepAttempts(db: Db, batch = 1000): Promise<number> {
  const { rowCount } = await db.raw<{ rowCount: number }>(
    `DELETE FROM attempts WHERE subject IN (
       SELECT subject FROM attempts WHERE window_ends_at < now() ORDER BY window_ends_at LIMIT ? FOR UPDATE SKIP LOCKED)`,
    [batch],
  );
  return rowCount;
}
