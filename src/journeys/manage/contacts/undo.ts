import type Router from '@koa/router';
import type Koa from 'koa';
import { signOutEverywhere } from '../../../domain/accounts/accounts.js';
import {
  type FoundChange,
  findChangeByLink,
  listContacts,
  type Undone,
  undoByLink,
} from '../../../domain/contacts/contacts.js';
import { endSessionsOf } from '../../../oidc/session.js';
import { Refusal } from '../../../platform/errors.js';
import { masked } from '../../../platform/masks.js';
import { openWork } from '../../../platform/storage/work.js';
import { readForm } from '../../../platform/web/input.js';
import { noteReplay, type Parts, show } from '../../journey.js';
import { tellUndone } from './changes.js';
import { openChangedFrom } from './mine.js';
import { NEWS_OF } from './tell.js';

const SHAPE = /^[\w-]{43}$/;

function tokenOf(ctx: Koa.Context): string {
  const { token } = ctx['params'] as { readonly token: string };
  return SHAPE.test(token) ? token : '';
}

/** "Undo this change": the link of a notice, in any browser and without signing in. */
export function undoRoutes(router: Router, parts: Parts): void {
  router.get('/undo/:token', ctx => ask(ctx, parts));
  router.post('/undo/:token', ctx => undo(ctx, parts));
}

/* Looking never undoes anything, since mail scanners look: only the button does. */
async function ask(ctx: Koa.Context, parts: Parts): Promise<void> {
  const token = tokenOf(ctx);
  const found = await findChangeByLink(parts.db, token, new Date());
  if (found?.state !== 'open') return ended(ctx, parts, found?.state);
  const now = await listContacts(parts.db, found.accountId);
  const others = (these: FoundChange['before'], those: FoundChange['before']) =>
    these
      .filter(one => !those.some(each => each.kind === one.kind && each.address === one.address))
      .map(({ address }) => masked(address));
  const { app, device, address } = openChangedFrom(parts, found.askedFrom);
  show(ctx, parts, 'undo/ask', {
    token,
    change: { word: NEWS_OF[found.kind][found.what], address: masked(found.address) },
    asked: { at: found.madeAt, ...(app && { app }), ...(device && { device }), ...(address && { address }) },
    back: others(found.before, now),
    gone: others(now, found.before),
    main: found.before.filter(({ isPrimary }) => isPrimary).map(({ address }) => masked(address)),
    until: found.undoUntil,
    here: ctx.path,
  });
}

function ended(ctx: Koa.Context, parts: Parts, state: string | undefined): void {
  show(ctx, parts, 'undo/ended', { reason: state === 'used' ? 'used' : 'expired' });
  ctx.status = 410;
}

/** Undoes, signs everybody out, and tells: whoever made the change is in the account no more. */
async function undo(ctx: Koa.Context, parts: Parts): Promise<void> {
  await readForm(ctx, parts.csrf);
  const token = tokenOf(ctx);
  const undone = await openWork(parts.db, { kind: 'person' }, async work => {
    const outcome = await undoByLink(work, token);
    if (outcome.outcome !== 'undone') return outcome;
    const { accountId } = outcome.change;
    await signOutEverywhere(work, accountId);
    await endSessionsOf(work, accountId, 'account-changed');
    await tellUndone(work, { ctx, parts }, outcome);
    return outcome;
  }).catch(taken);
  if (undone === 'taken') {
    show(ctx, parts, 'undo/ended', { reason: 'taken' });
    ctx.status = 409;
    return;
  }
  if (undone.outcome === 'ended') {
    const found = await findChangeByLink(parts.db, token, new Date());
    await noteReplay(ctx, parts, 'undo', { accountId: found?.accountId });
    return ended(ctx, parts, undone.reason);
  }
  show(ctx, parts, 'undo/done', {});
  ctx.status = 200;
}

function taken(error: unknown): 'taken' | Undone {
  if (error instanceof Refusal && error.code === 'address_taken') return 'taken';
  throw error;
}
