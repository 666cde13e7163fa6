import { listSmsBudgets } from './journeys/manage/contacts/budgets.js';
import type { Db } from './platform/storage/db.js';

/** What the verbs work with; `print` is for standard output, `fail` for standard error. */
export interface SmsCommand {
  readonly db: Db;
  readonly config: { readonly smsPerDay: number };
  print(text: string): void;
  fail(text: string): void;
}

export const SMS_USAGE =
  'keyhold sms budgets                                          how many text messages went where, and how many may still';

/** Runs one verb and gives the exit code: 0 done, 2 not understood. */
export async function runSms(
  words: readonly string[],
  { db, config, print, fail }: SmsCommand,
): Promise<number> {
  if (words.length !== 1 || words[0] !== 'budgets') {
    fail(SMS_USAGE);
    return 2;
  }
  print(`${JSON.stringify(await listSmsBudgets(db, config.smsPerDay), null, 2)}\n`);
  return 0;
}
