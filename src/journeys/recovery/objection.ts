import type Router from '@koa/router';
import type Koa from 'koa';
import {
  type FoundObjection,
  findObjection,
  freezeAccount,
  useObjection,
} from '../../domain/accounts/accounts.js';
import { endProofs } from '../../domain/contacts/contacts.js';
import { removePasskey } from '../../domain/credentials/credentials.js';
import { endSessionsOf } from '../../oidc/session.js';
import { openWork, type Work } from '../../platform/storage/work.js';
import { readForm } from '../../platform/web/input.js';
import { askedFrom } from '../../platform/web/origin.js';
import { mail } from '../codes.js';
import { type Parts, show } from '../journey.js';
import type { Asked } from '../page-models.js';
import { openDoneFrom, toEveryAddress } from './notices.js';

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
  const { app, device, address } = openDoneFrom(parts.keyring, found.askedFrom);
  const asked: Asked = {
    at: found.at,
    ...(app && { app }),
    ...(device && { device }),
    ...(address && { address }),
  };
  const freshPasskey = found.passkeyId !== undefined;
  show(ctx, parts, 'objection/ask', { token, about: found.about, freshPasskey, asked, here: ctx.path });
}

function ended(ctx: Koa.Context, parts: Parts, found: FoundObjection | undefined): void {
  show(ctx, parts, 'objection/ended', { reason: found?.state === 'used' ? 'used' : 'expired' });
  ctx.status = 410;
}

/** Freezes the account until its owner recovers it; all who are signed in are signed out at once. */
async function object(ctx: Koa.Context, parts: Parts): Promise<void> {
  await readForm(ctx, parts.csrf);
  const token = tokenOf(ctx);
  const asked = askedFrom(ctx);
  const used = await openWork(parts.db, { kind: 'person' }, async work => {
    const objection = await useObjection(work, token);
    if (objection) await freeze(work, parts, objection, asked);
    return objection;
  });
  if (!used) return ended(ctx, parts, await findObjection(parts.db, token));
  const app = await appOf(parts, openDoneFrom(parts.keyring, used.askedFrom).clientId);
  show(ctx, parts, 'objection/done', app ? { app } : {});
  ctx.status = 200;
}

/* The passkey that came with what they disown is not theirs, or it would let that person in again once they recovered. */
async function freeze(
  work: Work,
  parts: Parts,
  { accountId, passkeyId }: FoundObjection,
  from: Pick<Asked, 'device' | 'address'>,
): Promise<void> {
  await freezeAccount(work, accountId);
  if (passkeyId !== undefined) await removePasskey(work, accountId, passkeyId);
  await endSessionsOf(work, accountId, 'account-frozen');
  await endProofs(work, accountId);
  const asked: Asked = { at: work.at, ...from };
  await toEveryAddress(work, accountId, (to, language) =>
    mail(work, parts, 'account-frozen', to, language, { asked }),
  );
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
