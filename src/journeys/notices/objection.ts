import type Router from '@koa/router';
import type Koa from 'koa';
import {
  type FoundObjection,
  findObjection,
  freezeAccount,
  useObjection,
} from '../../domain/accounts/accounts.js';
import { endProofs } from '../../domain/contacts/contacts.js';
import { endSessionsOf } from '../../oidc/session.js';
import { openWork, type Work } from '../../platform/storage/work.js';
import { readForm } from '../../platform/web/input.js';
import { noteReplay, type Parts, show } from '../journey.js';
import type { Asked } from '../page-models.js';
import { type NewsKind, newsKind } from './kinds.js';
import { type Doing, openToldOf, type ToldOf, tellEveryone } from './tell.js';
import { type Objected, undoingsOf } from './undo.js';

const SHAPE = /^[\w-]{43}$/;

function tokenOf(ctx: Koa.Context): string {
  const { token } = ctx['params'] as { readonly token: string };
  return SHAPE.test(token) ? token : '';
}

/** "This wasn't me": the link of every notice, in any browser and without signing in. */
export function objectionRoutes(router: Router, parts: Parts): void {
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
  show(ctx, parts, 'objection/ask', { token, ...news, undoes, asked, here: ctx.path });
}

interface Opened {
  readonly kind: NewsKind | undefined;
  readonly told: ToldOf;
  readonly objected: Objected;
}

function opened(
  parts: Parts,
  { accountId, about, passkeyId, askedFrom: sealed, at }: FoundObjection,
): Opened {
  const told = openToldOf(parts.keyring, sealed);
  const undo = { ...(passkeyId !== undefined && { passkeyId }), ...told.undo };
  return { kind: newsKind(about), told, objected: { accountId, undo, by: told.to, at } };
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
  const used = await openWork(parts.db, { kind: 'person' }, async work => {
    const objection = await useObjection(work, token);
    if (objection) await freeze(work, { ctx, parts }, opened(parts, objection));
    return objection;
  });
  if (!used) {
    const found = await findObjection(parts.db, token);
    await noteReplay(ctx, parts, 'objection', { accountId: found?.accountId });
    return ended(ctx, parts, found);
  }
  const app = await appOf(parts, openToldOf(parts.keyring, used.askedFrom).clientId);
  show(ctx, parts, 'objection/done', { ...(app && { app }), here: ctx.path });
  ctx.status = 200;
}

async function freeze(work: Work, doing: Doing, { kind, objected }: Opened): Promise<void> {
  const { accountId } = objected;
  await freezeAccount(work, accountId);
  for (const undoing of undoingsOf(kind, objected)) await undoing.run(work, objected, doing.parts);
  await endSessionsOf(work, accountId, 'account-frozen');
  await endProofs(work, accountId);
  await tellEveryone(work, doing, { accountId, kind: 'account_frozen' });
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
