import type Router from '@koa/router';
import type Koa from 'koa';
import { type FoundObjection, findObjection, useObjection } from '../../domain/accounts/accounts.js';
import { Refusal } from '../../platform/errors.js';
import { openWork } from '../../platform/storage/work.js';
import { readForm } from '../../platform/web/input.js';
import { noteReplay, type Parts, show } from '../journey.js';
import type { Asked } from '../page-models.js';
import { type Freezing, freeze } from './freeze.js';
import { objectHere } from './here.js';
import { isAboutEarlier, type NewsKind, newsKind } from './kinds.js';
import { type Doing, openToldOf, type ToldOf } from './tell.js';
import { type Objected, undoingsOf } from './undo.js';

const SHAPE = /^[\w-]{43}$/;

function tokenOf(ctx: Koa.Context): string {
  const { token } = ctx['params'] as { readonly token: string };
  return SHAPE.test(token) ? token : '';
}

/** "This wasn't me": the link of every notice, in any browser and without signing in, and the button of one's own history. */
export function objectionRoutes(router: Router, parts: Parts): void {
  router.post('/objection', ctx => objectHere(ctx, parts));
  router.get('/objection/:token', ctx => showObjection(ctx, parts));
  router.post('/objection/:token', ctx => object(ctx, parts));
}

/* Looking never freezes anything, since mail scanners look: only the button does. */
async function showObjection(ctx: Koa.Context, parts: Parts): Promise<void> {
  const token = tokenOf(ctx);
  const found = await findObjection(parts.db, token);
  if (found?.state !== 'open') return ended(ctx, parts, found);
  const { kind, told, objected } = opened(parts, found);
  const { app, device, address, country, values = {} } = told;
  const asked: Asked = {
    at: found.at,
    ...(app && { app }),
    ...(device && { device }),
    ...(country && { country }),
    ...(address && { address }),
  };
  const undoes = undoingsOf(kind, objected).map(({ word }) => word);
  const news = kind === undefined ? {} : { news: { kind, values } };
  const earlier = kind !== undefined && isAboutEarlier(kind);
  show(ctx, parts, 'objection/ask', { token, ...news, undoes, earlier, asked, here: ctx.path });
}

interface Opened {
  readonly kind: NewsKind | undefined;
  readonly told: ToldOf;
  readonly objected: Objected;
}

function opened(parts: Parts, { accountId, about, passkeyId, askedFrom: sealed }: FoundObjection): Opened {
  const told = openToldOf(parts.keyring, sealed);
  const undo = { ...(passkeyId !== undefined && { passkeyId }), ...told.undo };
  return { kind: newsKind(about), told, objected: { accountId, undo, by: told.to } };
}

/*
 * Whoever comes by a link reads mail there, so what there is to undo is undone with it. An address that somebody else has by
 * now cannot come back; freezing never fails for that.
 */
async function objected(doing: Doing, token: string): Promise<FoundObjection | undefined> {
  const { db } = doing.parts;
  const act = (undoing: boolean) =>
    openWork(db, { kind: 'person' }, async work => {
      const objection = await useObjection(work, token);
      if (objection) await freeze(work, doing, freezingOf(opened(doing.parts, objection), undoing));
      return objection;
    });
  return act(true).catch(error => {
    if (error instanceof Refusal && error.kind === 'conflict') return act(false);
    throw error;
  });
}

function freezingOf({ kind, objected: what }: Opened, undoing: boolean): Freezing {
  return { objected: what, undoings: undoing ? undoingsOf(kind, what) : [], told: 'account_frozen' };
}

function ended(ctx: Koa.Context, parts: Parts, found: FoundObjection | undefined): void {
  const reason = found?.state === 'used' ? 'used' : 'expired';
  show(ctx, parts, 'objection/ended', { reason, here: ctx.path });
  ctx.status = 410;
}

/** Freezes the account until its owner recovers it; all who are signed in are signed out at once. */
async function object(ctx: Koa.Context, parts: Parts): Promise<void> {
  await readForm(ctx, parts.csrf);
  const token = tokenOf(ctx);
  const used = await objected({ ctx, parts }, token);
  if (!used) {
    const found = await findObjection(parts.db, token);
    await noteReplay(ctx, parts, 'objection', { accountId: found?.accountId });
    return ended(ctx, parts, found);
  }
  const app = await appOf(parts, openToldOf(parts.keyring, used.askedFrom).clientId);
  show(ctx, parts, 'objection/done', { ...(app && { app }), here: ctx.path });
  ctx.status = 200;
}

/* Where the person came from, if it can be started from here: recovery begins with signing in there. */
async function appOf(parts: Parts, clientId: string | undefined) {
  const client = clientId === undefined ? undefined : await parts.provider.Client.find(clientId);
  if (!client) return undefined;
  const { initiateLoginUri, clientUri, clientName } = client;
  const started = initiateLoginUri ? URL.parse(initiateLoginUri) : null;
  started?.searchParams.set('iss', parts.issuer.origin);
  const url = started?.href ?? clientUri;
  return url === undefined ? undefined : { name: clientName ?? client.clientId, url };
}
