import type { Tx } from '../platform/storage/db.js';
import { removeRows } from '../platform/storage/removing.js';

/**
 * Removes for good, a batch at a time: what the protocol keeps of an account. Codes and tokens hang on their grants; what is
 * unfinished names nobody that it could be found by, and is gone within hours.
 */
export function forgetArtefacts(tx: Tx, accountId: string, most: number): Promise<number> {
  return removeRows(tx, ['grants', 'sessions', 'pairwise_subjects'], accountId, most);
}
