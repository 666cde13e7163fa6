import type Koa from 'koa';
import { z } from 'zod';
import { findClient } from '../domain/clients/clients.js';
import { mayAct } from '../oidc/acting.js';
import type { Person } from '../oidc/people.js';
import { type SamlApp, samlAppOf } from './app.js';
import { onwardBy } from './outgoing.js';
import type { SamlParts } from './parts.js';
import { nameFor } from './person.js';
import { LOGOUT_PATH, samlPlaces } from './places.js';
import { logoutRequest, logoutResponse, newId } from './response.js';
import type { Share } from './shares.js';

/** Where a browser goes on with telling apps that its person has signed out. */
export const NEXT_PATH = `${LOGOUT_PATH}/next`;

const shareSchema = z.object({
  clientId: z.string(),
  sid: z.string(),
  name: z.enum(['persistent', 'transient', 'email']).optional(),
  accountId: z.string(),
  email: z.string().optional(),
});

const leavingSchema = z.object({
  left: z.array(shareSchema),
  /** The app that was asked last, by the id of what it was asked. */
  awaited: z.object({ clientId: z.string(), requestId: z.string(), app: z.string() }).optional(),
  untold: z.array(z.string()),
  finish: z.discriminatedUnion('kind', [
    z.object({
      kind: z.literal('app'),
      clientId: z.string(),
      requestId: z.string(),
      relayState: z.string().optional(),
    }),
    z.object({ kind: z.literal('to'), url: z.string() }),
    z.object({ kind: z.literal('page') }),
  ]),
});

/** Somebody has signed out: which apps hear of it by their browser, one after the other, and where that ends. */
export type Leaving = z.infer<typeof leavingSchema>;

const SEALED = 'saml-leaving';
const COOKIE = 'keyhold_leaving';
const LASTS_MS = 600_000;

/** What keeping it takes. */
export type LeavingParts = Pick<SamlParts, 'issuer' | 'keyring' | 'db'>;

const nameOf = ({ issuer }: LeavingParts) => (issuer.protocol === 'https:' ? `__Secure-${COOKIE}` : COOKIE);

/* RFC 6265 §6.1: what is longer need not be kept. */
const LONGEST_COOKIE = 3_800;

/** Keeps in the browser what is left to be told, sealed; says whether there is room for it. */
export function keepLeaving(ctx: Koa.Context, parts: LeavingParts, leaving: Leaving | undefined): boolean {
  const sealed =
    leaving && parts.keyring.seal(SEALED, JSON.stringify({ leaving, at: Date.now() })).toString('base64url');
  if (sealed !== undefined && sealed.length > LONGEST_COOKIE) return false;
  ctx.cookies.set(nameOf(parts), sealed ?? null, {
    signed: false,
    httpOnly: true,
    sameSite: 'lax',
    secure: parts.issuer.protocol === 'https:',
    path: LOGOUT_PATH,
    ...(sealed !== undefined && { maxAge: LASTS_MS }),
  });
  return true;
}

/** What is left to be told in this browser. */
export function leavingIn(ctx: Koa.Context, parts: LeavingParts): Leaving | undefined {
  const sealed = ctx.cookies.get(nameOf(parts), { signed: false });
  if (sealed === undefined) return undefined;
  try {
    const { leaving, at } = JSON.parse(parts.keyring.open(SEALED, Buffer.from(sealed, 'base64url')));
    return Date.now() - Number(at) < LASTS_MS ? leavingSchema.parse(leaving) : undefined;
  } catch {
    return undefined;
  }
}

/** The shares of somebody's session, each with whom it is about, as far as apps have to be told. */
export const sharesAbout = ({ accountId, account }: Person, shares: readonly Share[]): Leaving['left'] =>
  shares.map(({ clientId, sid, name }) => ({
    clientId,
    sid,
    accountId,
    ...(name && { name }),
    ...(account.email && { email: account.email.address }),
  }));

/** Whether an app hears of the end by the browser: by then nothing else would tell it. */
export function hearsByBrowser({ saml: { logout = [] } }: SamlApp): boolean {
  return logout.length > 0 && logout.every(({ binding }) => binding !== 'soap');
}

/** Tells the next app, or ends where it was to end once there is none. */
export async function leaveNext(ctx: Koa.Context, parts: SamlParts, leaving: Leaving): Promise<void> {
  const [share, ...left] = leaving.left;
  if (!share) return finish(ctx, parts, leaving);
  const client = await findClient(parts.db, share.clientId);
  const app = client && mayAct({ client }) ? samlAppOf(client) : undefined;
  const name =
    app && hearsByBrowser(app)
      ? nameFor(app, share.name ?? app.saml.name_id ?? 'persistent', { email: undefined, ...share }, parts)
      : undefined;
  if (!app || !name) return leaveNext(ctx, parts, { ...leaving, left });
  const requestId = newId();
  const place = placeOf(app);
  const message = logoutRequest(
    {
      id: requestId,
      issuer: samlPlaces(parts.issuer).entityId,
      destination: place.url,
      inResponseTo: undefined,
      at: new Date(),
    },
    { nameId: name, audience: app.saml.entity_id, sessionIndex: share.sid },
  );
  const key = await parts.samlKeys.signing();
  const onward = await onwardBy(
    { kind: 'SAMLRequest', binding: place.binding, to: place.url, message, relayState: undefined },
    key,
  );
  keepLeaving(ctx, parts, {
    ...leaving,
    left,
    awaited: { clientId: app.clientId, requestId, app: app.name },
  });
  parts.samlPages.onward(ctx, { ...onward, app: app.name });
}

function placeOf({ saml: { logout = [] } }: SamlApp) {
  const places = logout.filter(({ binding }) => binding !== 'soap');
  const place = places.find(({ binding }) => binding === 'redirect') ?? places[0];
  const { binding = 'redirect', url = '', answer_url: answers = url } = place ?? {};
  return {
    binding: binding === 'post' ? ('post' as const) : ('redirect' as const),
    url,
    answers,
    known: place !== undefined,
  };
}

async function finish(ctx: Koa.Context, parts: SamlParts, { finish: end, untold }: Leaving): Promise<void> {
  keepLeaving(ctx, parts, undefined);
  if (end.kind === 'to' && untold.length === 0) {
    ctx.redirect(end.url);
    ctx.status = 303;
    return;
  }
  const client = end.kind === 'app' ? await findClient(parts.db, end.clientId) : undefined;
  const app = client && mayAct({ client }) ? samlAppOf(client) : undefined;
  const place = app && placeOf(app);
  if (end.kind !== 'app' || !app || !place?.known) return parts.samlPages.signedOut(ctx, { untold });
  const { requestId, relayState } = end;
  const message = logoutResponse(
    {
      issuer: samlPlaces(parts.issuer).entityId,
      destination: place.answers,
      inResponseTo: requestId,
      at: new Date(),
    },
    untold.length > 0 ? 'PartialLogout' : undefined,
  );
  const outgoing = {
    kind: 'SAMLResponse',
    binding: place.binding,
    to: place.answers,
    message,
    relayState,
  } as const;
  const onward = await onwardBy(outgoing, await parts.samlKeys.signing());
  parts.samlPages.onward(ctx, { ...onward, app: app.name });
}
