import type Router from '@koa/router';
import type Koa from 'koa';
import { lockAccount } from '../../domain/accounts/accounts.js';
import { claimMove, findMoveByLink, type Move, refuseMove } from '../../domain/moves/moves.js';
import { masked } from '../../platform/masks.js';
import { openWork } from '../../platform/storage/work.js';
import { readForm } from '../../platform/web/input.js';
import { noteReplay, type Parts, seeOther, show } from '../journey.js';
import { countTry, MOVES } from '../limits.js';
import { appForm, emailOf, keepApp, keepPasskey, passkeyOptions, showBind } from './bind.js';
import { claimedHere, prepareClaim } from './claimed.js';
import type { MoveEndedWord } from './models.js';
import { LOOK_AGAIN, NEW_PHONE, type Standing, standingOf } from './standing.js';
import { showTry, tried, tryIt } from './trying.js';
import { openWhence, sealWhence } from './whence.js';

const SHAPE = /^[\w-]{43}$/;

/** The new phone: from the code that it scans to the account that is open on it. */
export function moveRoutes(router: Router, parts: Parts): void {
  router.get(NEW_PHONE, ctx => showWhereItStands(ctx, parts));
  router.get(`${NEW_PHONE}/state`, ctx => tellState(ctx, parts));
  router.post(`${NEW_PHONE}/leave`, ctx => leave(ctx, parts));
  router.post(`${NEW_PHONE}/passkey/options`, ctx => passkeyOptions(ctx, parts));
  router.post(`${NEW_PHONE}/passkey`, ctx => keepPasskey(ctx, parts));
  router.get(`${NEW_PHONE}/app`, ctx => appForm(ctx, parts));
  router.post(`${NEW_PHONE}/app`, ctx => keepApp(ctx, parts));
  router.post(`${NEW_PHONE}/try`, ctx => tryIt(ctx, parts));
  router.get(`${NEW_PHONE}/tried`, ctx => tried(ctx, parts));
  router.get(`${NEW_PHONE}/:secret`, ctx => look(ctx, parts));
  router.post(`${NEW_PHONE}/:secret`, ctx => claim(ctx, parts));
}

function secretOf(ctx: Koa.Context): string {
  const { secret } = ctx['params'] as { readonly secret: string };
  return SHAPE.test(secret) ? secret : '';
}

/** Whose account it is, as much as whoever scans a code may know. */
async function whoseOf(parts: Parts, accountId: string): Promise<string> {
  const address = await emailOf(parts, accountId);
  return address && masked(address);
}

/* Looking never claims anything, since scanners of links look: only the button does. */
async function look(ctx: Koa.Context, parts: Parts): Promise<void> {
  const secret = secretOf(ctx);
  const move = await findMoveByLink(parts.db, secret);
  if (move && (await isOurs(ctx, parts, move))) return seeOther(ctx, NEW_PHONE);
  const standing = move && (await standingOf(parts.db, move));
  if (standing?.state !== 'waiting') return showEnded(ctx, parts, wordOf(standing, 'link'));
  const whose = await whoseOf(parts, standing.move.accountId);
  const asked = { at: standing.move.startedAt, ...openWhence(parts, standing.move.startedFrom) };
  const { address: _, ...coarse } = asked;
  show(ctx, parts, 'move/open', { secret, whose, asked: coarse, here: ctx.path });
}

async function isOurs(ctx: Koa.Context, parts: Parts, { id }: Move): Promise<boolean> {
  return (await claimedHere(ctx, parts))?.move.id === id;
}

/** Claims the move for this browser, once; whoever comes second is told what to do, and that is on record. */
async function claim(ctx: Koa.Context, parts: Parts): Promise<void> {
  await readForm(ctx, parts.csrf);
  const secret = secretOf(ctx);
  await countTry({ ctx, parts }, MOVES);
  const move = await findMoveByLink(parts.db, secret);
  if (!move) return showEnded(ctx, parts, 'none');
  const ours = prepareClaim(ctx, parts, move);
  const from = await sealWhence(ctx, parts);
  const claimed = await openWork(parts.db, { kind: 'person' }, async work => {
    await lockAccount(work, move.accountId);
    const { state } = await standingOf(work.tx, move);
    return state === 'waiting' && (await claimMove(work, move, { browser: ours.digest, from }));
  });
  if (claimed) {
    ours.keep();
    return seeOther(ctx, NEW_PHONE);
  }
  /* Pressed twice: the first press did it. */
  if (await isOurs(ctx, parts, move)) return seeOther(ctx, NEW_PHONE);
  await noteReplay(ctx, parts, 'move_link', { accountId: move.accountId });
  const now = await findMoveByLink(parts.db, secret);
  return showEnded(ctx, parts, wordOf(now && (await standingOf(parts.db, now)), 'link'));
}

/** Why a phone cannot go on: by a link, one that somebody else has claimed counts as used. */
function wordOf(standing: Standing | undefined, by: 'link' | 'browser'): MoveEndedWord {
  if (!standing) return 'none';
  const { state, why } = standing;
  if (why) return why;
  if (state === 'expired' || state === 'refused' || state === 'cancelled') return state;
  if (state === 'finished' && by === 'browser') return state;
  return by === 'link' ? 'used' : 'none';
}

function showEnded(ctx: Koa.Context, parts: Parts, why: MoveEndedWord): void {
  show(ctx, parts, 'move/ended', { why });
  ctx.status = why === 'none' ? 404 : why === 'finished' ? 200 : 410;
}

/* Every step of the new phone has one address, so that going back and reloading always show what is due. */
async function showWhereItStands(ctx: Koa.Context, parts: Parts): Promise<void> {
  const standing = await claimedHere(ctx, parts);
  if (!standing) return showEnded(ctx, parts, 'none');
  const { move, state } = standing;
  if (state === 'claimed') {
    const whose = await whoseOf(parts, move.accountId);
    return show(ctx, parts, 'move/number', { whose, number: move.number ?? 0, refresh: LOOK_AGAIN });
  }
  if (state === 'confirmed') return showBind(ctx, parts, standing);
  if (state === 'bound') return showTry(ctx, parts, standing, false);
  if (state === 'tested') {
    const email = await emailOf(parts, move.accountId);
    return show(ctx, parts, 'move/tested', { email, kind: move.kind ?? 'passkey' });
  }
  showEnded(ctx, parts, wordOf(standing, 'browser'));
}

async function tellState(ctx: Koa.Context, parts: Parts): Promise<void> {
  const standing = await claimedHere(ctx, parts);
  ctx.status = 200;
  ctx.body = { state: standing?.state ?? 'none' };
}

/** Whoever holds the new phone says that it is none, or not for this account. */
async function leave(ctx: Koa.Context, parts: Parts): Promise<void> {
  await readForm(ctx, parts.csrf);
  const standing = await claimedHere(ctx, parts);
  if (standing?.state === 'claimed')
    await openWork(parts.db, { kind: 'person' }, work => refuseMove(work, standing.move, 'new_phone'));
  seeOther(ctx, NEW_PHONE);
}
