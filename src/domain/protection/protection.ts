import { digest } from '../../platform/crypto/tokens.js';
import { type Clause, type Db, type StatementPool, statement, type Tx } from '../../platform/storage/db.js';
import { removeFirst, removeRows } from '../../platform/storage/removing.js';
import { type Job, jobSpec } from '../../platform/storage/work.js';

export { exportBrowsers } from './exported.js';
export { type NoteReplay, openReplayNotes, type Replay } from './replays.js';

/** The facts of this room; whoever counted records them, with the account it was about. */
export const PROTECTION_FACTS = ['limit.reached', 'replay.refused'] as const;

/** How often something may be tried by or against one subject within a window; afterwards it heals by itself. */
export interface Limit {
  /** What is tried, e.g. `sign-in`. */
  readonly name: string;
  /** Who or what it is counted for, e.g. `account` or `network`. */
  readonly per: string;
  readonly subject: string;
  readonly max: number;
  /** Seconds: of the window or, for what is counted in a row, until one more try is forgotten and may be made again. */
  readonly window: number;
  readonly inRow?: true;
  /** Counted for a known browser only, or for all others only; for every browser when absent. */
  readonly among?: 'known' | 'strangers';
  /** The subject says nothing about anybody, and is kept so that an operator can read it. */
  readonly readable?: true;
}

/** A browser that says it has signed in to an account before; the database knows whether that is true. */
export interface ClaimedBrowser {
  readonly accountId: string;
  /** Digest of its cookie. */
  readonly browser: Buffer;
}

/** Whether a counted try may go on; `retryAfter` in seconds; `reached` at the first refusal of a window only. */
export type Verdict =
  | { readonly allowed: true; readonly counted: readonly Limit[] }
  | { readonly allowed: false; readonly retryAfter: number; readonly reached: Limit | undefined };

/** Counts tries in the database, before the secret is looked at, so that parallel tries are all counted. */
export interface Protection {
  /**
   * Counts one try against every limit, in one statement of its own that no later failure undoes. A refused try stays
   * counted against the last limit that refused it only, the widest one: hammering from one network locks no address.
   */
  count(limits: readonly Limit[], claimed?: ClaimedBrowser): Promise<Verdict>;
  /** Takes one counted try back: it came to nothing, and nothing was learned by it. */
  takeBack(limits: readonly Limit[]): Promise<void>;
  /**
   * Knows a browser from now on by its new name, for the account that has just signed in with it and for those it was
   * known to under the former one; tries that came before the proof are forgotten. Where the account had not known the
   * browser, the job that is for that is enqueued. Rides with the statement that records the sign-in, and costs none of
   * its own; nothing where limits are off.
   */
  welcome(arrival: Arrival): Clause | undefined;
}

/** Somebody signed in with a browser. */
export interface Arrival {
  readonly accountId: string;
  /** Digest of the name it came with, if any. */
  readonly before: Buffer | undefined;
  /** Digest of the name it has from now on: a name that was planted before is worth nothing. */
  readonly browser: Buffer;
  readonly forget: readonly Limit[];
  /** What is to be done where the account had not known the browser. */
  readonly whenUnknown?: Job | undefined;
}

/** A browser is known for ninety days from its last sign-in, and until what was proved before does not count any more. */
export const KNOWN_DAYS = 90;
const KNOWN_UNTIL = `now() + interval '${KNOWN_DAYS} days'`;

/* Subjects are kept as digests: the table is no list of addresses. */
const keyOf = ({ name, per, subject, readable }: Limit) =>
  `${name}:${per}:${readable ? `=${subject}` : digest(subject).toString('base64url').slice(0, 32)}`;

/*
 * A row of tries is a bucket with a leak (GCRA): `window_ends_at` is when it will be empty. One try too many adds
 * nothing, so that whoever hammers never puts off the next try; and the first such one is told apart from the others.
 * Nothing waits for the disk: what a try leads to does, and takes the count along (docs/decisions/0042). `OFFSET 0` keeps what is
 * worked out once from being worked out at each mention.
 */
const COUNT_SQL = `
  INSERT INTO attempts AS a (subject, count, window_ends_at)
  SELECT subject, 1, now() + make_interval(secs => secs)
  FROM unnest($1::text[], $2::int[], $3::text[]) AS asked(subject, secs, among)
  WHERE among = 'all' OR (among = 'known') = EXISTS (
    SELECT FROM known_browsers k JOIN accounts a ON a.id = k.account_id
    WHERE k.account_id = $4::uuid AND k.browser = $5::bytea AND k.expires_at > now()
      AND k.signed_in_at >= coalesce(a.proofs_from, '-infinity'))
  ORDER BY subject
  ON CONFLICT (subject) DO UPDATE SET (count, window_ends_at) = (
    SELECT CASE WHEN a.window_ends_at <= now() THEN 1 WHEN most = 0 THEN least(a.count, 1000000) + 1
        WHEN filled <= most THEN filled WHEN a.count <= most THEN most + 1 ELSE most + 2 END,
      CASE WHEN a.window_ends_at <= now() THEN excluded.window_ends_at WHEN most = 0 THEN a.window_ends_at
        WHEN filled > most THEN a.window_ends_at ELSE a.window_ends_at + make_interval(secs => secs) END
    FROM (SELECT ($2::int[])[at] AS secs, ($6::int[])[at] AS most,
        ceil(extract(epoch FROM a.window_ends_at - now()) / ($2::int[])[at] - 0.01)::int + 1 AS filled
      FROM (SELECT array_position($1::text[], excluded.subject) AS at OFFSET 0) AS place OFFSET 0) AS l)
  RETURNING subject, count, ceil(extract(epoch FROM window_ends_at - clock_timestamp()))::int AS left,
    set_config('synchronous_commit', 'off', true)`;

/* The rows are locked in the order in which they are counted, so that two statements never wait for each other. */
const TAKE_BACK_SQL = `
  WITH counted AS MATERIALIZED (
    SELECT subject FROM attempts WHERE subject = ANY (?::text[]) AND count > 0 ORDER BY subject FOR UPDATE)
  UPDATE attempts a SET count = a.count - 1,
    window_ends_at = a.window_ends_at - make_interval(secs => (?::int[])[array_position(?::text[], a.subject)])
  FROM counted c WHERE a.subject = c.subject`;

/** The device that a browser is to an account, and since when: one column of the row by its names in a statement. */
export function knownDevice(column: 'device' | 'first_seen_at', account: string, browser: string): string {
  return `(SELECT k.${column} FROM known_browsers k WHERE k.account_id = ${account} AND k.browser = ${browser})`;
}

/** The same of a browser that becomes known in the very statement, before this in it. */
export const arrivingDevice = (column: 'device' | 'first_seen_at'): string =>
  `(SELECT ${column} FROM arrived)`;

/**
 * That a browser which came by a name still had it, before this in the statement: each sign-in gives it another. One that nobody
 * here knows by its name has lost it, or never had it.
 */
export const STILL_NAMED = 'EXISTS (SELECT FROM renamed)';

function welcomeClause({ accountId, before, browser, forget, whenUnknown }: Arrival): Clause {
  return bind => {
    const [account, name] = [bind(accountId, 'uuid'), bind(browser, 'bytea')];
    const now = bind(new Date(), 'timestamptz');
    const former = before && bind(before, 'bytea');
    const ours = (column: string, known: string) =>
      `${column} = CASE WHEN account_id = ${account} THEN ${known} ELSE ${column} END`;
    /* The device stays the same when its browser gets a new name, also where it was known so long ago that it counts no more. */
    const parts = former
      ? [
          `renamed AS (UPDATE known_browsers SET browser = ${name}, ${ours('signed_in_at', now)}, ${ours('expires_at', KNOWN_UNTIL)},
            ${ours('device', 'coalesce(device, gen_random_uuid())')}, ${ours('first_seen_at', `coalesce(first_seen_at, ${now})`)}
            WHERE browser = ${former} RETURNING account_id, device, first_seen_at)`,
          `kept AS (SELECT device, first_seen_at FROM renamed WHERE account_id = ${account})`,
        ]
      : [];
    parts.push(
      `arrival AS (INSERT INTO known_browsers (account_id, browser, signed_in_at, expires_at, device, first_seen_at)
        SELECT ${account}, ${name}, ${now}, ${KNOWN_UNTIL}, gen_random_uuid(), ${now}${former ? ' WHERE NOT EXISTS (SELECT FROM kept)' : ''}
        RETURNING device, first_seen_at)`,
      `arrived AS (SELECT device, first_seen_at FROM arrival${former ? ' UNION ALL SELECT device, first_seen_at FROM kept' : ''})`,
    );
    if (forget.length > 0) {
      const subjects = bind(forget.map(keyOf), 'text[]');
      parts.push(`forgotten AS (DELETE FROM attempts WHERE subject = ANY (${subjects}))`);
    }
    if (!whenUnknown) return { parts };
    const job = bind(JSON.stringify([jobSpec(whenUnknown)]), 'jsonb');
    /* Renamed, and of a name that counted before the statement. */
    const isKnown = former
      ? `EXISTS (SELECT FROM kept) AND EXISTS (SELECT FROM known_browsers WHERE account_id = ${account} AND browser = ${former}
          AND expires_at > now())`
      : 'false';
    return { parts, selected: [`keyhold_add_jobs(CASE WHEN NOT (${isKnown}) THEN ${job} END)`] };
  };
}

interface Counted {
  readonly subject: string;
  readonly count: number;
  readonly left: number;
}

const waitOf = ({ limit, row: { left } }: { readonly limit: Limit; readonly row: Counted }) =>
  limit.inRow ? left - (limit.max - 1) * limit.window : left;

/** Opens the protection; with `enabled: false` (a test rig on loopback) nothing is counted or refused. */
export function openProtection(
  db: Db,
  hot: StatementPool,
  { enabled }: { readonly enabled: boolean },
): Protection {
  const takeBack = async (limits: readonly Limit[]) => {
    if (limits.length === 0) return;
    const keys = limits.map(keyOf);
    const leaks = limits.map(limit => (limit.inRow ? limit.window : 0));
    await db.raw(TAKE_BACK_SQL, [keys, leaks, keys]);
  };
  return {
    count: async (limits, claimed) => {
      if (!enabled || limits.length === 0) return { allowed: true, counted: [] };
      const keys = limits.map(keyOf);
      const { rows } = await hot.query<Counted>(
        statement(COUNT_SQL, [
          keys,
          limits.map(limit => limit.window),
          limits.map(limit => limit.among ?? 'all'),
          claimed?.accountId ?? null,
          claimed?.browser ?? null,
          limits.map(limit => (limit.inRow ? limit.max : 0)),
        ]),
      );
      const counted = limits.flatMap((limit, at) => {
        const row = rows.find(({ subject }) => subject === keys[at]);
        return row ? [{ limit, row }] : [];
      });
      const over = counted.filter(({ limit, row }) => row.count > limit.max);
      /* Many at once may fill a row before all but a few of them are taken back: a window that refuses comes first. */
      const windows = over.filter(each => !each.limit.inRow);
      const refusing = windows.at(-1) ?? over.at(-1);
      if (!refusing) return { allowed: true, counted: counted.map(({ limit }) => limit) };
      const { limit, row } = refusing;
      /* One too many in a row was not added. */
      const added = counted.filter(each => each !== refusing && !(each.limit.inRow && over.includes(each)));
      await takeBack(added.map(each => each.limit));
      return {
        allowed: false,
        retryAfter: Math.max(1, ...(windows.length > 0 ? windows : over).map(waitOf)),
        reached: row.count === limit.max + 1 ? limit : undefined,
      };
    },
    takeBack: async limits => {
      if (enabled) await takeBack(limits);
    },
    welcome: arrival => (enabled ? welcomeClause(arrival) : undefined),
  };
}

/** How often something was tried for a subject that may be read, in a window that is not over. */
export interface ReadableCount {
  readonly per: string;
  readonly subject: string;
  readonly count: number;
  readonly until: Date;
}

const MOST_READ = 1_000;

/** The counts of text messages whose subjects may be read; the index covers their names alone. */
export async function listReadable(db: Db, name: 'sms'): Promise<readonly ReadableCount[]> {
  const { rows } = await db.raw<{ rows: { subject: string; count: number; window_ends_at: Date }[] }>(
    `SELECT subject, count, window_ends_at FROM attempts
     WHERE subject LIKE 'sms:%' AND subject LIKE ? AND window_ends_at > now() ORDER BY count DESC LIMIT ${MOST_READ}`,
    [`${name}:%:=%`],
  );
  return rows.map(({ subject, count, window_ends_at: until }) => {
    const [, per = '', ...rest] = subject.split(':');
    return { per, subject: rest.join(':').slice(1), count, until };
  });
}

/** Removes browsers that are known no more, and counts whose window has passed, a bounded batch at a time; says how many. */
export async function sweepAttempts(db: Db, batch = 1000): Promise<number> {
  await removeFirst(db, 'known_browsers', { where: 'expires_at < now()', by: 'expires_at' }, batch);
  return removeFirst(db, 'attempts', { where: 'window_ends_at < now()', by: 'window_ends_at' }, batch);
}

/** The same until none are left. */
export async function sweepAllAttempts(db: Db): Promise<void> {
  while ((await sweepAttempts(db)) === 1000);
}

/** Removes for good, a batch at a time: the browsers that an account is known to use. Counts name nobody, and end by themselves. */
export function forgetBrowsers(tx: Tx, accountId: string, most: number): Promise<number> {
  return removeRows(tx, ['known_browsers'], accountId, most);
}
