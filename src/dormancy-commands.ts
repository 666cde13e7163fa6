import { countDormant, type DormancyPolicy } from './domain/accounts/accounts.js';
import type { Db } from './platform/storage/db.js';

/** What the verb works with; `print` is for standard output, `fail` for standard error. */
export interface DormancyCommand {
  readonly db: Db;
  readonly config: { readonly dormancy?: DormancyPolicy };
  print(text: string): void;
  fail(text: string): void;
}

export const DORMANCY_USAGE =
  'keyhold dormancy                                             how many accounts had notices or were put away, and the policy';

/** Runs the verb and gives the exit code: 0 done, 2 not understood. */
export async function runDormancy(
  words: readonly string[],
  { db, config, print, fail }: DormancyCommand,
): Promise<number> {
  if (words.length > 0) {
    fail(DORMANCY_USAGE);
    return 2;
  }
  const answer = { policy: config.dormancy ?? null, ...(await countDormant(db)) };
  print(`${JSON.stringify(answer, null, 2)}\n`);
  return 0;
}
