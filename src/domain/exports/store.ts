import type { Keyring } from '../../platform/crypto/keyring.js';
import type { Db, Tx } from '../../platform/storage/db.js';
import type { ExportScope } from '../../platform/storage/export-file.js';
import { openPersonal } from '../../platform/storage/origin.js';
import { removeRows } from '../../platform/storage/removing.js';
import type { Export, ExportState, KeptFile, MadeFile, Making, Reached } from './export.js';

/** How a new one is left with the last statement of a work: its key is sealed under its account's on the way. */
export const INTO_EXPORTS = `
  INSERT INTO exports (account_id, id, scope, state, language, sealed, asked_at, looked_at)
  SELECT account_id, id, scope, 'waiting', language, sealed, asked_at, asked_at
  FROM jsonb_to_recordset(?::jsonb) AS e(account_id uuid, id uuid, scope text, language text, sealed bytea, asked_at timestamptz)`;

interface ExportRow {
  readonly account_id: string;
  readonly id: string;
  readonly scope: ExportScope;
  readonly state: ExportState;
  readonly language: string;
  readonly asked_at: Date;
  readonly looked_at: Date;
  readonly walked: number;
  readonly files: number;
  readonly rows: string;
  readonly bytes: string;
  readonly ready_at: Date | null;
  readonly expires_at: Date | null;
  readonly ended_at: Date | null;
  readonly fetched_at: Date | null;
}

const COLUMNS = `account_id, id, scope, state, language, asked_at, looked_at, walked, files, rows, bytes, ready_at, expires_at,
  ended_at, fetched_at`;

function present(row: ExportRow): Export {
  return {
    accountId: row.account_id,
    id: row.id,
    scope: row.scope,
    state: row.state,
    language: row.language,
    askedAt: row.asked_at,
    lookedAt: row.looked_at,
    walked: row.walked,
    files: row.files,
    rows: Number(row.rows),
    bytes: Number(row.bytes),
    readyAt: row.ready_at ?? undefined,
    expiresAt: row.expires_at ?? undefined,
    endedAt: row.ended_at ?? undefined,
    fetchedAt: row.fetched_at ?? undefined,
  };
}

/** Whose export. */
export interface ExportKey {
  readonly accountId: string;
  readonly id: string;
}

/** What somebody asked for, newest first. */
export async function list(db: Db, accountId: string, limit: number): Promise<readonly Export[]> {
  const { rows } = await db.raw<{ rows: ExportRow[] }>(
    `SELECT ${COLUMNS} FROM exports WHERE account_id = ? ORDER BY id DESC LIMIT ?`,
    [accountId, limit],
  );
  return rows.map(present);
}

/** One of an account. */
export async function find(db: Db, { accountId, id }: ExportKey): Promise<Export | undefined> {
  const { rows } = await db.raw<{ rows: ExportRow[] }>(
    `SELECT ${COLUMNS} FROM exports WHERE account_id = ? AND id = ?`,
    [accountId, id],
  );
  return rows[0] && present(rows[0]);
}

/** What the key of an export is sealed with. */
export const contextOf = (id: string) => `export ${id}`;

/** One with the key that opens its pieces; undefined where there is none, or the account's key is gone. */
export async function findOpen(
  db: Db,
  keyring: Keyring,
  { accountId, id }: ExportKey,
): Promise<Making | undefined> {
  const { rows } = await db.raw<{
    rows: (ExportRow & {
      step: number;
      reached: Reached | null;
      sealed: Buffer | null;
      owner: Buffer | null;
    })[];
  }>(
    `SELECT ${COLUMNS}, step, reached, sealed,
       (SELECT k.sealed FROM subject_keys k WHERE k.account_id = e.account_id) AS owner
     FROM exports e WHERE account_id = ? AND id = ?`,
    [accountId, id],
  );
  const [row] = rows;
  if (!row?.sealed || !row.owner) return undefined;
  const sealed = { keyring, accountId, context: contextOf(id), sealed: row.sealed, key: row.owner };
  const key = openPersonal(sealed);
  if (key === undefined) return undefined;
  return {
    ...present(row),
    step: row.step,
    reached: row.reached ?? undefined,
    key: Buffer.from(key, 'base64'),
  };
}

/** What a step adds: to where it goes on, and how much more there is. */
export interface StepTaken extends ExportKey {
  readonly step: number;
  readonly reached: Reached | undefined;
  readonly walked: number;
  readonly files: number;
  readonly rows: number;
  readonly bytes: number;
  readonly at: Date;
}

/** Takes one step of one that is being made; false when somebody else took it, or it is over. Gives its first file's number. */
export async function updateStep(tx: Tx, taken: StepTaken): Promise<number | undefined> {
  const { rows } = await tx.raw<{ rows: { first: number }[] }>(
    `UPDATE exports SET state = 'running', step = step + 1, reached = CAST(:reached AS jsonb), walked = :walked,
       files = files + :files, rows = rows + :rows, bytes = bytes + :bytes, looked_at = :at
     WHERE account_id = :accountId AND id = :id AND step = :step AND state IN ('waiting', 'running')
     RETURNING files - :files AS first`,
    { ...taken, reached: taken.reached ? JSON.stringify(taken.reached) : null },
  );
  return rows[0]?.first;
}

/** Keeps a file and its sealed pieces. */
export async function insertFile(
  tx: Tx,
  { accountId, id }: ExportKey,
  { nr, path, about, rows, bytes, sha256 }: MadeFile & { readonly nr: number },
  pieces: readonly Buffer[],
): Promise<void> {
  const key = { account_id: accountId, export_id: id };
  await tx('export_files').insert({ ...key, nr, path, about, rows, bytes, sha256, pieces: pieces.length });
  for (const [at, sealed] of pieces.entries()) {
    await tx('export_pieces').insert({ ...key, file: nr, nr: at, sealed });
  }
}

/** The files of an export, in the order in which they were made. */
export async function listFiles(
  db: Db,
  { accountId, id }: ExportKey,
  after: number,
  limit: number,
): Promise<readonly KeptFile[]> {
  const rows = await db('export_files')
    .select('nr', 'path', 'about', 'rows', 'bytes', 'sha256', 'pieces')
    .where({ account_id: accountId, export_id: id })
    .andWhere('nr', '>', after)
    .orderBy('nr')
    .limit(limit);
  return rows.map(row => ({
    nr: row.nr as number,
    path: row.path as string,
    about: (row.about as string | null) ?? undefined,
    rows: (row.rows as number | null) ?? undefined,
    bytes: Number(row.bytes),
    sha256: row.sha256 as Buffer,
    pieces: row.pieces as number,
  }));
}

/** One sealed piece of a file. */
export async function findPiece(
  db: Db,
  { accountId, id }: ExportKey,
  file: number,
  nr: number,
): Promise<Buffer | undefined> {
  const row = await db('export_pieces')
    .where({ account_id: accountId, export_id: id, file, nr })
    .first('sealed');
  return row?.sealed as Buffer | undefined;
}

/** Puts one that is in one of these states into another; says whether it was. Once it is over, so is its key. */
export async function updateState(
  tx: Tx,
  { accountId, id }: ExportKey,
  turn: {
    readonly from: readonly ExportState[];
    readonly to: ExportState;
    readonly at: Date;
    readonly expiresAt?: Date;
    readonly step?: number;
  },
): Promise<boolean> {
  const ready = turn.to === 'ready';
  const query = tx('exports')
    .where({ account_id: accountId, id, ...(turn.step !== undefined && { step: turn.step }) })
    .whereIn('state', [...turn.from]);
  const set = ready
    ? { ready_at: turn.at, expires_at: turn.expiresAt }
    : { sealed: null, reached: null, ended_at: turn.at };
  return (await query.update({ state: turn.to, looked_at: turn.at, ...set })) === 1;
}

/** Notes that it was fetched. */
export async function updateFetched(tx: Tx, { accountId, id }: ExportKey, at: Date): Promise<boolean> {
  const query = tx('exports')
    .where({ account_id: accountId, id, state: 'ready' })
    .andWhere('expires_at', '>', at);
  return (await query.update({ fetched_at: at })) === 1;
}

/** Those whose days are over at a moment. */
export async function listOver(db: Db, at: Date, limit: number): Promise<readonly ExportKey[]> {
  return db('exports')
    .select<ExportKey[]>({ accountId: 'account_id', id: 'id' })
    .where({ state: 'ready' })
    .andWhere('expires_at', '<=', at)
    .orderBy('expires_at')
    .limit(limit);
}

/** Those that are being made and that nobody has done anything about since a moment. */
export async function listResting(db: Db, since: Date, limit: number): Promise<readonly ExportKey[]> {
  return db('exports')
    .select<ExportKey[]>({ accountId: 'account_id', id: 'id' })
    .whereIn('state', ['waiting', 'running'])
    .andWhere('looked_at', '<', since)
    .orderBy('looked_at')
    .limit(limit);
}

/** Removes pieces of those that are over, a batch at a time; says how many. */
export async function removePieces(db: Db, limit: number): Promise<number> {
  const { rowCount } = await db.raw<{ rowCount: number }>(
    `DELETE FROM export_pieces WHERE ctid = ANY (ARRAY(
       SELECT p.ctid FROM exports e JOIN export_pieces p ON p.account_id = e.account_id AND p.export_id = e.id
       WHERE e.ended_at IS NOT NULL LIMIT ? FOR UPDATE OF p SKIP LOCKED))`,
    [limit],
  );
  return rowCount;
}

/** Removes what was in those that are over and have no piece any more, a batch at a time; says how many. */
export async function removeFiles(db: Db, limit: number): Promise<number> {
  const { rowCount } = await db.raw<{ rowCount: number }>(
    `DELETE FROM export_files WHERE ctid = ANY (ARRAY(
       SELECT f.ctid FROM exports e JOIN export_files f ON f.account_id = e.account_id AND f.export_id = e.id
       WHERE e.ended_at IS NOT NULL LIMIT ? FOR UPDATE OF f SKIP LOCKED))`,
    [limit],
  );
  return rowCount;
}

/** Removes records of what was over at a moment, a batch at a time; says how many. */
export async function removeRecords(db: Db, before: Date, limit: number): Promise<number> {
  const { rowCount } = await db.raw<{ rowCount: number }>(
    `DELETE FROM exports WHERE ctid = ANY (ARRAY(
       SELECT ctid FROM exports WHERE ended_at < ? ORDER BY ended_at LIMIT ? FOR UPDATE SKIP LOCKED))`,
    [before, limit],
  );
  return rowCount;
}

/** Removes for good, a batch at a time: the copies that somebody asked for. */
export function forgetExports(tx: Tx, accountId: string, most: number): Promise<number> {
  return removeRows(tx, ['imports', 'export_pieces', 'export_files', 'exports'], accountId, most);
}
