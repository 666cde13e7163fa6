import { digest } from '../../platform/crypto/tokens.js';
import type { Db } from '../../platform/storage/db.js';

/** The facts of this room; whoever counted records them, with the account it was about. */
export const PROTECTION_FACTS = ['limit.reached'] as const;

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

/** Whether a counted try may go on; `retryAfter` in seconds; `reached` at the first refusal of a window only. */
export type Verdict =
  | { readonly allowed: true }
  | { readonly allowed: false; readonly retryAfter: number; readonly reached: Limit | undefined };

/** Counts tries in the database, before the secret is looked at, so that parallel tries are all counted. */
export interface Protection {
  /**
   * Counts one try against every limit, in one statement of its own that no later failure undoes. A refused try stays
   * counted against the last limit that refused it only, the widest one: hammering from one network locks no address.
   */
  count(limits: readonly Limit[]): Promise<Verdict>;
  /** Forgets the tries counted against these limits: whoever tried has proved who they are. */
  clear(limits: readonly Limit[]): Promise<void>;
  /** Takes one counted try back: it came to nothing, and nothing was learned by it. */
  takeBack(limits: readonly Limit[]): Promise<void>;
}

/* Subjects are kept as digests: the table is no list of addresses. */
const keyOf = ({ name, per, subject }: Limit) =>
  `${name}:${per}:${digest(subject).toString('base64url').slice(0, 32)}`;

const COUNT_SQL = `
  INSERT INTO attempts AS a (subject, count, window_ends_at)
  SELECT subject, 1, now() + make_interval(secs => secs) FROM unnest(?::text[], ?::int[]) AS l(subject, secs)
  ORDER BY subject
  ON CONFLICT (subject) DO UPDATE SET
    count = CASE WHEN a.window_ends_at <= now() THEN 1 ELSE least(a.count, 1000000) + 1 END,
    window_ends_at = CASE WHEN a.window_ends_at <= now() THEN excluded.window_ends_at ELSE a.window_ends_at END
  RETURNING subject, count, ceil(extract(epoch FROM window_ends_at - now()))::int AS left`;

interface Counted {
  readonly subject: string;
  readonly count: number;
  readonly left: number;
}

/** Opens the protection; with `enabled: false` (a test rig on loopback) nothing is counted or refused. */
export function openProtection(db: Db, { enabled }: { readonly enabled: boolean }): Protection {
  /* One at a time: two rows in one statement could be locked in another order than they are counted in. */
  const takeBack = async (keys: readonly string[]) => {
    for (const subject of keys) {
      await db('attempts').where({ subject }).where('count', '>', 0).decrement('count', 1);
    }
  };
  return {
    count: async limits => {
      if (!enabled || limits.length === 0) return { allowed: true };
      const keys = limits.map(keyOf);
      const windows = limits.map(limit => limit.window);
      const { rows } = await db.raw<{ rows: Counted[] }>(COUNT_SQL, [keys, windows]);
      const counted = limits.map((limit, at) => ({ limit, row: rows.find(row => row.subject === keys[at]) }));
      const over = counted.flatMap(({ limit, row }) =>
        row && row.count > limit.max ? [{ limit, row }] : [],
      );
      const refusing = over.at(-1);
      if (!refusing) return { allowed: true };
      const { limit, row } = refusing;
      await takeBack(keys.filter(key => key !== row.subject));
      return {
        allowed: false,
        retryAfter: Math.max(1, ...over.map(({ row: { left } }) => left)),
        reached: row.count === limit.max + 1 ? limit : undefined,
      };
    },
    clear: async limits => {
      if (enabled) await db('attempts').whereIn('subject', limits.map(keyOf)).delete();
    },
    takeBack: async limits => {
      if (enabled) await takeBack(limits.map(keyOf));
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
