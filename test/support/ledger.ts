import type { Db } from '../../src/platform/storage/db.js';
import { jobsDone } from './jobs.js';

/** An event as it is on record. */
export interface Recorded {
  readonly type: string;
  readonly account_id: string | null;
  readonly client_id: string | null;
  readonly detail: Readonly<Record<string, unknown>>;
}

const TABLES = [
  'accounts',
  'identifiers',
  'email_addresses',
  'phone_numbers',
  'passwords',
  'passkeys',
  'authenticator_apps',
  'recovery_codes',
  'remembered_browsers',
  'profile_attributes',
  'questions',
  'terms_acceptances',
  'consents',
  'opt_ins',
] as const;

/** What is on record about people: the same text if and only if nothing of it has changed. */
export async function peopleOnRecord(db: Db): Promise<string> {
  const tables = TABLES.map(
    table =>
      `SELECT '${table}' AS name, coalesce(string_agg(t::text, E'\\n' ORDER BY t::text), '') AS rows FROM ${table} t`,
  );
  const sessions = `SELECT 'sessions', coalesce(string_agg(uid, ' ' ORDER BY uid), '') FROM sessions
    WHERE account_id IS NOT NULL AND ended_at IS NULL`;
  const { rows } = await db.raw([...tables, sessions].join(' UNION ALL '));
  return rows.map((row: { name: string; rows: string }) => `${row.name}\n${row.rows}`).join('\n\n');
}

/** The events that `act` leaves, oldest first; what jobs of earlier acts leave is not among them. */
export async function recordedDuring(db: Db, act: () => Promise<unknown>): Promise<readonly Recorded[]> {
  await jobsDone(db);
  const before = await listIds(db);
  await act();
  const columns = ['id', 'type', 'account_id', 'client_id', 'detail'];
  const rows = await db('events').select(columns).orderBy('id');
  return rows.filter(row => !before.has(row.id)).map(({ id: _, ...row }) => row as Recorded);
}

async function listIds(db: Db): Promise<ReadonlySet<string>> {
  return new Set(await db('events').pluck('id'));
}

/** The account that an address leads to. */
export async function accountOf(db: Db, email: string): Promise<string> {
  const row = await db('identifiers').where({ kind: 'email', value: email }).first('account_id');
  if (!row) throw new Error(`nobody has ${email}`);
  return row.account_id;
}
