import { findCheck } from './checks.js';
import type { Sealing } from './seal.js';
import { findEnd, findWaiting } from './store.js';
import { knownKeys, verifyNext, WALK, type Walk } from './verify.js';

export { AUDIT_FACTS } from './block.js';
export { appendHead, checkHeads, type Head, type HeadsSeen, lastHeadAt, linesOf, signHead } from './heads.js';
export { auditJobs, endAudit, type HeadWriting } from './jobs.js';
export { BLOCK_SIZE, sealEvents } from './seal.js';
export { type Fault, knownKeys, type Walk } from './verify.js';

/** How the chain stands. */
export interface ChainState {
  /** How many events are sealed, in how many blocks. */
  readonly events: number;
  readonly blocks: number;
  /** What waits to be sealed, counted up to a thousand. */
  readonly waiting: { readonly count: number; readonly since: Date | undefined };
  /** The last look at the whole of it that has ended. */
  readonly checked: { readonly at: Date; readonly whole: boolean } | undefined;
}

/** How the chain stands, without looking at it as a whole. */
export async function chainState({ db }: Pick<Sealing, 'db'>): Promise<ChainState> {
  const [end, waiting, check] = [await findEnd(db), await findWaiting(db), await findCheck(db, true)];
  const at = check?.endedAt;
  return {
    events: end?.total ?? 0,
    blocks: end?.nr ?? 0,
    waiting,
    checked: at && { at, whole: check.walk.fault === undefined },
  };
}

/** Looks at the whole chain, and changes nothing. */
export async function verifyChain({ db, keyring }: Sealing): Promise<Walk> {
  const keys = await knownKeys(db, keyring);
  let walk = WALK;
  while (walk.phase !== 'done') walk = await verifyNext(db, keys, walk);
  return walk;
}
