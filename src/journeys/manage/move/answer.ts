import { z } from 'zod';
import { lockAccount } from '../../../domain/accounts/accounts.js';
import { dropPasskey } from '../../../domain/credentials/credentials.js';
import { disownApp } from '../../../domain/factors/factors.js';
import { cancelMove, confirmMove, refuseMove } from '../../../domain/moves/moves.js';
import { openWork } from '../../../platform/storage/work.js';
import { noteReplay } from '../../journey.js';
import { type Standing, standingOf } from '../../move/standing.js';
import { openWhence } from '../../move/whence.js';
import { type AccountCall, type AccountPage, leadTo } from '../door.js';
import { changing } from '../signing-in/ways.js';
import { latestOf, NOW, showNow, wordOf } from './begin.js';

/** What the old phone says: this is the new one, this is not, or no more of it. */
export const ANSWER_PAGES: readonly AccountPage[] = [
  { method: 'POST', path: `${NOW}/confirm`, sensitive: true, form: NOW, run: confirm },
  { method: 'POST', path: `${NOW}/refuse`, form: NOW, run: refuse },
  { method: 'POST', path: `${NOW}/cancel`, form: NOW, run: cancel },
];

const numberSchema = z.coerce.number().int().min(10).max(99);

/** What an answer to "which number does your new phone show?" led to. */
export type Answered = 'confirmed' | 'wrong_number' | 'not_due';

/**
 * The phone that shows this number is the new one: from now on it may add a way to sign in, and every address is told of it.
 * Whoever taps another number did not look at the new phone: then nothing comes of the move.
 */
export async function answerNumber(
  call: Pick<AccountCall, 'ctx' | 'parts' | 'actor'> & { readonly me: { readonly accountId: string } },
  { move }: Standing,
  typed: unknown,
): Promise<Answered> {
  const number = numberSchema.safeParse(typed).data;
  return changing(call, async (work, tell) => {
    await lockAccount(work, move.accountId);
    const { state } = await standingOf(work.tx, move);
    if (state !== 'claimed') return 'not_due';
    if (number !== move.number) {
      return (await refuseMove(work, move, 'wrong_number')) ? 'wrong_number' : 'not_due';
    }
    if (!(await confirmMove(work, move))) return 'not_due';
    const from = openWhence(call.parts, move.claimedFrom);
    await tell({ kind: 'move_confirmed', undo: { moveId: move.id }, from });
    return 'confirmed';
  });
}

async function confirm(call: AccountCall): Promise<void> {
  const standing = await latestOf(call);
  if (!standing || wordOf(call, standing) !== 'claimed') return notDue(call, standing);
  const answered = await answerNumber(call, standing, call.sent['number']);
  if (answered === 'not_due') return notDue(call, standing);
  leadTo(call, NOW);
}

/* Nothing is done, and the page says where things stand; an answer that was given already is on record. */
async function notDue(call: AccountCall, standing: Standing | undefined): Promise<void> {
  if (standing && !['waiting', 'claimed'].includes(standing.state))
    await noteReplay(call.ctx, call.parts, 'move_answer', { accountId: call.me.accountId });
  return showNow(call, [{ word: 'move_not_due' }]);
}

async function refuse(call: AccountCall): Promise<void> {
  const { parts, actor } = call;
  const standing = await latestOf(call);
  if (standing?.state === 'claimed')
    await openWork(parts.db, actor, work => refuseMove(work, standing.move, 'not_mine'));
  leadTo(call, NOW);
}

/** Ends a move that is not tested yet, and takes back what was added on its way, unless it is the last way in by now. */
export async function endMove(
  call: Parameters<typeof answerNumber>[0],
  { move: { accountId, id } }: Standing,
): Promise<boolean> {
  return changing(call, async (work, tell) => {
    await lockAccount(work, accountId);
    const was = await cancelMove(work, { accountId, id }, 'old_phone');
    if (was?.bound === undefined) return was !== undefined;
    if (was.kind === 'app') {
      await disownApp(work, accountId, was.bound);
      await tell({ kind: 'app_removed' });
    } else if ((await dropPasskey(work, accountId, was.bound)) === 'dropped') {
      await tell({ kind: 'passkey_removed' });
    }
    return true;
  });
}

async function cancel(call: AccountCall): Promise<void> {
  const standing = await latestOf(call);
  if (standing && !standing.move.endedAt) await endMove(call, standing);
  leadTo(call, NOW);
}
