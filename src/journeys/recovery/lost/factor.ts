import { findAccount } from '../../../domain/accounts/accounts.js';
import { mayAct } from '../../../oidc/acting.js';
import { openWork } from '../../../platform/storage/work.js';
import { unavailable } from '../../sign-in/going-on.js';
import { advance, type Turn, toStep } from '../../turn.js';
import { howOf, showStopped, stopRecovery } from './stop.js';

/** Somebody showed what a recovery has suspended: they are not signed in, and may stop it. */
export function toStopping(turn: Turn, accountId: string, recovery: string): void {
  const stopping = { accountId, recovery, at: turn.cameAt.getTime() };
  advance(turn, { way: 'sign-in', email: turn.progress.email, stopping });
}

/** "Was it you?": stops the recovery, or leads back to where other ways in are. */
export async function submitStopping(turn: Turn): Promise<void> {
  const { ctx, parts, progress, sent } = turn;
  const { stopping, email } = progress;
  if (!stopping) return toStep(turn);
  const how = howOf(sent);
  if (!how) return advance(turn, { way: 'sign-in', email });
  const { accountId, recovery: id, at } = stopping;
  const account = await findAccount(parts.db, accountId);
  if (!mayAct({ account, way: 'recovery', provedAt: at })) throw unavailable(account);
  const outcome = await openWork(parts.db, { kind: 'person', id: accountId }, work =>
    stopRecovery(work, { ctx, parts, app: turn.pending.app }, { accountId, id }, how),
  );
  if (outcome === 'frozen') {
    parts.interactions.remember(turn.pending, {});
    return showStopped(ctx, parts, outcome);
  }
  advance(turn, { way: 'sign-in', email, recoveryStopped: outcome !== 'over' });
}
