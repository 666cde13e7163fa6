import { findAccount } from '../../domain/accounts/accounts.js';
import { type Move, type MoveState, stateAt } from '../../domain/moves/moves.js';
import { mayAct } from '../../oidc/acting.js';
import { findSessionState } from '../../oidc/session.js';
import type { Db } from '../../platform/storage/db.js';

/** Where the new phone goes on, once it has claimed a move. */
export const NEW_PHONE = '/move';

/** Seconds after which a page that waits looks again, where no script does. */
export const LOOK_AGAIN = 10;

/** Why nothing comes of a move that nobody has ended: the account's proofs are void, or the old phone was signed out. */
export type MoveVoid = 'account' | 'signed_out';

/** Where a move stands, all that it hangs on looked at. */
export interface Standing {
  readonly move: Move;
  readonly state: MoveState;
  readonly why?: MoveVoid;
}

/**
 * Where a move stands at this moment. One whose account was frozen, suspended, recovered or given another password since has
 * ended; and until something is bound it ends with the session that began it.
 */
export async function standingOf(db: Db, move: Move, now = new Date()): Promise<Standing> {
  const state = stateAt(move, now);
  if (move.endedAt || state === 'expired' || state === 'finished') return { move, state };
  const account = await findAccount(db, move.accountId);
  /* What is left of a tested one is done by whoever has just signed in, on either phone. */
  const proof = state === 'tested' ? {} : { provedAt: move.provedAt.getTime() };
  if (!mayAct({ account, ...proof })) return { move, state: 'cancelled', why: 'account' };
  if (await isSignedOut(db, move, state)) return { move, state: 'cancelled', why: 'signed_out' };
  return { move, state };
}

/* A phone that was let in goes on when its owner signs the old one out; when somebody else ended that session, it was no owner. */
async function isSignedOut(db: Db, { sessionUid, accountId }: Move, state: MoveState): Promise<boolean> {
  if (sessionUid === undefined || !['waiting', 'claimed', 'confirmed'].includes(state)) return false;
  const session = await findSessionState(db, sessionUid);
  if (session?.accountId !== accountId) return true;
  return session.ended !== undefined && !(state === 'confirmed' && session.ended === 'signed-out');
}
