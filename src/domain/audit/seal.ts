import type { Keyring } from '../../platform/crypto/keyring.js';
import type { Db } from '../../platform/storage/db.js';
import { openWork, type Work } from '../../platform/storage/work.js';
import { type AuditKey, auditKey, hashOf, leafOf, ROOT, signedBy } from './block.js';
import {
  findBefore,
  findEnd,
  insertBlock,
  listIds,
  listLoose,
  lockChain,
  markUnsealed,
  takeUnsealed,
  updateBefore,
} from './store.js';

/** How many events a block has at most. */
export const BLOCK_SIZE = 1_000;

/** Where a seal is put. */
export interface Sealing {
  readonly db: Db;
  readonly keyring: Keyring;
  readonly now?: () => Date;
}

/**
 * Seals what waits, block by block, until nothing does or it is asked to stop; gives how many events those were. Nothing where
 * another process is at it.
 */
export async function sealEvents(
  { db, keyring, now = () => new Date() }: Sealing,
  signal?: AbortSignal,
): Promise<number> {
  const key = auditKey(keyring);
  let sealed = 0;
  for (;;) {
    const step = await openWork(db, { kind: 'system' }, work => sealOnce({ ...work, at: now() }, key));
    sealed += step.events;
    if (!step.more || signal?.aborted) return sealed;
  }
}

interface Step {
  readonly events: number;
  readonly more: boolean;
}

/* What commits while this runs is marked and waits for the next block, whatever its id and its time say. */
async function sealOnce(work: Work, key: AuditKey): Promise<Step> {
  if (!(await lockChain(work.tx))) return { events: 0, more: false };
  const marking = await markBefore(work);
  const events = await takeUnsealed(work.tx, BLOCK_SIZE);
  if (events.length === 0) return { events: 0, more: marking };
  const last = await findEnd(work.tx);
  const content = {
    nr: (last?.nr ?? 0) + 1,
    at: work.at,
    total: (last?.total ?? 0) + events.length,
    ids: events.map(({ id }) => id),
    leaves: Buffer.concat(events.map(leafOf)),
  };
  const hash = hashOf(last?.hash ?? ROOT, content);
  await insertBlock(work.tx, { ...content, hash, kid: key.kid, signature: signedBy(key, hash) }, key.jwk);
  return { events: events.length, more: marking || events.length === BLOCK_SIZE };
}

/* One bit of what was there before the chain; says whether there is more. */
async function markBefore({ tx }: Work): Promise<boolean> {
  const before = await findBefore(tx);
  if (!before) return false;
  const ids = (await listIds(tx, before.after, BLOCK_SIZE)).filter(id => id <= before.until);
  await markUnsealed(tx, await listLoose(tx, ids));
  await updateBefore(tx, ids.length < BLOCK_SIZE ? undefined : ids.at(-1));
  return true;
}
