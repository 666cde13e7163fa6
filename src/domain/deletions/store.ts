import type { Db, Tx } from '../../platform/storage/db.js';
import { removeFirst } from '../../platform/storage/removing.js';
import type { AuditState, Deletion, DeletionRecipient, DeletionState, RecipientState } from './deletion.js';

const COLUMNS = `d.id, d.state, d.cause, d.asked_at AS "askedAt", d.begins_at AS "beginsAt", d.undone_at AS "undoneAt",
  d.begun_at AS "begunAt", d.told_at AS "toldAt", d.removed_at AS "removedAt", d.finished_at AS "finishedAt",
  d.audits_at AS "auditsAt", d.audited_at AS "auditedAt", d.trouble, d.tries, d.look_at AS "lookAt", d.mark, d.link`;

type Loose<T> = { readonly [K in keyof T]: T[K] | null };

function present<T extends object>(row: Loose<T>): T {
  return Object.fromEntries(Object.entries(row).map(([name, value]) => [name, value ?? undefined])) as T;
}

/** A deletion as it begins. */
export interface NewDeletion
  extends Pick<Deletion, 'id' | 'cause' | 'askedAt' | 'beginsAt' | 'mark' | 'link'> {
  readonly key: Buffer;
  readonly sealed: Buffer;
}

/** Adds a deletion of an account; false when one stands. */
export async function insertDeletion(tx: Tx, accountId: string, deletion: NewDeletion): Promise<boolean> {
  const { rows } = await tx.raw<{ rows: object[] }>(
    `WITH free AS (SELECT id FROM accounts a WHERE id = :accountId
         AND NOT EXISTS (SELECT FROM deletion_subjects s WHERE s.account_id = a.id)),
       made AS (INSERT INTO deletions (id, state, cause, link, key, sealed, mark, asked_at, begins_at, look_at)
         SELECT :id, 'waiting', :cause, :link, :key, :sealed, :mark, :askedAt, :beginsAt, :beginsAt FROM free RETURNING id)
     SELECT id FROM made`,
    { accountId, ...deletion },
  );
  if (rows.length === 0) return false;
  await tx('deletion_subjects').insert({ account_id: accountId, deletion_id: deletion.id });
  return true;
}

/** The deletion of an account, and of which account a deletion is, while there is one. */
export async function findOf(db: Db, accountId: string): Promise<Deletion | undefined> {
  const { rows } = await db.raw<{ rows: Loose<Deletion>[] }>(
    `SELECT ${COLUMNS} FROM deletion_subjects s JOIN deletions d ON d.id = s.deletion_id WHERE s.account_id = ?`,
    [accountId],
  );
  return rows[0] && present(rows[0]);
}

/** One deletion by its number. */
export async function findDeletion(db: Db, id: string): Promise<Deletion | undefined> {
  const { rows } = await db.raw<{ rows: Loose<Deletion>[] }>(
    `SELECT ${COLUMNS} FROM deletions d WHERE d.id = ?`,
    [id],
  );
  return rows[0] && present(rows[0]);
}

/** The same, which nobody else takes a step with until the transaction is over. */
export async function lockDeletion(tx: Tx, id: string): Promise<Deletion | undefined> {
  const { rows } = await tx.raw<{ rows: Loose<Deletion>[] }>(
    `SELECT ${COLUMNS} FROM deletions d WHERE d.id = ? FOR UPDATE`,
    [id],
  );
  return rows[0] && present(rows[0]);
}

/** The one whose private link carries what has this digest. */
export async function findByLink(db: Db, link: Buffer): Promise<Deletion | undefined> {
  const { rows } = await db.raw<{ rows: Loose<Deletion>[] }>(
    `SELECT ${COLUMNS} FROM deletions d WHERE d.link = ?`,
    [link],
  );
  return rows[0] && present(rows[0]);
}

/** The account that a deletion is of, as long as it is there. */
export async function findAccountOf(db: Db, id: string): Promise<string | undefined> {
  const row = await db('deletion_subjects')
    .where({ deletion_id: id })
    .first<{ account_id: string } | undefined>();
  return row?.account_id;
}

/** What is sealed of a deletion. */
export async function findSealed(
  db: Db,
  id: string,
): Promise<{ readonly key: Buffer; readonly sealed: Buffer } | undefined> {
  return db('deletions').where({ id }).whereNotNull('key').first('key', 'sealed');
}

/** What a step writes beside the state it leads to. */
export interface StepWrites {
  readonly look_at: Date | null;
  readonly [column: string]: Date | Buffer | string | number | null;
}

/** Takes one step, once: false when it is not in that state (any more). */
export async function updateState(
  tx: Tx,
  id: string,
  [from, to]: readonly [DeletionState, DeletionState],
  writes: StepWrites,
): Promise<boolean> {
  const step = { ...writes, state: to, trouble: null, tries: 0 };
  return (await tx('deletions').where({ id, state: from }).update(step)) === 1;
}

/** Notes when a deletion is looked at next, and why nothing came of this look, if so. */
export async function updateLook(tx: Tx, id: string, lookAt: Date, trouble?: string): Promise<void> {
  const tries = trouble === undefined ? 0 : tx.raw('tries + 1');
  await tx('deletions')
    .where({ id })
    .update({ look_at: lookAt, trouble: trouble ?? null, tries });
}

/** Lets an account know of its deletion no more. */
export async function removeSubject(tx: Tx, id: string): Promise<void> {
  await tx('deletion_subjects').where({ deletion_id: id }).delete();
}

/** Deletions that something is to be done about, the longest due first. */
export async function listDue(db: Db, now: Date, limit: number): Promise<readonly string[]> {
  const rows = await db('deletions').where('look_at', '<=', now).orderBy('look_at').limit(limit).select('id');
  return rows.map(({ id }) => String(id));
}

/** Which deletions are listed, newest first. */
export interface DeletionFilter {
  readonly states?: readonly DeletionState[] | undefined;
  readonly before?: Pick<Deletion, 'id' | 'askedAt'> | undefined;
}

/** A page of deletions. */
export async function listDeletions(
  db: Db,
  { states, before }: DeletionFilter,
  limit: number,
): Promise<readonly Deletion[]> {
  const { rows } = await db.raw<{ rows: Loose<Deletion>[] }>(
    `SELECT ${COLUMNS} FROM deletions d WHERE (CAST(:states AS text[]) IS NULL OR d.state = ANY (CAST(:states AS text[])))
       AND (CAST(:id AS uuid) IS NULL OR (d.asked_at, d.id) < (CAST(:askedAt AS timestamptz), CAST(:id AS uuid)))
     ORDER BY d.asked_at DESC, d.id DESC LIMIT :limit`,
    { states: states ? [...states] : null, id: before?.id ?? null, askedAt: before?.askedAt ?? null, limit },
  );
  return rows.map(row => present(row));
}

/** An app that is noted as one that has to hear of it. */
export interface NewRecipient extends Pick<DeletionRecipient, 'clientId' | 'name' | 'claims' | 'toldLastAt'> {
  /** Undefined for an app that is gone: nobody can be told there. */
  readonly subject: Buffer | undefined;
}

/** Notes who has to hear of a deletion, each once. */
export async function insertRecipients(
  tx: Tx,
  id: string,
  recipients: readonly NewRecipient[],
): Promise<void> {
  if (recipients.length === 0) return;
  const rows = recipients.map(({ clientId, name, subject, claims, toldLastAt }) => ({
    deletion_id: id,
    client_id: clientId,
    name: name ?? null,
    subject: subject ?? null,
    state: subject ? 'noted' : 'unreachable',
    answer: subject ? null : 'app_gone',
    claims: [...claims],
    told_last_at: toldLastAt ?? null,
  }));
  await tx('deletion_recipients').insert(rows).onConflict(['deletion_id', 'client_id']).ignore();
}

const RECIPIENT = `r.client_id AS "clientId", r.name, r.claims, r.told_last_at AS "toldLastAt", r.state,
  r.answer, r.note, r.attempts, r.asked_at AS "askedAt", r.ended_at AS "endedAt", r.audit, r.audited_at AS "auditedAt"`;

/** A recipient, and by what it knows the person as long as that is kept. */
export interface RecipientRow extends DeletionRecipient {
  readonly subject: Buffer | undefined;
}

/** Who has to hear of a deletion, a page at a time by the number of the app; those in one of these states alone. */
export async function listRecipients(
  db: Db,
  id: string,
  { after = '', states, limit }: { after?: string; states?: readonly RecipientState[]; limit: number },
): Promise<readonly RecipientRow[]> {
  const { rows } = await db.raw<{ rows: Loose<RecipientRow>[] }>(
    `SELECT ${RECIPIENT}, r.subject FROM deletion_recipients r WHERE r.deletion_id = :id AND r.client_id > :after
       AND (CAST(:states AS text[]) IS NULL OR r.state = ANY (CAST(:states AS text[])))
     ORDER BY r.client_id LIMIT :limit`,
    { id, after, states: states ? [...states] : null, limit },
  );
  return rows.map(row => present(row));
}

/** What became of telling an app. */
export interface HeardRow {
  readonly clientId: string;
  readonly state: RecipientState;
  readonly answer: string | undefined;
  readonly note: string | undefined;
  readonly attempts: number;
  readonly endedAt: Date | undefined;
}

/** Writes down what became of telling apps, of those that are still in one of these states; says how many that changed. */
export async function updateHeard(
  tx: Tx,
  id: string,
  from: readonly RecipientState[],
  heard: readonly HeardRow[],
): Promise<number> {
  if (heard.length === 0) return 0;
  const { rowCount } = await tx.raw<{ rowCount: number }>(
    `UPDATE deletion_recipients r SET state = h.state, answer = h.answer, note = h.note, attempts = h.attempts, ended_at = h."endedAt"
     FROM jsonb_to_recordset(:heard)
       AS h("clientId" text, state text, answer text, note text, attempts int, "endedAt" timestamptz)
     WHERE r.deletion_id = :id AND r.client_id = h."clientId" AND r.state = ANY (:from)
       AND (r.state, r.answer, r.note, r.attempts, r.ended_at)
         IS DISTINCT FROM (h.state, h.answer, h.note, h.attempts, h."endedAt")`,
    { id, from: [...from], heard: JSON.stringify(heard) },
  );
  return rowCount;
}

/** Writes down that apps are being told, of those that nobody began to tell. */
export async function updateAsked(tx: Tx, id: string, clientIds: readonly string[], at: Date): Promise<void> {
  await tx('deletion_recipients')
    .where({ deletion_id: id, state: 'noted' })
    .whereIn('client_id', [...clientIds])
    .update({ state: 'asked', asked_at: at });
}

/** Writes down that an operator saw to an app by another way, where it is still in one of these states; says how many that changed. */
export async function updateSettled(
  tx: Tx,
  {
    id,
    clientId,
    from,
  }: { readonly id: string; readonly clientId: string; readonly from: readonly RecipientState[] },
  note: string,
  at: Date,
): Promise<number> {
  return tx('deletion_recipients')
    .where({ deletion_id: id, client_id: clientId })
    .whereIn('state', [...from])
    .update({ state: 'settled', answer: 'operator', note, ended_at: at });
}

/** What an app said when it was asked once more; that it is asked where nothing is said of when it answered. */
export interface AuditRow {
  readonly clientId: string;
  readonly audit: AuditState;
  readonly at: Date | undefined;
}

/** Writes down that apps are asked once more, or what they said then. */
export async function updateAudits(tx: Tx, id: string, audits: readonly AuditRow[]): Promise<void> {
  if (audits.length === 0) return;
  await tx.raw(
    `UPDATE deletion_recipients r SET audit = a.audit, audited_at = coalesce(a.at, r.audited_at)
     FROM jsonb_to_recordset(:audits) AS a("clientId" text, audit text, at timestamptz)
     WHERE r.deletion_id = :id AND r.client_id = a."clientId"
       AND (r.audit, r.audited_at) IS DISTINCT FROM (a.audit, coalesce(a.at, r.audited_at))`,
    { id, audits: JSON.stringify(audits) },
  );
}

/** Forgets by what the apps knew the person. */
export async function blankSubjects(tx: Tx, id: string): Promise<void> {
  await tx('deletion_recipients').where({ deletion_id: id }).update({ subject: null });
}

/** How many of a deletion's recipients are in each state, and what the audits said. */
export async function countRecipients(db: Db, id: string): Promise<Readonly<Record<string, number>>> {
  const { rows } = await db.raw<{ rows: { word: string; count: number }[] }>(
    `SELECT word, count(*)::int AS count FROM deletion_recipients r,
       unnest(ARRAY[r.state, 'audit:' || r.audit]) AS word
     WHERE r.deletion_id = ? AND word IS NOT NULL GROUP BY word`,
    [id],
  );
  return Object.fromEntries(rows.map(({ word, count }) => [word, count]));
}

/** Removes deletions that have been over since before then, a batch at a time; says how many. */
export function removeOver(tx: Tx, before: { undone: Date; audited: Date }, batch: number): Promise<number> {
  const where = `state IN ('undone', 'audited') AND coalesce(audited_at, undone_at) <
    CASE state WHEN 'undone' THEN CAST(? AS timestamptz) ELSE CAST(? AS timestamptz) END`;
  const over = { where, values: [before.undone, before.audited], by: 'coalesce(audited_at, undone_at)' };
  return removeFirst(tx, 'deletions', over, batch);
}

/** The marks of what was erased since then, oldest first, with what the list says beside each. */
export async function listMarks(
  db: Db,
  after: Pick<Deletion, 'id'> & { readonly removedAt: Date },
  limit: number,
): Promise<readonly { id: string; mark: Buffer; link: Buffer; removedAt: Date }[]> {
  const { rows } = await db.raw<{ rows: { id: string; mark: Buffer; link: Buffer; removedAt: Date }[] }>(
    `SELECT id, mark, link, removed_at AS "removedAt" FROM deletions
     WHERE removed_at IS NOT NULL AND (removed_at, id) > (?, ?) ORDER BY removed_at, id LIMIT ?`,
    [after.removedAt, after.id, limit],
  );
  return rows;
}

/** Which of these deletions are on record. */
export async function knownOf(db: Db, ids: readonly string[]): Promise<ReadonlySet<string>> {
  if (ids.length === 0) return new Set();
  const rows = await db('deletions')
    .whereIn('id', [...ids])
    .select('id');
  return new Set(rows.map(({ id }) => String(id)));
}

/** Lets a deletion that still waits begin at once; any other goes on as it does. */
export async function updateBegins(tx: Tx, id: string, at: Date): Promise<void> {
  const hastened = { begins_at: at, look_at: at, cause: 'restored' };
  await tx('deletions').where({ id, state: 'waiting' }).update(hastened);
}

/** Puts on record that something was erased, of which nothing else is known any more. */
export async function insertErased(
  tx: Tx,
  all: readonly Pick<Deletion, 'id' | 'mark' | 'link'>[],
  at: readonly Date[],
  now: Date,
): Promise<void> {
  if (all.length === 0) return;
  const rows = all.map(({ id, mark, link }, nr) => {
    const then = at[nr] ?? now;
    const times = { asked_at: then, begins_at: then, removed_at: then, finished_at: then, audited_at: now };
    return { id, mark, link, state: 'audited', cause: 'restored', ...times };
  });
  await tx('deletions').insert(rows).onConflict().ignore();
}

const COUNT_THEM = `SELECT
  (SELECT count(*)::int FROM (
     SELECT FROM deletions WHERE state IN ('begun', 'told', 'removed') LIMIT 10000) AS counted) AS "underWay",
  (SELECT count(*)::int FROM (
     SELECT FROM deletions d WHERE d.state <> 'undone' AND (d.tries > 3
       OR d.state IN ('begun', 'told', 'removed') AND d.begun_at < ?
       OR EXISTS (SELECT FROM deletion_recipients r WHERE r.deletion_id = d.id
         AND (r.state IN ('refused', 'unreachable') OR r.audit = 'there'))) LIMIT 10000) AS counted) AS stuck`;

/** How many deletions are under way, and how many of all an operator should look at; counted up to ten thousand each. */
export async function countDeletions(
  db: Db,
  stuckSince: Date,
): Promise<{ readonly underWay: number; readonly stuck: number }> {
  const { rows } = await db.raw<{ rows: { underWay: number; stuck: number }[] }>(COUNT_THEM, [stuckSince]);
  return rows[0] ?? { underWay: 0, stuck: 0 };
}
