import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import * as openid from 'openid-client';
import { Commands, Records } from './commands.js';
import { connect, type Keyhold, type SignedIn } from './keyhold.js';
import { problemPage, STYLE, signedInPage, welcomePage } from './pages.js';
import { type Visit, Visits } from './sessions.js';
import type { Settings } from './settings.js';

/** What the steps below work with. */
interface App {
  readonly settings: Settings;
  readonly keyhold: Keyhold;
  readonly visits: Visits;
  readonly records: Records;
  readonly commands: Commands;
  readonly secure: boolean;
}

/** One request on its way through the app. */
interface Exchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly url: URL;
  readonly visit: Visit | undefined;
}

/** Builds the example app: what it answers, route by route. */
export function openExample(settings: Settings): RequestListener {
  const secure = settings.redirectUri.startsWith('https:');
  const visits = new Visits();
  const records = new Records();
  const commands = new Commands(records, visits);
  const app: App = { settings, keyhold: connect(settings), visits, records, commands, secure };
  return (request, response) => {
    writeHeaders(response, settings);
    const url = new URL(request.url ?? '/', settings.redirectUri);
    answer(app, { request, response, url, visit: app.visits.find(request) }).catch(error =>
      answerError(response, error),
    );
  };
}

async function answer(app: App, exchange: Exchange): Promise<void> {
  const { request, response, url } = exchange;
  // The path of the redirect URI is whatever was registered; the rest is ours.
  const path = url.pathname === new URL(app.settings.redirectUri).pathname ? '/callback' : url.pathname;
  switch (`${request.method} ${path}`) {
    case 'GET /':
      return home(app, exchange);
    case 'GET /style.css':
      response.setHeader('Content-Type', 'text/css; charset=utf-8');
      return void response.end(STYLE);
    case 'GET /sign-in':
      return startSignIn(app, exchange, false);
    case 'GET /create-account':
      return startSignIn(app, exchange, true);
    case 'GET /callback':
      return finishSignIn(app, exchange);
    case 'POST /refresh':
      return refresh(app, exchange);
    case 'POST /sign-out':
      return signOut(app, exchange);
    case 'POST /backchannel-logout':
      return backchannelLogout(app, exchange);
    case 'POST /commands':
      return takeCommand(app, exchange);
    default:
      return page(response, 404, problemPage('Not found', 'There is no such page in this app.'));
  }
}

async function home(app: App, { response, url, visit }: Exchange): Promise<void> {
  if (!visit?.signedIn) {
    const note = url.searchParams.has('state') ? 'You are signed out of this app and of Keyhold.' : undefined;
    return page(response, 200, welcomePage(note));
  }
  if (visit.signedIn.accessTokenExpiresAt.getTime() < Date.now() + 10_000) await refreshOnce(app, visit);
  const claims = await claimsOf(app, visit, visit.signedIn);
  page(response, 200, signedInPage(visit.signedIn, claims, app.records.find(visit.signedIn.subject)));
}

async function claimsOf(app: App, visit: Visit, who: SignedIn): Promise<Readonly<Record<string, unknown>>> {
  try {
    return await app.keyhold.userInfo(who);
  } catch (error) {
    // The access token was called back, so the sign-in that brought it is over here too.
    if (error instanceof openid.WWWAuthenticateChallengeError) visit.signedIn = undefined;
    throw error;
  }
}

async function startSignIn(app: App, { response, visit }: Exchange, createAccount: boolean): Promise<void> {
  const { url, pending } = await app.keyhold.startSignIn({ createAccount });
  app.visits.begin(response, app.secure, visit).pending = pending;
  redirect(response, url);
}

async function finishSignIn(app: App, { response, url, visit }: Exchange): Promise<void> {
  if (!visit?.pending) {
    const words = 'This browser did not begin a sign-in here, or it took too long. Nothing is lost.';
    return page(response, 400, problemPage('Please start again', words));
  }
  const { pending } = visit;
  visit.pending = undefined;
  const signedIn = await app.keyhold.finishSignIn(url, pending);
  app.visits.begin(response, app.secure, visit).signedIn = signedIn;
  app.records.note(signedIn.subject);
  redirect(response, new URL('/', url));
}

async function refresh(app: App, { response, url, visit }: Exchange): Promise<void> {
  if (visit?.signedIn) await refreshOnce(app, visit);
  redirect(response, new URL('/', url));
}

/** Two requests at once must not both send the one refresh token: Keyhold would take the second for a thief's. */
async function refreshOnce(app: App, visit: Visit): Promise<void> {
  if (!visit.signedIn) return;
  visit.refreshing ??= app.keyhold.refresh(visit.signedIn);
  try {
    visit.signedIn = await visit.refreshing;
  } catch (error) {
    // Signed out elsewhere, access withdrawn or a year gone by: this app has nothing left to show.
    if (error instanceof openid.ResponseBodyError && error.error === 'invalid_grant')
      visit.signedIn = undefined;
    throw error;
  } finally {
    visit.refreshing = undefined;
  }
}

async function signOut(app: App, { response, url, visit }: Exchange): Promise<void> {
  if (!visit?.signedIn) return redirect(response, new URL('/', url));
  const next = await app.keyhold.signOutUrl(visit.signedIn, openid.randomState());
  app.visits.end(response, app.secure, visit);
  redirect(response, next);
}

/** Keyhold calls this, server to server, when a person's session ends (Back-Channel Logout 1.0 §2.5 and §2.8). */
async function backchannelLogout(app: App, { request, response }: Exchange): Promise<void> {
  const token = new URLSearchParams(await readBody(request)).get('logout_token') ?? '';
  try {
    app.visits.endBy(await app.keyhold.readLogoutToken(token));
    response.writeHead(200).end();
  } catch (error) {
    console.error(`example: a logout token was refused: ${messageOf(error)}`);
    response.writeHead(400, { 'Content-Type': 'application/json' });
    response.end(JSON.stringify({ error: 'invalid_request' }));
  }
}

/** Keyhold calls this when a person is gone, or may not be known here any more (OpenID Provider Commands, draft 02). */
async function takeCommand(app: App, { request, response }: Exchange): Promise<void> {
  const token = new URLSearchParams(await readBody(request)).get('command_token') ?? '';
  const order = await app.keyhold.readCommandToken(token).catch(error => {
    console.error(`example: a command was refused: ${messageOf(error)}`);
    return undefined;
  });
  const refusal = { status: 400, body: { error: 'invalid_request' } };
  const { status, body } = order ? app.commands.answer(order) : refusal;
  response.writeHead(status, { 'Content-Type': 'application/json' }).end(JSON.stringify(body));
}

function answerError(response: ServerResponse, error: unknown): void {
  console.error(`example: ${messageOf(error)}`);
  if (response.headersSent) return void response.end();
  const [status, title, words, code] = explain(error);
  page(response, status, problemPage(title, words, code));
}

function explain(error: unknown): [status: number, title: string, words: string, code?: string] {
  if (error instanceof openid.AuthorizationResponseError) {
    if (error.error === 'access_denied') {
      return [200, 'You did not sign in', 'You chose not to share your details. That is fine.', error.error];
    }
    const code = `${error.error}: ${error.error_description ?? ''}`;
    return [400, 'Sign-in did not work', 'Keyhold turned the request down.', code];
  }
  if (error instanceof openid.ResponseBodyError) {
    const code = `${error.error}: ${error.error_description ?? ''}`;
    return [401, 'Please sign in again', 'Your sign-in has ended at Keyhold.', code];
  }
  if (error instanceof openid.WWWAuthenticateChallengeError) {
    return [401, 'Please sign in again', 'Your access has ended at Keyhold.', 'invalid_token'];
  }
  return [502, 'Keyhold did not answer', 'This app cannot reach Keyhold, or the answer made no sense.'];
}

function messageOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.cause instanceof Error ? `${error.message} (${error.cause.message})` : error.message;
}

async function readBody(request: IncomingMessage): Promise<string> {
  let body = '';
  for await (const chunk of request.setEncoding('utf8')) {
    body += chunk;
    if (body.length > 20_000) throw new Error('The request body is too long.');
  }
  return body;
}

function page(response: ServerResponse, status: number, html: string): void {
  response.writeHead(status, { 'Content-Type': 'text/html; charset=utf-8' }).end(html);
}

function redirect(response: ServerResponse, to: URL): void {
  response.writeHead(303, { Location: to.href }).end();
}

function writeHeaders(response: ServerResponse, settings: Settings): void {
  // form-action names Keyhold, because "Sign out" is a form whose answer sends the browser there.
  const policy = `default-src 'none'; style-src 'self'; img-src data:; base-uri 'none'; frame-ancestors 'none'; form-action 'self' ${settings.issuer.origin}`;
  response.setHeader('Content-Security-Policy', policy);
  response.setHeader('Cache-Control', 'no-store');
  response.setHeader('Referrer-Policy', 'no-referrer');
  response.setHeader('X-Content-Type-Options', 'nosniff');
}
