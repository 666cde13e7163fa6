import { Agent, DecoratorHandler, type Dispatcher, fetch } from 'undici';
import { personAt, signIn } from './journeys.js';
import type { TestKeyhold } from './keyhold.js';
import { newPerson, type Person } from './person.js';
import type { RelyingParty } from './relying-party.js';

/** A browser in which these people are signed in side by side, the last one last. */
export async function browserOf(
  keyhold: TestKeyhold,
  app: RelyingParty,
  emails: readonly string[],
  person: Person = personAt(keyhold),
): Promise<Person> {
  for (const email of emails) await signInBeside(person, app, email);
  return person;
}

/** Signs somebody in beside whoever is there. */
export async function signInBeside(person: Person, app: RelyingParty, email: string): Promise<void> {
  await person.goto(await app.authorizationUrl({ prompt: 'login' }));
  if (person.page.heading === 'Choose an account') await person.follow('Use another account');
  await signIn(person, email);
  if (!person.page.url.searchParams.has('code')) {
    throw new Error(`${email} did not come back: ${person.page.url.href}\n${person.page.text}`);
  }
}

/** What an app is answered. */
export type Answer = Readonly<Record<string, string>>;

/** Asks in a frame or another tab of the browser: with its cookies as they are at each step. */
export async function asks(person: Person, from: URL | string, dispatcher?: Dispatcher): Promise<Answer> {
  const { origin } = new URL(from);
  let url = new URL(from);
  for (let hop = 0; hop < 20; hop++) {
    const cookie = await person.jar.getCookieString(url.href);
    const answer = await fetch(url, {
      redirect: 'manual',
      headers: { accept: 'text/html', cookie },
      ...(dispatcher && { dispatcher }),
    });
    const page = await answer.text();
    for (const set of answer.headers.getSetCookie()) await person.jar.setCookie(set, url.href);
    const location = answer.headers.get('location');
    if (!location) throw new Error(`${answer.status} at ${url.href}\n${page}`);
    url = new URL(location, url);
    if (url.origin !== origin || url.pathname.startsWith('/interaction/')) break;
  }
  return Object.fromEntries(url.searchParams);
}

/** Asks silently whether an app may go on with somebody. */
export async function silently(
  person: Person,
  app: RelyingParty,
  parameters: Readonly<Record<string, string>> = {},
  dispatcher?: Dispatcher,
): Promise<Answer> {
  return asks(person, await app.authorizationUrl({ prompt: 'none', ...parameters }), dispatcher);
}

/** A person's way to Keyhold on which every cookie that is set is noted. */
export function notingCookies(noted: string[]): Dispatcher {
  return new Agent().compose(dispatch => (options, handler) => {
    class Noting extends DecoratorHandler {
      onResponseStart(
        ...start: Parameters<NonNullable<Dispatcher.DispatchHandler['onResponseStart']>>
      ): void {
        noted.push(...[start[2]['set-cookie'] ?? []].flat());
        handler.onResponseStart?.(...start);
      }
    }
    return dispatch(options, new Noting(handler) as Dispatcher.DispatchHandler);
  });
}

/** Somebody at a browser whose requests reach Keyhold this way. */
export function personVia(keyhold: TestKeyhold, dispatcher: Dispatcher): Person {
  return newPerson({ origin: keyhold.origin, dispatcher });
}

/** The subject of somebody, as their ID token at an app says. */
export function subjectIn(idToken: string | undefined): string {
  const body = JSON.parse(Buffer.from(idToken?.split('.')[1] ?? '', 'base64url').toString()) as {
    sub?: string;
  };
  return body.sub ?? '';
}
