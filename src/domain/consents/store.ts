import type { Db, Tx } from '../../platform/storage/db.js';
import { removeRows } from '../../platform/storage/removing.js';
import type { ConsentActor, ConsentEvent, ConsentEventName, ConsentState } from './consent.js';

/**
 * Has the database look again at consents that were judged under declarations of before, a batch at a time; gives how many
 * those were. Until then each read of one looks itself.
 */
export async function judgeAgain(tx: Tx, batch: number): Promise<number> {
  const { rows } = await tx.raw<{ rows: unknown[] }>(
    `UPDATE consents c SET judged = c.judged FROM (
       SELECT account_id, client_id FROM consents, declared_version v
       WHERE judged > -v.version AND judged < v.version ORDER BY judged LIMIT ? FOR UPDATE OF consents SKIP LOCKED
     ) old WHERE c.account_id = old.account_id AND c.client_id = old.client_id RETURNING 1`,
    [batch],
  );
  return rows.length;
}

/** Holds the ledgers of people against every other writer until the transaction ends. */
export async function lockSubjects(tx: Tx, accountIds: readonly string[]): Promise<void> {
  await tx('consent_subjects')
    .whereIn('account_id', [...accountIds])
    .orderBy('account_id')
    .forUpdate()
    .select('subject');
}

interface StateRow {
  readonly id: string;
  readonly scopes: readonly string[];
  readonly claims: readonly string[];
  readonly refused_scopes: readonly string[];
  readonly refused_claims: readonly string[];
  readonly uses: readonly string[];
  readonly refused_uses: readonly string[];
  readonly resources: Readonly<Record<string, string>>;
  readonly notices: Readonly<Record<string, number>>;
  readonly language: string;
  readonly given_at: Date;
  readonly valid_until: Date | null;
}

const STATE = [
  'id',
  'scopes',
  'claims',
  'refused_scopes',
  'refused_claims',
  'uses',
  'refused_uses',
  'resources',
  'notices',
  'language',
  'given_at',
  'valid_until',
] as const;

const stateOf = (row: StateRow): ConsentState => ({
  id: row.id,
  scopes: row.scopes,
  claims: row.claims,
  refusedScopes: row.refused_scopes,
  refusedClaims: row.refused_claims,
  uses: row.uses,
  refusedUses: row.refused_uses,
  resources: row.resources,
  notices: row.notices,
  language: row.language,
  givenAt: row.given_at,
  validUntil: row.valid_until ?? undefined,
});

/** What somebody allows an app, whether it has ended by itself or not. */
export async function find(db: Db, accountId: string, clientId: string): Promise<ConsentState | undefined> {
  const row = await db('consents')
    .where({ account_id: accountId, client_id: clientId })
    .first<StateRow | undefined>(...STATE);
  return row && stateOf(row);
}

/** Removes what somebody allowed an app, `endedBy` a moment only if it ended by itself until then; gives what it was. */
export async function remove(
  tx: Tx,
  accountId: string,
  clientId: string,
  endedBy?: Date,
): Promise<ConsentState | undefined> {
  const query = tx('consents').where({ account_id: accountId, client_id: clientId });
  if (endedBy) query.where('valid_until', '<=', endedBy);
  const [row]: StateRow[] = await query.delete([...STATE]);
  return row && stateOf(row);
}

interface LedgerRow extends Omit<StateRow, 'given_at' | 'language'> {
  readonly subject: string;
  readonly nr: number;
  readonly client_id: string;
  readonly event: ConsentEventName;
  readonly state: string;
  readonly at: Date;
  readonly by_kind: ConsentActor;
  readonly method: string;
  readonly renews: readonly string[];
  readonly language: string | null;
  readonly wording: string | null;
  readonly controllers: ConsentEvent['controllers'];
  readonly recipients: ConsentEvent['recipients'];
  readonly retention: Readonly<Record<string, string>>;
  readonly jurisdiction: readonly string[];
  readonly withdrawal: string | null;
}

function eventOf(row: LedgerRow): ConsentEvent {
  const {
    language,
    givenAt: _,
    ...state
  } = stateOf({
    ...row,
    language: row.language ?? '',
    given_at: row.at,
  });
  const { subject, nr, event, at, method, renews, controllers, recipients, retention, jurisdiction } = row;
  return {
    ...state,
    subject,
    nr,
    clientId: row.client_id,
    event,
    state: row.state,
    at,
    by: row.by_kind,
    method,
    renews,
    language: language === '' ? undefined : language,
    wording: row.wording ?? undefined,
    controllers,
    recipients,
    retention,
    jurisdiction,
    withdrawal: row.withdrawal ?? undefined,
  };
}

const EVENT = `l.subject, l.nr, l.id, l.client_id, l.event, l.state, l.at, l.by_kind, l.method, l.notices, l.renews,
  l.language, encode(l.wording, 'hex') AS wording, l.scopes, l.claims, l.refused_scopes, l.refused_claims, l.uses,
  l.refused_uses, l.resources, l.controllers, l.recipients, l.retention, l.jurisdiction, l.withdrawal, l.valid_until`;

/** A stretch of somebody's ledger, oldest first: of one app or of all, after an event, as many as these. */
export interface LedgerStretch {
  readonly clientId?: string | undefined;
  readonly after?: number | undefined;
  readonly limit?: number | undefined;
}

const MOST = 500;

/** Somebody's ledger, oldest first. */
export async function list(
  db: Db,
  accountId: string,
  { clientId, after = 0, limit = MOST }: LedgerStretch,
): Promise<readonly ConsentEvent[]> {
  const { rows } = await db.raw<{ rows: LedgerRow[] }>(
    `SELECT ${EVENT} FROM consent_subjects s JOIN consent_ledger l ON l.subject = s.subject
     WHERE s.account_id = :accountId AND l.nr > :after AND (CAST(:clientId AS text) IS NULL OR l.client_id = CAST(:clientId AS text))
     ORDER BY l.nr LIMIT :limit`,
    { accountId, clientId: clientId ?? null, after, limit: Math.min(limit, MOST) },
  );
  return rows.map(eventOf);
}

/** A stretch of what happened about one app, newest first. */
export interface LatestStretch {
  readonly clientId: string;
  readonly before?: number | undefined;
  readonly limit: number;
}

/** The statement behind `listLatest`. */
export const LATEST = `SELECT ${EVENT} FROM consent_subjects s JOIN consent_ledger l ON l.subject = s.subject
  WHERE s.account_id = :accountId AND l.client_id = :clientId AND l.nr < :before ORDER BY l.nr DESC LIMIT :limit`;

/** What happened about one app, newest first. */
export async function listLatest(
  db: Db,
  accountId: string,
  { clientId, before = 2 ** 31 - 1, limit }: LatestStretch,
): Promise<readonly ConsentEvent[]> {
  const named = { accountId, clientId, before, limit: Math.min(limit, MOST) };
  const { rows } = await db.raw<{ rows: LedgerRow[] }>(LATEST, named);
  return rows.map(eventOf);
}

interface LiveRow extends StateRow {
  readonly client_id: string;
  readonly name: string;
  readonly has_logo: boolean;
  readonly consent_lasts: string | null;
}

/** The statement behind `listLive`. */
export const LIVE = `SELECT ${STATE.map(column => `c.${column}`).join(', ')},
    c.client_id, n.name, n.has_logo, n.consent_lasts
  FROM consents c JOIN client_names n ON n.client_id = c.client_id
  WHERE c.account_id = :accountId AND (CAST(:clientId AS text) IS NULL OR c.client_id = CAST(:clientId AS text))
    AND (c.valid_until IS NULL OR c.valid_until > now())
    AND (CAST(:after AS text) IS NULL OR (n.name, c.client_id) > (
      coalesce((SELECT a.name FROM client_names a WHERE a.client_id = CAST(:after AS text)), ''), CAST(:after AS text)))
  ORDER BY n.name, c.client_id LIMIT :limit`;

/** Which of the apps that somebody allows something: one, or as many as these after one. */
export interface LiveStretch {
  readonly clientId?: string | undefined;
  readonly after?: string | undefined;
  readonly limit?: number | undefined;
}

/** What somebody allows whom now, by the apps' names. */
export async function listLive(
  db: Db,
  accountId: string,
  { clientId, after, limit = MOST }: LiveStretch = {},
) {
  const named = { accountId, clientId: clientId ?? null, after: after ?? null, limit: Math.min(limit, MOST) };
  const { rows } = await db.raw<{ rows: LiveRow[] }>(LIVE, named);
  return rows.map(row => ({
    ...stateOf(row),
    clientId: row.client_id,
    name: row.name,
    hasLogo: row.has_logo,
    lasts: row.consent_lasts ?? undefined,
  }));
}

/** One event of somebody's ledger; another person's is none. */
export async function findEvent(db: Db, accountId: string, id: string): Promise<ConsentEvent | undefined> {
  const { rows } = await db.raw<{ rows: LedgerRow[] }>(
    `SELECT ${EVENT} FROM consent_subjects s JOIN consent_ledger l ON l.subject = s.subject
     WHERE s.account_id = ? AND l.id = ?::uuid`,
    [accountId, id],
  );
  return rows[0] && eventOf(rows[0]);
}

/** Whether an event stands in the ledger of a pseudonym. */
export async function hasEvent(db: Db, subject: string, id: string): Promise<boolean> {
  const row = await db('consent_ledger').where({ subject, id }).first('nr');
  return row !== undefined;
}

/** A wording by its SHA-256, as hex. */
export async function findWording(db: Db, digest: string): Promise<string | undefined> {
  const row = await db('consent_wordings')
    .where('digest', Buffer.from(digest, 'hex'))
    .first<{ readonly wording: string } | undefined>('wording');
  return row?.wording;
}

/** Whose consent to which app. */
export interface ConsentKey {
  readonly accountId: string;
  readonly clientId: string;
}

/** Consents that ended by themselves until a moment. */
export async function listOver(db: Db, at: Date, limit: number): Promise<readonly ConsentKey[]> {
  const rows = await db('consents')
    .select({ accountId: 'account_id', clientId: 'client_id' })
    .where('valid_until', '<=', at)
    .orderBy('valid_until')
    .limit(limit);
  return rows;
}

/** Whether somebody was shown these versions for an app already. */
export async function wasAskedAgain(
  db: Db,
  { accountId, clientId }: ConsentKey,
  notices: Readonly<Record<string, number>>,
): Promise<boolean> {
  const { rows } = await db.raw<{ rows: unknown[] }>(
    `SELECT 1 FROM consent_subjects s JOIN consent_ledger l ON l.subject = s.subject
     WHERE s.account_id = ? AND l.client_id = ? AND l.event = 'asked_again' AND l.notices @> ?::jsonb LIMIT 1`,
    [accountId, clientId, JSON.stringify(notices)],
  );
  return rows.length > 0;
}

/** A consent under words that count no more, and which versions do now. */
export interface OutdatedConsent extends ConsentKey {
  readonly notices: Readonly<Record<string, number>>;
}

/** Consents under words that count no more, of which the ledger does not say so yet: after a key. */
export async function listOutdated(
  db: Db,
  after: ConsentKey,
  limit: number,
): Promise<readonly OutdatedConsent[]> {
  const { rows } = await db.raw<{ rows: { account_id: string; client_id: string; notices: object }[] }>(
    `SELECT c.account_id, c.client_id, o.notices FROM consents c
     JOIN consent_subjects s ON s.account_id = c.account_id,
     LATERAL (SELECT jsonb_object_agg(p.id, p.version) AS notices FROM jsonb_each_text(c.notices) n
       JOIN purposes p ON p.id = n.key WHERE n.value::integer < p.counts_from AND NOT EXISTS (
         SELECT FROM consent_ledger l WHERE l.subject = s.subject AND l.client_id = c.client_id AND l.event = 'invalidated'
           AND (l.notices ->> p.id)::integer >= p.counts_from)) o
     WHERE (c.account_id, c.client_id) > (?::uuid, ?) AND o.notices IS NOT NULL
     ORDER BY c.account_id, c.client_id LIMIT ?`,
    [after.accountId, after.clientId, limit],
  );
  return rows.map(({ account_id, client_id, notices }) => ({
    accountId: account_id,
    clientId: client_id,
    notices: notices as Readonly<Record<string, number>>,
  }));
}

/** How many consents stand under a version of a purpose's notice before this one, counted up to `most`. */
export async function countBefore(db: Db, purpose: string, version: number, most: number): Promise<number> {
  const { rows } = await db.raw<{ rows: { count: number }[] }>(
    `SELECT count(*)::int AS count FROM (SELECT 1 FROM consents
       WHERE (notices ->> ?)::integer < ? AND (valid_until IS NULL OR valid_until > now()) LIMIT ?) found`,
    [purpose, version, most],
  );
  return rows[0]?.count ?? 0;
}

/** Forgets the ledgers of accounts that went before a moment; says how many. */
export async function forgetBefore(db: Db, before: Date, most: number): Promise<number> {
  const { rows } = await db.raw<{ rows: { count: number }[] }>(
    'SELECT keyhold_forget_consents(?, ?) AS count',
    [before, most],
  );
  return rows[0]?.count ?? 0;
}

/** Removes for good, a batch at a time: what was allowed and the link from the account to its ledger; the ledger itself stays, and nobody knows any more whose it is. */
export function forgetConsentsOf(tx: Tx, accountId: string, most: number): Promise<number> {
  return removeRows(tx, ['consents', 'terms_acceptances', 'consent_subjects'], accountId, most);
}
