import { countDormant, type DormancyPolicy } from './domain/accounts/accounts.js';
import { answering, type Shell, Usage } from './platform/shell.js';

/** What `keyhold dormancy` works with. */
export interface DormancyCommand extends Shell {
  readonly config: { readonly dormancy?: DormancyPolicy };
}

export const DORMANCY_USAGE =
  'keyhold dormancy                                             how many accounts had notices or were put away, and the policy';

/** Runs the verb and gives the exit code: 0 done, 2 not understood. */
export function runDormancy(words: readonly string[], command: DormancyCommand): Promise<number> {
  return answering(command, DORMANCY_USAGE, async () => {
    if (words.length > 0) throw new Usage();
    return { policy: command.config.dormancy ?? null, ...(await countDormant(command.db)) };
  });
}
