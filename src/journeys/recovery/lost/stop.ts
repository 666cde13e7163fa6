import type Router from '@koa/router';
import type Koa from 'koa';
import { lockAccount, outdateProofs } from '../../../domain/accounts/accounts.js';
import { endProofs } from '../../../domain/contacts/contacts.js';
import { findRecovery, type Recovery } from '../../../domain/recoveries/recoveries.js';
import { openWork, type Work } from '../../../platform/storage/work.js';
import { readForm } from '../../../platform/web/input.js';
import { noteReplay, type Parts, show } from '../../journey.js';
import { freeze } from '../../notices/freeze.js';
import { stopWaiting } from '../../notices/heal.js';
import { type Doing, tellEveryone } from '../../notices/tell.js';
import { undoingsOf } from '../../notices/undo.js';
import { askedOf, openStopToken } from './tell.js';

/** What whoever is asked "was it you?" answers. */
export type How = 'stop' | 'freeze';

/** The answer in a form. */
export function howOf(sent: Readonly<Record<string, unknown>>): How | undefined {
  const { how } = sent;
  return how === 'stop' || how === 'freeze' ? how : undefined;
}

/** What came of it; `before`: it was stopped already. */
export type Outcome = 'stopped' | 'frozen' | 'before' | 'over';

/**
 * Stops a recovery: what it had suspended counts again, and whatever was shown for it counts no more. Freezing the account on top
 * also undoes one that was completed meanwhile.
 */
export async function stopRecovery(
  work: Work,
  doing: Doing,
  { accountId, id }: Pick<Recovery, 'accountId' | 'id'>,
  how: How,
): Promise<Outcome> {
  await lockAccount(work, accountId);
  const recovery = await findRecovery(work.tx, accountId, id);
  if (!recovery) return 'over';
  if (recovery.state === 'waiting' && how === 'stop') return stopped(work, doing, accountId, id);
  if (how === 'freeze' && mayFreeze(recovery, work.at)) {
    const objected = { accountId, undo: { recovery: id }, by: undefined };
    const undoings = undoingsOf('recovery_completed', objected);
    await freeze(work, doing, { objected, undoings, told: 'account_frozen' });
    return 'frozen';
  }
  return recovery.state === 'stopped' || recovery.state === 'undone' ? 'before' : 'over';
}

async function stopped(work: Work, doing: Doing, accountId: string, id: string): Promise<Outcome> {
  if (!(await stopWaiting(work, accountId, id))) return 'over';
  await outdateProofs(work, accountId);
  await endProofs(work, accountId);
  await tellEveryone(work, doing, { accountId, kind: 'recovery_stopped' });
  return 'stopped';
}

const WEEK = 7 * 86_400_000;

/** Whether there is still something to object to: it waits, or was completed within the last seven days. */
export function mayFreeze({ state, endedAt }: Recovery, at: Date): boolean {
  if (state === 'waiting') return true;
  return state === 'completed' && endedAt !== undefined && at.getTime() - endedAt.getTime() < WEEK;
}

/** "Stop it": the link of every notice about a recovery, in any browser and without signing in. */
export function stopRoutes(router: Router, parts: Parts): void {
  router.get('/recovery/stop/:token', ctx => showStop(ctx, parts));
  router.post('/recovery/stop/:token', ctx => stop(ctx, parts));
}

const namedBy = (ctx: Koa.Context, parts: Parts) =>
  openStopToken(parts.keyring, (ctx['params'] as { readonly token: string }).token);

/* Looking never stops anything, since mail scanners look: only the buttons do. */
async function showStop(ctx: Koa.Context, parts: Parts): Promise<void> {
  const named = namedBy(ctx, parts);
  const recovery = named && (await findRecovery(parts.db, named.accountId, named.id));
  if (!recovery || !mayFreeze(recovery, new Date())) return afterwards(ctx, parts, recovery?.state);
  show(ctx, parts, 'recovery/stop', {
    action: ctx.path,
    completed: recovery.state === 'completed',
    readyAt: recovery.readyAt,
    asked: askedOf(parts.keyring, recovery),
    signingIn: false,
    here: ctx.path,
  });
}

function afterwards(ctx: Koa.Context, parts: Parts, state: Recovery['state'] | undefined): void {
  if (state === 'stopped' || state === 'undone')
    return show(ctx, parts, 'recovery/stopped', { before: true, here: ctx.path });
  show(ctx, parts, 'recovery/stop-ended', { here: ctx.path });
  ctx.status = 410;
}

async function stop(ctx: Koa.Context, parts: Parts): Promise<void> {
  const sent = await readForm(ctx, parts.csrf);
  const named = namedBy(ctx, parts);
  const how = howOf(sent);
  if (!how) return showStop(ctx, parts);
  const outcome = named
    ? await openWork(parts.db, { kind: 'person' }, work => stopRecovery(work, { ctx, parts }, named, how))
    : 'over';
  if (outcome === 'over') {
    await noteReplay(ctx, parts, 'recovery_stop', { accountId: named?.accountId });
    if (named && how === 'stop') return showStop(ctx, parts);
  }
  showStopped(ctx, parts, outcome);
}

/** Shows what came of it. */
export function showStopped(ctx: Koa.Context, parts: Parts, outcome: Outcome): void {
  if (outcome === 'frozen') show(ctx, parts, 'objection/done', { here: '/recovery' });
  else if (outcome === 'over') return afterwards(ctx, parts, undefined);
  else show(ctx, parts, 'recovery/stopped', { before: outcome === 'before', here: '/recovery' });
  ctx.status = 200;
}
