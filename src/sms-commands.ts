import { listSmsBudgets } from './journeys/manage/contacts/budgets.js';
import { answering, type Shell, Usage } from './platform/shell.js';

/** What `keyhold sms …` works with. */
export interface SmsCommand extends Shell {
  readonly config: { readonly smsPerDay: number };
}

export const SMS_USAGE =
  'keyhold sms budgets                                          how many text messages went where, and how many may still';

/** Runs one verb and gives the exit code: 0 done, 2 not understood. */
export function runSms(words: readonly string[], command: SmsCommand): Promise<number> {
  return answering(command, SMS_USAGE, async () => {
    if (words.length !== 1 || words[0] !== 'budgets') throw new Usage();
    return listSmsBudgets(command.db, command.config.smsPerDay);
  });
}
