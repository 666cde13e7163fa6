import type { Keyring } from '../../platform/crypto/keyring.js';
import type { Db } from '../../platform/storage/db.js';
import {
  auditKey,
  type Block,
  hashOf,
  isSignedBy,
  type KeptEvent,
  kidOf,
  leafAt,
  leafOf,
  type PublicJwk,
  ROOT,
} from './block.js';
import { openHead } from './heads.js';
import {
  findBefore,
  findBlockAfter,
  findCheckpoint,
  findMissing,
  listAuditKeys,
  listEvents,
  listIds,
  listLoose,
} from './store.js';

/** What is wrong, and where it is seen first. */
export type Fault =
  /** An event that is not as it was when it was sealed, is not there any more, or was put there past the chain. */
  | { readonly what: 'altered' | 'gone' | 'added'; readonly event: string; readonly block?: number }
  /** A block that is not there, that does not follow from its events and the one before, or that nobody of us signed. */
  | { readonly what: 'block_gone' | 'block_altered' | 'block_forged'; readonly block: number }
  /** The end of the chain was cut: a head that was written outside names a later block than there is. */
  | { readonly what: 'cut'; readonly block: number; readonly last: number; readonly events: number }
  /** Chain and head that was written outside name different events, all of them signed. */
  | { readonly what: 'rewritten'; readonly block: number }
  | { readonly what: 'head_forged'; readonly line: number };

/** How far a look at the chain has come: it goes on from there, in another process if need be. */
export interface Walk {
  readonly phase: 'start' | 'blocks' | 'events' | 'done';
  /** The last block that is as it should be. */
  readonly nr: number;
  readonly hash: string;
  readonly kid: string | undefined;
  /** How many events are as they were sealed, or were forgotten before. */
  readonly events: number;
  /** How many events there were before the checkpoint where the chain begins. */
  readonly forgotten: number;
  /** The last event that is known to be in the chain or to wait for it. */
  readonly after: string;
  readonly fault?: Fault;
}

const FIRST_ID = '00000000-0000-0000-0000-000000000000';
const WINDOW = 5_000;

/** A look at the chain that begins at its start. */
export const WALK: Walk = {
  phase: 'start',
  nr: 0,
  hash: ROOT.toString('hex'),
  kid: undefined,
  events: 0,
  forgotten: 0,
  after: FIRST_ID,
};

/** The keys that blocks and heads may be signed with, and the one that ours are today. */
export interface KnownKeys {
  readonly own: string;
  readonly all: ReadonlyMap<string, PublicJwk>;
}

/** Today's key as it follows from the secret, whatever the database says, and those that it has of earlier secrets. */
export async function knownKeys(db: Db, keyring: Keyring): Promise<KnownKeys> {
  const { kid, jwk } = auditKey(keyring);
  const kept = [...(await listAuditKeys(db))].filter(([name, each]) => kidOf(each) === name);
  return { own: kid, all: new Map([...kept, [kid, jwk]]) };
}

/** Goes on by one block, or by some thousand events; each step reads a bounded number of rows. */
export async function verifyNext(db: Db, keys: KnownKeys, walk: Walk): Promise<Walk> {
  if (walk.phase === 'start') return startOf(db, keys);
  if (walk.phase === 'blocks') return verifyBlock(db, keys, walk);
  return walk.phase === 'events' ? verifyIds(db, walk) : walk;
}

const faulty = (walk: Walk, fault: Fault): Walk => ({ ...walk, phase: 'done', fault });

/* Behind what was forgotten, if anything was: one of us signed where the chain goes on. */
async function startOf(db: Db, keys: KnownKeys): Promise<Walk> {
  const checkpoint = await findCheckpoint(db);
  const first = { ...WALK, phase: 'blocks' } as const;
  if (!checkpoint) return first;
  const { nr, total, kid, jws } = checkpoint;
  const hash = checkpoint.hash.toString('hex');
  const start = { ...first, nr, hash, kid, events: total, forgotten: total };
  const said = await openHead(jws, keys.all);
  const isSame = said?.nr === nr && said.hash === hash && said.events === total && said.kid === kid;
  return isSame ? start : faulty(start, { what: 'block_forged', block: nr });
}

async function verifyBlock(db: Db, keys: KnownKeys, walk: Walk): Promise<Walk> {
  const block = await findBlockAfter(db, walk.nr);
  if (!block) {
    /* A key of an earlier secret proves nothing by itself: the database gives it. Ours at the end vouches for all before. */
    const isOurs = walk.kid === undefined || walk.kid === keys.own;
    return isOurs ? { ...walk, phase: 'events' } : faulty(walk, { what: 'block_forged', block: walk.nr });
  }
  const fault = faultOf(block, keys, walk) ?? faultIn(block, await listEvents(db, block.ids));
  if (fault) {
    /* What was forgotten while this looks is no fault. */
    const start = await startOf(db, keys);
    return start.nr > walk.nr ? start : faulty(walk, fault);
  }
  const { nr, hash, kid, total: events } = block;
  return { ...walk, nr, hash: hash.toString('hex'), kid, events };
}

function faultOf(block: Block, { all }: KnownKeys, walk: Walk): Fault | undefined {
  const { nr, hash, total, ids, kid } = block;
  if (nr !== walk.nr + 1) return { what: 'block_gone', block: walk.nr + 1 };
  const follows = hashOf(Buffer.from(walk.hash, 'hex'), block).equals(hash);
  if (!follows || total !== walk.events + ids.length) return { what: 'block_altered', block: nr };
  const jwk = all.get(kid);
  return jwk && isSignedBy(jwk, block) ? undefined : { what: 'block_forged', block: nr };
}

function faultIn({ nr, ids, leaves }: Block, events: readonly KeptEvent[]): Fault | undefined {
  const there = new Map(events.map(event => [event.id, event]));
  for (const [place, id] of ids.entries()) {
    const event = there.get(id);
    if (!event) return { what: 'gone', event: id, block: nr };
    if (!leafOf(event).equals(leafAt(leaves, place))) return { what: 'altered', event: id, block: nr };
  }
  const twice = events.find((event, at) => events.findIndex(({ id }) => id === event.id) < at);
  return events.length > ids.length && twice ? { what: 'added', event: twice.id, block: nr } : undefined;
}

async function verifyIds(db: Db, walk: Walk): Promise<Walk> {
  const before = await findBefore(db);
  const ids = await listIds(db, walk.after, WINDOW);
  const loose = (await listLoose(db, ids)).filter(id => !before || id <= before.after || id > before.until);
  const [added] = await listEvents(db, loose.slice(0, 1));
  if (added) return faulty(walk, { what: 'added', event: added.id });
  if (ids.length === WINDOW) return { ...walk, after: ids.at(-1) ?? walk.after };
  const missing = await findMissing(db);
  return missing === undefined ? { ...walk, phase: 'done' } : faulty(walk, { what: 'gone', event: missing });
}
