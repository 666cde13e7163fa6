import { v7 as uuidv7 } from 'uuid';
import type { Db } from '../../platform/storage/db.js';
import { openWork } from '../../platform/storage/work.js';
import { checkHeads, type HeadChecking, linesOf } from './heads.js';
import type { Sealing } from './seal.js';
import { type Fault, knownKeys, verifyNext, WALK, type Walk } from './verify.js';

/** A look at the whole chain, as the job takes one every week. */
export interface Check {
  readonly id: string;
  readonly beganAt: Date;
  readonly endedAt: Date | undefined;
  readonly walk: Walk;
}

interface CheckRow {
  readonly id: string;
  readonly began_at: Date;
  readonly ended_at: Date | null;
  readonly walk: Walk;
}

const checkOf = ({ id, began_at, ended_at, walk }: CheckRow): Check => ({
  id,
  beganAt: began_at,
  endedAt: ended_at ?? undefined,
  walk,
});

/** The last look that was begun; the last one that has ended with `ended`. */
export async function findCheck(db: Db, ended = false): Promise<Check | undefined> {
  const found = db('audit_checks').orderBy('began_at', 'desc');
  if (ended) void found.whereNotNull('ended_at');
  const row = await found.first<CheckRow | undefined>('id', 'began_at', 'ended_at', 'walk');
  return row && checkOf(row);
}

const WEEK = 7 * 86_400_000;
/** How many steps are taken between two notes of how far it has come. */
const STEPS = 20;

/** What a look at the chain needs to know. */
export interface Checking extends Sealing {
  readonly issuer: URL;
  /** Where heads were written outside of the database, on this machine. */
  readonly file: string | undefined;
}

/** Begins a look at the chain where the last is a week old, and goes on with one until it has ended or is asked to stop. */
export async function checkChain(
  { db, keyring, issuer, file, now = () => new Date() }: Checking,
  signal: AbortSignal,
): Promise<Fault | undefined> {
  const last = await findCheck(db);
  if (last?.endedAt && now().getTime() - last.endedAt.getTime() < WEEK) return undefined;
  const isUnderWay = last !== undefined && last.endedAt === undefined;
  const id = isUnderWay ? last.id : uuidv7();
  let walk = isUnderWay ? last.walk : WALK;
  if (!isUnderWay) await db('audit_checks').insert({ id, began_at: now(), walk: JSON.stringify(walk) });
  const keys = await knownKeys(db, keyring);
  while (walk.phase !== 'done' && !signal.aborted) {
    for (let step = 0; step < STEPS && walk.phase !== 'done'; step++) walk = await verifyNext(db, keys, walk);
    if (walk.phase === 'done' && !walk.fault && file !== undefined) {
      const fault = await againstHeads({ db, keys, issuer }, file);
      walk = { ...walk, ...(fault && { fault }) };
    }
    await noteCheck(db, id, walk, now());
  }
  return walk.fault;
}

/* Another machine may be the one that writes them: the doctor says where there is no file. */
async function againstHeads(parts: HeadChecking, file: string): Promise<Fault | undefined> {
  try {
    return (await checkHeads(parts, linesOf(file))).fault;
  } catch (error) {
    const { code } = error as { readonly code?: unknown };
    if (code === 'ENOENT') return undefined;
    throw error;
  }
}

/* Of two processes that have come to the end, one says so. */
async function noteCheck(db: Db, id: string, walk: Walk, at: Date): Promise<void> {
  await openWork(db, { kind: 'system' }, async work => {
    const isOver = walk.phase === 'done';
    const noted = await work
      .tx('audit_checks')
      .where({ id })
      .whereNull('ended_at')
      .update({ walk: JSON.stringify(walk), ...(isOver && { ended_at: at }) });
    if (!isOver || noted === 0) return;
    const { fault, nr: blocks, events } = walk;
    if (!fault) work.record({ type: 'audit.verified', detail: { blocks, events } });
    else {
      const event = 'event' in fault ? fault.event : null;
      const block = 'block' in fault ? (fault.block ?? null) : null;
      work.record({ type: 'audit.broken', detail: { what: fault.what, event, block } });
    }
  });
}
