import type { Db, StatementPool } from '../../platform/storage/db.js';
import type { Work } from '../../platform/storage/work.js';
import * as store from './store.js';

export { exportQuestions } from './exported.js';
export { countOutcomes, forgetQuestions } from './store.js';

/** The facts this room records. */
export const QUESTION_FACTS = ['question.answered', 'question.skipped'] as const;

/** What somebody is asked for, what for, and on the way to which app. */
export interface Question {
  readonly accountId: string;
  readonly attribute: string;
  readonly purpose: string;
  readonly clientId: string;
}

/** What somebody was asked for and left out. */
export interface SkippedQuestion extends Question {
  /** Of the app, as long as it is there. */
  readonly name: string | undefined;
  readonly at: Date;
}

/** Puts on record that somebody gave what they were asked for; again changes nothing. */
export async function answerQuestion(work: Work, question: Question): Promise<void> {
  if (!(await settle(work, question, 'answered'))) return;
  work.record({ type: 'question.answered', ...aboutOf(question) });
}

/** Puts on record that somebody left out what they were asked for; after an answer, or again, it changes nothing. */
export async function skipQuestion(work: Work, question: Question): Promise<void> {
  if (!(await settle(work, question, 'skipped'))) return;
  work.record({ type: 'question.skipped', ...aboutOf(question) });
}

function settle(
  work: Work,
  { accountId, clientId, attribute, purpose }: Question,
  outcome: 'answered' | 'skipped',
) {
  const row = { account_id: accountId, client_id: clientId, attribute, purpose, outcome, at: work.at };
  return store.settle(work.tx, row);
}

const aboutOf = ({ accountId, clientId, attribute, purpose }: Question) => ({
  accountId,
  clientId,
  detail: { attribute, purpose },
});

/** Which of these attributes somebody was asked for before, for the very purpose; one round trip. */
export async function askedBefore(
  pool: StatementPool,
  accountId: string,
  attributes: readonly { readonly name: string; readonly purpose: string }[],
): Promise<ReadonlySet<string>> {
  const settled = await store.listSettled(
    pool,
    accountId,
    attributes.map(({ name }) => name),
  );
  const over = settled.filter(({ attribute, purpose }) =>
    attributes.some(each => each.name === attribute && each.purpose === purpose),
  );
  return new Set(over.map(({ attribute }) => attribute));
}

/** What somebody left out so far, the latest first. */
export async function listSkippedQuestions(db: Db, accountId: string): Promise<readonly SkippedQuestion[]> {
  const rows = await store.listSkipped(db, accountId);
  return rows.map(({ attribute, purpose, client_id, name, at }) => ({
    accountId,
    attribute,
    purpose,
    clientId: client_id,
    name: name ?? undefined,
    at,
  }));
}
