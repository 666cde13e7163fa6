import { v7 as uuidv7 } from 'uuid';
import { digest, randomToken } from '../../platform/crypto/tokens.js';
import type { Db } from '../../platform/storage/db.js';
import type { Work } from '../../platform/storage/work.js';
import { lockAccount } from '../accounts/accounts.js';
import {
  drawNumbers,
  LASTS,
  MOVE_EDGES,
  type Move,
  type MoveKind,
  type MoveStep,
  OPEN_STATES,
} from './move.js';
import { findMoveByDigest, findOpenMove, insertMove, type StepWrites, updateState } from './store.js';

export { exportMoves } from './exported.js';

export { sweepMoves } from './jobs.js';
export {
  LINK_MINUTES,
  MOVE_EDGES,
  MOVE_STATES,
  type Move,
  type MoveEdge,
  type MoveKind,
  type MoveSide,
  type MoveState,
  type MoveStep,
  mayStep,
  OPEN_STATES,
  stateAt,
} from './move.js';
export { findLatestMove, findMove, forgetMoves } from './store.js';

/** Every fact that this room leaves. */
export const MOVE_FACTS = [
  'move.started',
  'move.claimed',
  'move.confirmed',
  'move.refused',
  'move.bound',
  'move.tested',
  'move.retired',
  'move.cancelled',
  'move.expired',
] as const;

/** Which move is meant. */
export type MoveRef = Pick<Move, 'accountId' | 'id'>;

/** How a move begins. */
export interface MoveStart {
  readonly accountId: string;
  readonly sessionUid: string | undefined;
  readonly remembered: Buffer | undefined;
  readonly startedFrom: Buffer;
}

/** A move that has just begun, with the secret of its link: 256 random bits, told only now. */
export interface StartedMove {
  readonly id: string;
  readonly secret: string;
  readonly until: Date;
}

/** Begins a move; one that was under way for this account ends. */
export async function startMove(work: Work, start: MoveStart): Promise<StartedMove> {
  const { accountId } = start;
  await lockAccount(work, accountId);
  const before = await findOpenMove(work.tx, accountId);
  if (before) await makeRoom(work, before);
  const secret = randomToken();
  const id = uuidv7();
  const until = untilFrom(work.at, 'waiting');
  await insertMove(work.tx, {
    ...start,
    id,
    startedAt: work.at,
    until,
    provedAt: work.at,
    digest: digest(secret),
  });
  work.record(factOf('move.started', { accountId, id }));
  return { id, secret, until };
}

/* Of two open ones nobody would know which is meant; ending one is never too late. */
async function makeRoom(work: Work, before: Move): Promise<void> {
  if (before.state === 'tested') {
    await step(work, before, 'settle', {}, EPOCH);
    return;
  }
  await step(work, before, 'cancel', {}, EPOCH);
  work.record(factOf('move.cancelled', before, { reason: 'begun_anew' }));
}

const EPOCH = new Date(0);
const untilFrom = (at: Date, state: keyof typeof LASTS) => new Date(at.getTime() + (LASTS[state] ?? 0));

function factOf(
  type: string,
  { accountId, id }: MoveRef,
  detail: Readonly<Record<string, string | number>> = {},
) {
  return { type, accountId, detail: { move: id, ...detail } };
}

/* The database takes the step or it does not: whoever comes second, or too late, or before their turn, finds no row. */
function step(
  work: Work,
  { accountId, id }: MoveRef,
  name: MoveStep,
  writes: StepWrites = {},
  at = work.at,
): Promise<Move | undefined> {
  const { from, to } = MOVE_EDGES[name];
  const open = OPEN_STATES.includes(to);
  const until = LASTS[to] === undefined ? {} : { until: untilFrom(work.at, to) };
  const ended = open ? {} : { endedAt: work.at };
  return updateState(work.tx, { accountId, id, from, to, at }, { ...until, ...ended, ...writes });
}

/** The move that a link leads to; looking uses nothing up. */
export function findMoveByLink(db: Db, secret: string): Promise<Move | undefined> {
  return findMoveByDigest(db, digest(secret));
}

/** Claims a move for a browser, once: the one that comes second finds nothing to claim. */
export async function claimMove(
  work: Work,
  move: MoveRef,
  by: { readonly browser: Buffer; readonly from: Buffer },
): Promise<Move | undefined> {
  const claimed = await step(work, move, 'claim', {
    browser: by.browser,
    claimedFrom: by.from,
    claimedAt: work.at,
    ...drawNumbers(),
  });
  if (claimed) work.record(factOf('move.claimed', move));
  return claimed;
}

/** The old phone says that the phone that claimed it is the new one. */
export async function confirmMove(work: Work, move: MoveRef): Promise<Move | undefined> {
  const confirmed = await step(work, move, 'confirm');
  if (confirmed) work.record(factOf('move.confirmed', move));
  return confirmed;
}

/** Why a move was refused. */
export type MoveRefusedFor = 'not_mine' | 'wrong_number' | 'new_phone';

/** One of both phones says that this is not right: nothing comes of the move. */
export async function refuseMove(work: Work, move: MoveRef, reason: MoveRefusedFor): Promise<boolean> {
  const refused = await step(work, move, 'refuse');
  if (refused) work.record(factOf('move.refused', move, { reason }));
  return refused !== undefined;
}

/** What was added on the new phone, in the very work that adds it: what that outdates is not the move itself. */
export async function bindMove(
  work: Work,
  move: MoveRef,
  { kind, id }: { readonly kind: MoveKind; readonly id: string },
): Promise<boolean> {
  const writes = { kind, bound: id, boundAt: work.at, provedAt: work.at };
  const bound = await step(work, move, 'bind', writes);
  if (bound) work.record(factOf('move.bound', move, { kind, bound: id }));
  return bound !== undefined;
}

/** Somebody signed in on the new phone with what was added there, or with the passkey that had come along. */
export async function testMove(
  work: Work,
  move: MoveRef,
  alreadyThere?: { readonly kind: MoveKind; readonly id: string },
): Promise<boolean> {
  const writes = alreadyThere ? { kind: alreadyThere.kind, bound: alreadyThere.id } : {};
  const tested = await step(work, move, 'test', writes);
  if (tested) work.record(factOf('move.tested', move, { kind: tested.kind ?? '' }));
  return tested !== undefined;
}

/** What of the old phone was taken away. */
export interface Retired {
  readonly passkeys: number;
  readonly apps: number;
  readonly sessions: number;
  readonly browsers: number;
}

/** The move is done; what was taken away from the old phone stands beside it. */
export async function finishMove(work: Work, move: MoveRef, retired: Retired): Promise<boolean> {
  const finished = await step(work, move, 'finish');
  if (finished) work.record(factOf('move.retired', move, { ...retired }));
  return finished !== undefined;
}

/** The old phone, or its owner's "this wasn't me", ends a move that is not tested yet; gives it as it was left. */
export async function cancelMove(
  work: Work,
  move: MoveRef,
  reason: 'old_phone' | 'disowned',
): Promise<Move | undefined> {
  const cancelled = await step(work, move, 'cancel');
  if (cancelled) work.record(factOf('move.cancelled', move, { reason }));
  return cancelled;
}
