import type Koa from 'koa';
import { z } from 'zod';
import { findClient } from '../domain/clients/clients.js';
import { type Person, peopleHere } from '../oidc/people.js';
import { endSession } from '../oidc/session.js';
import { Refusal } from '../platform/errors.js';
import { openWork } from '../platform/storage/work.js';
import type { SamlApp } from './app.js';
import type { Incoming } from './incoming.js';
import { leaveNext, leavingIn, NEXT_PATH, sharesAbout } from './leaving.js';
import { actingApp, type Message, messageOf } from './messages.js';
import { NS, STATUS } from './names.js';
import type { SamlParts } from './parts.js';
import { nameFor } from './person.js';
import { LOGOUT_PATH, samlPlaces } from './places.js';
import { type Share, sharesOf } from './shares.js';
import { leadOn } from './sign-on.js';
import { childOf, childrenOf, unreadable } from './xml.js';

/** Where a request goes on, with the browser's cookies. */
export const ASKED_PATH = `${LOGOUT_PATH}/asked`;

const GOOD_MS = 300_000;

const askedSchema = z.object({
  clientId: z.string(),
  requestId: z.string(),
  name: z.string(),
  sessions: z.array(z.string()),
  relayState: z.string().optional(),
  at: z.number(),
});

const answeredSchema = z.object({
  clientId: z.string(),
  requestId: z.string(),
  well: z.boolean(),
  at: z.number(),
});

/**
 * Takes what an app says about signing somebody out: its request, or its answer to ours (Core §3.7). It goes on at an address
 * of its own, where the browser's cookies are, also when it was posted from elsewhere.
 */
export async function takeLogout(ctx: Koa.Context, parts: SamlParts, incoming: Incoming): Promise<void> {
  const place = samlPlaces(parts.issuer).logout;
  if (incoming.kind === 'SAMLRequest') {
    const asked = await messageOf(ctx, parts, incoming, { place, kinds: ['LogoutRequest'], read: askedIn });
    return leadOn(ctx, `${ASKED_PATH}?request=${sealed(parts, asked)}`);
  }
  const answered = await messageOf(ctx, parts, incoming, {
    place,
    kinds: ['LogoutResponse'],
    read: answeredIn,
  });
  leadOn(ctx, `${NEXT_PATH}?answer=${sealed(parts, answered)}`);
}

/* Whoever could send this unsigned could sign anybody out: without a key there is none (Profiles §4.4.3.1). */
function askedIn({ app: { clientId }, root, relayState, signed }: Message) {
  const until = root.attributes['NotOnOrAfter'];
  const name = childOf(root, NS.assertion, 'NameID')?.text;
  if (!signed || !name || (until !== undefined && !(Date.parse(until) > Date.now() - GOOD_MS)))
    throw unreadable();
  const sessions = childrenOf(root, NS.protocol, 'SessionIndex').map(({ text }) => text);
  const requestId = root.attributes['ID'] ?? '';
  return { clientId, requestId, name, sessions, ...(relayState !== undefined && { relayState }) };
}

/* Signed where the app has a key; else it is told no more than that it answered. */
function answeredIn({ app: { clientId }, root }: Message) {
  const status = childOf(root, NS.protocol, 'Status');
  const code = status && childOf(status, NS.protocol, 'StatusCode');
  const well = code?.attributes['Value'] === STATUS.success;
  return { clientId, requestId: root.attributes['InResponseTo'] ?? '', well };
}

/** Ends the session that an app's request means, if it is one of this browser's, and nobody else's; then tells the other apps. */
export async function endAsked(ctx: Koa.Context, parts: SamlParts): Promise<void> {
  const { clientId, requestId, relayState, ...meant } = opened(parts, askedSchema, ctx.query['request']);
  const app = actingApp(await findClient(parts.db, clientId));
  const found = await personMeant(parts, app, meant);
  const finish = {
    kind: 'app',
    clientId,
    requestId,
    ...(relayState !== undefined && { relayState }),
  } as const;
  if (!found) return leaveNext(ctx, parts, { left: [], untold: [], finish });
  const { person, shares } = found;
  const { sessionUid } = person;
  await openWork(parts.db, { kind: 'client', id: clientId }, work =>
    endSession(work, sessionUid, 'signed-out'),
  );
  const left = shares.filter(share => share.clientId !== clientId);
  await leaveNext(ctx, parts, { left: sharesAbout(person, left), untold: [], finish });
}

/** Goes on once an app has answered, or has not. */
export async function goOnLeaving(ctx: Koa.Context, parts: SamlParts): Promise<void> {
  const leaving = leavingIn(ctx, parts);
  if (!leaving) return parts.samlPages.signedOut(ctx, { untold: [] });
  const { awaited, ...rest } = leaving;
  const { answer } = ctx.query;
  const answered = answer === undefined ? undefined : opened(parts, answeredSchema, answer);
  const well =
    answered?.well && answered.clientId === awaited?.clientId && answered.requestId === awaited.requestId;
  const untold = awaited && !well ? [...rest.untold, awaited.app] : rest.untold;
  await leaveNext(ctx, parts, { ...rest, untold });
}

interface Meant {
  readonly name: string;
  readonly sessions: readonly string[];
}

/* By the session that the app names, and by the name that it has of its person: whoever has only one of them has neither. */
async function personMeant(
  parts: SamlParts,
  app: SamlApp,
  { name, sessions }: Meant,
): Promise<{ readonly person: Person; readonly shares: readonly Share[] } | undefined> {
  for (const person of await peopleHere()) {
    const shares = await sharesOf(person);
    const share = shares.find(({ clientId }) => clientId === app.clientId);
    if (!share || (sessions.length > 0 && !sessions.includes(share.sid))) continue;
    const named = { accountId: person.accountId, sid: share.sid, email: person.account.email?.address };
    const names = (['persistent', 'transient', 'email'] as const).map(
      format => nameFor(app, format, named, parts)?.value,
    );
    if (names.includes(name)) return { person, shares };
  }
  return undefined;
}

const SEALED = 'saml-logout';

const sealed = ({ keyring }: SamlParts, said: object): string =>
  keyring.seal(SEALED, JSON.stringify({ ...said, at: Date.now() })).toString('base64url');

function opened<Schema extends z.ZodType<{ at: number }>>(
  { keyring }: SamlParts,
  schema: Schema,
  value: unknown,
): z.output<Schema> {
  try {
    const text = typeof value === 'string' ? keyring.open(SEALED, Buffer.from(value, 'base64url')) : '';
    const said = schema.parse(JSON.parse(text));
    if (Date.now() - said.at < GOOD_MS) return said;
  } catch (cause) {
    throw new Refusal('forbidden', 'request_gone', 'This request has ended.', { cause });
  }
  throw new Refusal('forbidden', 'request_gone', 'This request has ended.');
}
