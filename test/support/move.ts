import { fetch } from 'undici';
import { openAuthenticator } from './authenticator.js';
import type { TestKeyhold } from './keyhold.js';
import type { Person } from './person.js';
import { csrfOf, postAccountScript, postScript, type ScriptAnswer } from './steps.js';

/** A browser on a phone that somebody has just bought. */
export const PHONE =
  'Mozilla/5.0 (Linux; Android 15; Pixel 9) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Mobile Safari/537.36';

/** Begins a move on the old phone; gives the address in its picture. */
export async function beginMove(keyhold: TestKeyhold, old: Person): Promise<URL> {
  await old.goto(new URL('/account/move', keyhold.origin));
  await old.press('Begin');
  return new URL(/<code class="key" dir="ltr">([^<]+)</.exec(old.page.html)?.[1] ?? '');
}

/** Scans the picture with a phone, and goes on there. */
export async function scan(phone: Person, link: URL): Promise<void> {
  await phone.goto(link);
  await phone.press('Go on with this phone');
}

/** The number that a phone shows. */
export function numberOn(phone: Person): string {
  return /<output>(\d\d)<\/output>/.exec(phone.page.html)?.[1] ?? '';
}

/** The old phone says which number the new one shows. */
export async function confirm(keyhold: TestKeyhold, old: Person, phone: Person): Promise<void> {
  await old.goto(new URL('/account/move/now', keyhold.origin));
  await old.press(numberOn(phone));
  await phone.goto(new URL('/move', keyhold.origin));
}

/** Posts JSON as a script of the new phone's page would. */
export async function postMove(
  phone: Person,
  path: string,
  body: object = {},
  csrf = csrfOf(phone) || (/data-csrf="([^"]+)"/.exec(phone.page.html)?.[1] ?? ''),
): Promise<ScriptAnswer> {
  const url = new URL(path, phone.page.url);
  const answer = await fetch(url, {
    method: 'POST',
    redirect: 'manual',
    headers: {
      accept: 'application/json',
      'content-type': 'application/json',
      cookie: await phone.jar.getCookieString(url.href),
      'sec-fetch-site': 'same-origin',
      'x-csrf-token': csrf,
    },
    body: JSON.stringify(body),
  });
  const text = await answer.text();
  const read = (text.startsWith('{') ? JSON.parse(text) : {}) as ScriptAnswer['body'];
  return { status: answer.status, headers: new Headers([...answer.headers]), body: read };
}

/** Makes a passkey on the new phone, which keeps it. */
export async function bindPasskey(keyhold: TestKeyhold, phone: Person) {
  const authenticator = openAuthenticator(keyhold.origin);
  const options = await postMove(phone, '/move/passkey/options');
  const credential = authenticator.create(options.body as never, { flags: LOCAL });
  const kept = await postMove(phone, '/move/passkey', { credential });
  return { authenticator, kept, credential, options };
}

/** Present and verified, and on this device alone. */
export const LOCAL = 0x05;

/** On the page to sign in: by the passkey that an authenticator holds. */
export async function signInWith(
  phone: Person,
  authenticator: ReturnType<typeof openAuthenticator>,
  flags = LOCAL,
): Promise<void> {
  const options = await postScript(phone, '/passkey/options');
  const credential = authenticator.get(options.body as never, { flags });
  const answer = await postScript(phone, '/passkey', { credential });
  await phone.goto(new URL(String(answer.body['location']), phone.page.url));
}

/** Adds a passkey in the account of somebody who is signed in, on one device or kept by a keeper. */
export async function addPasskeyTo(keyhold: TestKeyhold, person: Person, synced: boolean) {
  await person.goto(new URL('/account/sign-in/passkeys/new', keyhold.origin));
  const authenticator = openAuthenticator(keyhold.origin);
  const options = await postAccountScript(person, '/account/sign-in/passkeys/new/options');
  const credential = authenticator.create(options.body as never, synced ? {} : { flags: LOCAL });
  await postAccountScript(person, '/account/sign-in/passkeys/new', { credential });
  return authenticator;
}
