import { type Db, type StatementPool, statement, type Tx } from '../../platform/storage/db.js';
import { removeRows } from '../../platform/storage/removing.js';

/** A row of `questions`. */
export interface QuestionRow {
  readonly account_id: string;
  readonly attribute: string;
  readonly purpose: string;
  readonly client_id: string;
  readonly outcome: 'answered' | 'skipped';
  readonly at: Date;
}

/** A row with the name of its app, as long as there is that app. */
export interface NamedQuestionRow extends QuestionRow {
  readonly name: string | null;
}

/* What is over counts for good, but for one thing: what was left out can still be answered. */
const SETTLE = `INSERT INTO questions (account_id, attribute, purpose, client_id, outcome, at)
  VALUES (:account_id, :attribute, :purpose, :client_id, :outcome, :at)
  ON CONFLICT ON CONSTRAINT questions__id DO UPDATE
    SET client_id = excluded.client_id, outcome = excluded.outcome, at = excluded.at
    WHERE questions.outcome = 'skipped' AND excluded.outcome = 'answered'
  RETURNING attribute`;

/** Puts on record that a question is over; whether it was not before. */
export async function settle(tx: Tx, row: QuestionRow): Promise<boolean> {
  const { rows } = await tx.raw<{ rows: unknown[] }>(SETTLE, { ...row });
  return rows.length > 0;
}

const SETTLED_READ = `SELECT attribute, purpose FROM questions
  WHERE account_id = $1 AND attribute = ANY ($2::text[])`;

/** Which of these attributes somebody was asked for, each with what for. */
export async function listSettled(
  pool: StatementPool,
  accountId: string,
  attributes: readonly string[],
): Promise<readonly Pick<QuestionRow, 'attribute' | 'purpose'>[]> {
  const asked = statement(SETTLED_READ, [accountId, [...attributes]]);
  return (await pool.query<Pick<QuestionRow, 'attribute' | 'purpose'>>(asked)).rows;
}

/** Removes for good, a batch at a time: what somebody was asked for on their way to apps. */
export function forgetQuestions(tx: Tx, accountId: string, most: number): Promise<number> {
  return removeRows(tx, ['questions'], accountId, most);
}

/** What somebody left out, the latest first. */
export async function listSkipped(db: Db, accountId: string): Promise<readonly NamedQuestionRow[]> {
  const { rows } = await db.raw<{ rows: NamedQuestionRow[] }>(
    `SELECT q.account_id, q.attribute, q.purpose, q.client_id, q.outcome, q.at, n.name
     FROM questions q LEFT JOIN client_names n ON n.client_id = q.client_id
     WHERE q.account_id = :accountId AND q.outcome = 'skipped' ORDER BY q.at DESC, q.attribute LIMIT 500`,
    { accountId },
  );
  return rows;
}

/** How many people answered or left out what they were asked for, by attribute; for reports alone. */
export async function countOutcomes(
  tx: Tx,
): Promise<readonly { readonly attribute: string; readonly answered: number; readonly skipped: number }[]> {
  const { rows } = await tx.raw<{ rows: { attribute: string; answered: number; skipped: number }[] }>(
    `SELECT attribute, (count(*) FILTER (WHERE outcome = 'answered'))::int AS answered,
       (count(*) FILTER (WHERE outcome = 'skipped'))::int AS skipped
     FROM questions GROUP BY attribute ORDER BY attribute`,
  );
  return rows;
}
