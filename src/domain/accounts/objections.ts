import { digest, randomToken } from '../../platform/crypto/tokens.js';
import type { JobDefinition } from '../../platform/jobs/jobs.js';
import type { Db } from '../../platform/storage/db.js';
import { removeFirst } from '../../platform/storage/removing.js';
import type { Work } from '../../platform/storage/work.js';

/** So long a notice's link works, by the database's clock. */
export const OBJECTION_DAYS = 7;

/** What a notice's link is about. */
export interface FoundObjection {
  readonly accountId: string;
  /** A word of whoever began. */
  readonly about: string;
  /** The passkey that came with it; only of links that an earlier version sent. */
  readonly passkeyId: string | undefined;
  /** Sealed by whoever began. */
  readonly askedFrom: Buffer;
  readonly at: Date;
  readonly state: 'open' | 'used' | 'expired';
}

interface ObjectionRow {
  readonly account_id: string;
  readonly about: string;
  readonly passkey_id: string | null;
  readonly asked_from: Buffer;
  readonly created_at: Date;
  readonly state: FoundObjection['state'];
}

const COLUMNS = `account_id, about, passkey_id, asked_from, created_at, CASE WHEN used_at IS NOT NULL THEN 'used'
  WHEN expires_at <= now() THEN 'expired' ELSE 'open' END AS state`;

const present = (row: ObjectionRow): FoundObjection => ({
  accountId: row.account_id,
  about: row.about,
  passkeyId: row.passkey_id ?? undefined,
  askedFrom: row.asked_from,
  at: row.created_at,
  state: row.state,
});

/** One link of a notice. */
export interface ObjectionLink {
  /** A digest of whose mailbox it lies in. */
  readonly recipient: Buffer;
  readonly askedFrom: Buffer;
}

/** Leaves behind that an account's owner may object, by each of these links; gives the links' tokens in that order. */
export async function beginObjections(
  work: Work,
  to: Pick<FoundObjection, 'accountId' | 'about'>,
  links: readonly ObjectionLink[],
): Promise<readonly string[]> {
  if (links.length === 0) return [];
  const tokens = links.map(() => randomToken());
  await work.tx.raw(
    `INSERT INTO objections (account_id, digest, recipient, about, asked_from, created_at, expires_at)
     SELECT :accountId, digest, recipient, :about, sealed, now(), now() + make_interval(days => ${OBJECTION_DAYS})
     FROM unnest(CAST(:digests AS bytea[]), CAST(:recipients AS bytea[]), CAST(:askedFrom AS bytea[]))
       AS sent (digest, recipient, sealed)`,
    {
      ...to,
      digests: tokens.map(digest),
      recipients: links.map(({ recipient }) => recipient),
      askedFrom: links.map(({ askedFrom }) => askedFrom),
    },
  );
  work.record({ type: 'objection.begun', accountId: to.accountId, detail: { about: to.about } });
  return tokens;
}

/** Whether an account's owner was told of such a thing since then, by links that began. */
export async function wasToldSince(
  db: Db,
  { accountId, about }: Pick<FoundObjection, 'accountId' | 'about'>,
  since: Date,
): Promise<boolean> {
  const { rows } = await db.raw<{ rows: { told: boolean }[] }>(
    'SELECT EXISTS (SELECT FROM objections WHERE account_id = ? AND about = ? AND created_at > ?) AS told',
    [accountId, about, since],
  );
  return rows[0]?.told === true;
}

/** How often the owner of an account was told of news of a kind since then, however many mailboxes it went to. */
export async function countTold(
  db: Db,
  { accountId, about }: Pick<FoundObjection, 'accountId' | 'about'>,
  since: Date,
): Promise<number> {
  const { rows } = await db.raw<{ rows: { n: number }[] }>(
    `SELECT count(DISTINCT created_at)::int AS n FROM objections
     WHERE account_id = ? AND about = ? AND created_at > ?`,
    [accountId, about, since],
  );
  return rows[0]?.n ?? 0;
}

/** Lets no link in these mailboxes object to anything about an account any more. */
export async function endObjectionsTo(
  work: Work,
  accountId: string,
  recipients: readonly Buffer[],
): Promise<void> {
  await work.tx.raw(
    `UPDATE objections SET expires_at = now() WHERE account_id = :accountId AND used_at IS NULL
       AND expires_at > now() AND recipient = ANY (CAST(:recipients AS bytea[]))`,
    { accountId, recipients: [...recipients] },
  );
}

/** What a notice's link is about; looking does not use it up, since mail scanners look. */
export async function findObjection(db: Db, token: string): Promise<FoundObjection | undefined> {
  const { rows } = await db.raw<{ rows: ObjectionRow[] }>(
    `SELECT ${COLUMNS} FROM objections WHERE digest = ?`,
    [digest(token)],
  );
  return rows[0] && present(rows[0]);
}

/** Uses a notice's link, once. */
export async function useObjection(work: Work, token: string): Promise<FoundObjection | undefined> {
  const { rows } = await work.tx.raw<{ rows: ObjectionRow[] }>(
    `UPDATE objections SET used_at = now() WHERE digest = ? AND used_at IS NULL AND expires_at > now() RETURNING ${COLUMNS}`,
    [digest(token)],
  );
  const used = rows[0] && present(rows[0]);
  if (used) {
    work.record({ type: 'objection.used', accountId: used.accountId, detail: { about: used.about } });
  }
  return used;
}

const BATCH = 1_000;

/** Removes links a month after they expired, in batches so small that none holds a lock for long. */
export function sweepObjections(db: Db): JobDefinition {
  const old = { where: `expires_at < now() - interval '30 days'`, by: 'expires_at' };
  const sweep = () => removeFirst(db, 'objections', old, BATCH);
  return {
    name: 'sweep-objections',
    every: '17 3 * * *',
    run: async (_payload, { signal }) => {
      while (!signal.aborted && (await sweep()) === BATCH);
    },
  };
}
