import { fetch } from 'undici';
import { openAuthenticator } from './authenticator.js';
import { until } from './jobs.js';
import { signUp } from './journeys.js';
import type { TestKeyhold } from './keyhold.js';
import { codeIn, type ReceivedMail } from './mailbox.js';
import { newPerson, type Person } from './person.js';
import type { RelyingParty } from './relying-party.js';
import { GOOD_PASSWORD } from './walk.js';

/** What a page's script is answered. */
export interface ScriptAnswer {
  readonly status: number;
  readonly headers: Headers;
  readonly body: Readonly<Record<string, unknown>>;
}

/** The token of the forms on the page that is open. */
export function csrfOf(person: Person): string {
  return /name="csrf" value="([^"]+)"/.exec(person.page.html)?.[1] ?? '';
}

/** The words that the open consent page says its answer is to. */
export function wordingOn(person: Person): Readonly<Record<string, string>> {
  const wording = /name="wording" value="(\w+)"/.exec(person.page.html)?.[1];
  return wording === undefined ? {} : { wording };
}

/** The path of the pending request whose page is open. */
export function requestPath(person: Person): string {
  const path = /^\/interaction\/[\w-]+/.exec(person.page.url.pathname)?.[0];
  if (!path) throw new Error(`not on a page of a pending request: ${person.page.url.href}`);
  return path;
}

/** Posts to the pending request without pressing anything, with the token of the open page. */
export function postStep(person: Person, path: string, fields: Readonly<Record<string, string>> = {}) {
  return person.post(requestPath(person) + path, { csrf: csrfOf(person), ...wordingOn(person), ...fields });
}

/** Posts JSON to the pending request, as a script of the open page would. */
export async function postScript(
  person: Person,
  path: string,
  body: object = {},
  csrf = csrfOf(person),
): Promise<ScriptAnswer> {
  return postJson(person, requestPath(person) + path, body, csrf);
}

/** The same to a page of the account, for whom it was made. */
export function postAccountScript(person: Person, path: string, body: object = {}): Promise<ScriptAnswer> {
  const madeFor = /name="for" value="([^"]+)"/.exec(person.page.html)?.[1];
  return postJson(person, path, { for: madeFor, ...body }, csrfOf(person));
}

async function postJson(person: Person, path: string, body: object, csrf: string): Promise<ScriptAnswer> {
  const url = new URL(path, person.page.url);
  const answer = await fetch(url, {
    method: 'POST',
    redirect: 'manual',
    headers: {
      accept: 'application/json',
      'content-type': 'application/json',
      cookie: await person.jar.getCookieString(url.href),
      'sec-fetch-site': 'same-origin',
      'x-csrf-token': csrf,
    },
    body: JSON.stringify(body),
  });
  const text = await answer.text();
  const read = (text.startsWith('{') ? JSON.parse(text) : {}) as ScriptAnswer['body'];
  return { status: answer.status, headers: new Headers([...answer.headers]), body: read };
}

/* Of a page that is no step of a pending request. */
const WHOLE = /^\/(interaction|account)\//;

/** A form as the open page would send it, without following where it leads; the browser keeps its cookies. */
export async function sendStep(
  person: Person,
  path: string,
  fields: Readonly<Record<string, string>>,
  headers: Readonly<Record<string, string>> = {},
): Promise<{ readonly status: number; readonly headers: Headers; readonly text: string }> {
  const url = new URL(WHOLE.test(path) ? path : requestPath(person) + path, person.page.url);
  const answer = await fetch(url, {
    method: 'POST',
    redirect: 'manual',
    headers: {
      accept: 'text/html',
      cookie: await person.jar.getCookieString(url.href),
      'sec-fetch-site': 'same-origin',
      ...headers,
    },
    body: new URLSearchParams({ csrf: csrfOf(person), ...wordingOn(person), ...fields }),
  });
  for (const cookie of answer.headers.getSetCookie()) await person.jar.setCookie(cookie, url.href);
  return { status: answer.status, headers: new Headers([...answer.headers]), text: await answer.text() };
}

/** Somebody with an account that has a password, in a browser of their own that is signed in nowhere. */
export async function memberOf(keyhold: TestKeyhold, app: RelyingParty, email: string): Promise<void> {
  await signUp(newPerson({ origin: keyhold.origin }), app, email);
}

/** What makes a request end in a page: it goes on from the password at an address of its own then. */
export const ENDS_IN_A_PAGE = { response_mode: 'form_post' };

/** Types the address on the "Sign in" page of a new request. */
export async function toPassword(
  person: Person,
  app: RelyingParty,
  email: string,
  parameters: Readonly<Record<string, string>> = {},
): Promise<void> {
  await person.goto(await app.authorizationUrl(parameters));
  person.fill('Email', email);
  await person.press('Continue');
}

/** From a new request to the page that asks for the code of a sign-up. */
export async function toSignUpCode(person: Person, app: RelyingParty, email: string): Promise<void> {
  await person.goto(await app.authorizationUrl({ prompt: 'create' }));
  person.fill('Email', email);
  await person.press('Continue');
}

/** From a new request to the page where a credential is chosen. */
export async function toCredential(person: Person, app: RelyingParty, email: string): Promise<void> {
  await toSignUpCode(person, app, email);
  person.fill('Code', codeIn(await person.latestMail(email)));
  await person.press('Continue');
}

/** Signs in with a password in a browser that could make a passkey, up to the offer. */
export async function toPasskeyOffer(person: Person, app: RelyingParty, email: string): Promise<void> {
  await toPassword(person, app, email);
  await postStep(person, '/password', { password: GOOD_PASSWORD, passkeys: 'yes' });
}

/** "Forgot password?" on the password page of a new request; gives the code. */
export async function recoveryCode(person: Person, app: RelyingParty, email: string): Promise<string> {
  await toPassword(person, app, email);
  const earlier = await person.newestMail(email, CODE);
  await person.press('Forgot password?');
  return codeIn(await nextCodeMail(person, email, earlier));
}

/** The subject of a mail with a code. */
export const CODE = /^\d{8} /;

/** The next mail with a code: notices of earlier steps may still be on their way, and arrive before it or after it. */
export async function nextCodeMail(person: Person, email: string, earlier: ReceivedMail | undefined) {
  let found = earlier;
  await until(async () => {
    found = await person.newestMail(email, CODE);
    return found !== undefined && found.id !== earlier?.id;
  });
  if (!found) throw new Error(`no code came to ${email}`);
  return found;
}

/** From a new request to the page where whoever recovers chooses a new credential. */
export async function toRecoveryCredential(person: Person, app: RelyingParty, email: string): Promise<void> {
  const code = await recoveryCode(person, app, email);
  await postStep(person, '/code', { code });
}

/** Signs up with a passkey and goes where the request goes on; gives the authenticator that holds it. */
export async function signUpWithPasskey(person: Person, app: RelyingParty, origin: string, email: string) {
  await toCredential(person, app, email);
  const authenticator = openAuthenticator(origin);
  const details = { name: '', terms: true };
  const options = await postScript(person, '/passkey/new/options', details);
  const credential = authenticator.create(options.body as never);
  const kept = await postScript(person, '/passkey/new', { ...details, credential });
  await person.goto(new URL(String(kept.body['location']), origin));
  return authenticator;
}
