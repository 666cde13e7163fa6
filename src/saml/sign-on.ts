import type Koa from 'koa';
import { findClient } from '../domain/clients/clients.js';
import { LIFETIMES } from '../oidc/lifetimes.js';
import { takeCode } from '../oidc/own-codes.js';
import { peopleHere } from '../oidc/people.js';
import { pushRequest } from '../oidc/pushed-requests.js';
import { releasedBy } from '../oidc/releasing.js';
import { requestScope } from '../oidc/request-scope.js';
import { digest } from '../platform/crypto/tokens.js';
import { Refusal } from '../platform/errors.js';
import { openWork } from '../platform/storage/work.js';
import { visitOf } from '../platform/web/surface.js';
import type { SamlApp } from './app.js';
import { engineRequest, verifierOf } from './asking.js';
import { askedBy, classFor, startOf } from './authn-request.js';
import type { Incoming } from './incoming.js';
import { actingApp, messageOf } from './messages.js';
import type { Why } from './names.js';
import type { SamlParts } from './parts.js';
import { attributesOf, nameFor, provedOf } from './person.js';
import { SIGN_ON_PATH, samlPlaces } from './places.js';
import { answersOnce, keepRequest, type PendingSignOn, visitRequest } from './requests.js';
import { sendStatement, sendUnmet } from './sending.js';
import { notesName } from './shares.js';

/** Takes an app's request: what it asks for is kept, and gone on with where the browser's cookies are (Core §3.4). */
export async function takeRequest(ctx: Koa.Context, parts: SamlParts, incoming: Incoming): Promise<void> {
  const place = samlPlaces(parts.issuer).signOn;
  const begun = await messageOf(ctx, parts, incoming, {
    place,
    kinds: ['AuthnRequest'],
    read: ({ app: { clientId }, app, root, relayState }) => ({
      clientId,
      asked: askedBy(root, app, relayState),
    }),
  });
  const id = await keepRequest(parts.db, parts.keyring, begun);
  leadOn(ctx, `${SIGN_ON_PATH}/${id}`);
}

/** Begins an app that somebody wants to start from here; gives the path where it goes on, in their browser alone. */
export async function startApp(ctx: Koa.Context, parts: SamlParts, clientId: string): Promise<string> {
  const app = actingApp(await findClient(parts.db, clientId));
  if (!app.saml.startable) throw new Refusal('missing', 'not_found', 'There is nothing at this address.');
  const browser = browserOf(ctx, parts);
  const id = await keepRequest(parts.db, parts.keyring, { clientId, asked: startOf(app), browser });
  return `${SIGN_ON_PATH}/${id}`;
}

/** Goes on with a request in the browser it came to: by an ordinary request to the engine, which nobody can change. */
export async function goOn(ctx: Koa.Context, parts: SamlParts, id: unknown): Promise<void> {
  const pending = await pendingHere(ctx, parts, id);
  const app = await appOf(parts, pending);
  const { unmet } = pending.asked;
  if (unmet) return answerUnmet(ctx, parts, { app, pending, unmet });
  leadOn(ctx, await pushRequest(parts.provider, app.clientId, engineRequest(pending, app, parts)));
}

/** Turns the engine's answer into the app's: its code is used here, and what it stands for leaves signed. */
export async function takeEngineAnswer(ctx: Koa.Context, parts: SamlParts): Promise<void> {
  const { state, code, error } = ctx.query;
  const pending = await pendingHere(ctx, parts, state);
  const app = await appOf(parts, pending);
  if (typeof code !== 'string') return answerUnmet(ctx, parts, { app, pending, unmet: whyOf(String(error)) });
  await answerWith(ctx, parts, { app, pending, code });
}

interface Answering {
  readonly app: SamlApp;
  readonly pending: PendingSignOn;
}

async function answerWith(
  ctx: Koa.Context,
  parts: SamlParts,
  { app, pending, code }: Answering & { readonly code: string },
): Promise<void> {
  const { clientId } = app;
  const { asked } = pending;
  const { person, released, ...signedIn } = await signedInBy(parts, { app, pending, code });
  const { accountId, sessionUid, account } = person;
  const claims = provedOf(released.claims, account.email);
  const email = account.email?.verified && typeof claims['email'] === 'string' ? claims['email'] : undefined;
  const nameId = nameFor(app, asked.nameId, { accountId, sid: released.sid, email }, parts);
  if (!nameId) return answerUnmet(ctx, parts, { app, pending, unmet: 'RequestDenied' });
  const sub = asked.nameId === 'persistent' ? { sub: nameId.value } : {};
  await parts.disclosing.leaving({ accountId, clientId, told: { saml: { ...sub, ...claims } } });
  const { writes } = requestScope();
  writes.along(answersOnce(pending.id));
  if (asked.nameId !== (released.samlName ?? app.saml.name_id ?? 'persistent'))
    writes.along(notesName(sessionUid, clientId, asked.nameId));
  const statement = {
    ...signedIn,
    audience: app.saml.entity_id,
    nameId,
    sessionIndex: released.sid,
    sessionEnds: new Date(person.signedInAt.getTime() + LIFETIMES.session * 1000),
    attributes: attributesOf(app, claims),
  };
  await sendStatement(ctx, parts, { app, reply: asked, statement });
}

/* Whom a code is about, who must be here, and what may be told of them; as strong and as fresh as the app asked. */
async function signedInBy(
  { provider, claims, issuer, keyring }: SamlParts,
  { app: { clientId }, pending, code }: Answering & { readonly code: string },
) {
  const redirectUri = samlPlaces(issuer).answer;
  const verifier = verifierOf(keyring, pending.id);
  const taken = await takeCode(provider, { code, clientId, redirectUri, verifier });
  const released = taken && (await releasedBy(provider, claims, clientId, taken));
  const people = await peopleHere();
  const person = people.find(({ sessionUid }) => sessionUid === taken?.sessionUid);
  if (!taken || !released || !person) throw ended();
  const { asked, begunAt } = pending;
  const authenticatedAt = new Date((taken.authTime ?? 0) * 1000);
  const contextClass = classFor(asked.classes, taken.acr);
  const isFresh = !asked.force || authenticatedAt.getTime() >= Math.floor(begunAt.getTime() / 1000) * 1000;
  if (!contextClass || !isFresh) throw ended();
  return { person, released, authenticatedAt, contextClass };
}

async function answerUnmet(
  ctx: Koa.Context,
  parts: SamlParts,
  { app, pending, unmet }: Answering & { readonly unmet: Why },
): Promise<void> {
  requestScope().writes.along(answersOnce(pending.id));
  await sendUnmet(ctx, parts, { app, reply: pending.asked, unmet });
}

const browserOf = (ctx: Koa.Context, { csrf }: SamlParts) => digest(csrf.openBrowser(ctx));

/* The request of this browser, still open; whoever brings it elsewhere, or again, is told so and nothing else. */
async function pendingHere(ctx: Koa.Context, parts: SamlParts, id: unknown): Promise<PendingSignOn> {
  const pending = await visitRequest(parts.db, parts.keyring, id, browserOf(ctx, parts));
  if (pending && !pending.elsewhere && !pending.answered) return pending;
  if (pending) {
    const about = { kind: 'SamlRequest', address: visitOf(ctx).address, clientId: pending.clientId };
    const fact = await parts.noteReplay(about);
    if (fact) await openWork(parts.db, { kind: 'person' }, async work => work.record(fact));
  }
  if (pending?.answered) throw new Refusal('conflict', 'finished', 'This request was answered already.');
  throw ended();
}

/* Asked at every step: by now the app may be turned off, or take its answers elsewhere. */
async function appOf(parts: SamlParts, { clientId, asked }: PendingSignOn): Promise<SamlApp> {
  const app = actingApp(await findClient(parts.db, clientId));
  if (app.saml.acs.some(({ url }) => url === asked.acs)) return app;
  throw new Refusal('forbidden', 'client_unavailable', 'The application takes its answers elsewhere by now.');
}

const ended = () =>
  new Refusal('forbidden', 'request_gone', 'This request has ended, or was begun in another browser.');

/* In the engine's words, and in the app's (Core §3.2.2.2). */
const WHY: Readonly<Record<string, Why>> = {
  access_denied: 'RequestDenied',
  login_required: 'NoPassive',
  interaction_required: 'NoPassive',
  consent_required: 'NoPassive',
  account_selection_required: 'NoPassive',
  unmet_authentication_requirements: 'NoAuthnContext',
};

const whyOf = (error: string): Why => WHY[error] ?? 'AuthnFailed';

/** RFC 9110 §15.4.4: always with GET, which brings the browser's cookies along from wherever it comes. */
export function leadOn(ctx: Koa.Context, location: string): void {
  ctx.redirect(location);
  ctx.status = 303;
}
