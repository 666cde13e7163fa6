import type { TestKeyhold } from './keyhold.js';
import { codeIn } from './mailbox.js';
import { newPerson, type Person, type PersonOptions } from './person.js';
import type { RelyingParty } from './relying-party.js';
import { GOOD_PASSWORD } from './walk.js';

/** Somebody at a browser without JavaScript. */
export function personAt(keyhold: TestKeyhold, more: Partial<PersonOptions> = {}): Person {
  return newPerson({ origin: keyhold.origin, ...more });
}

/** Signs up with a password, from an app's request on, and comes back to the app or to its consent page. */
export async function signUp(person: Person, app: RelyingParty, email: string, name = ''): Promise<void> {
  await person.goto(await app.authorizationUrl({ prompt: 'create' }));
  person.fill('Email', email);
  await person.press('Continue');
  person.fill('Code', codeIn(await person.latestMail(email)));
  await person.press('Continue');
  if (name) person.fill('Name (optional)', name);
  person.tick('I accept the terms');
  person.fill('Password', GOOD_PASSWORD);
  await person.press('Create account');
}

/** Signs in with the password from the "Sign in" page on. */
export async function signIn(person: Person, email: string, password: string = GOOD_PASSWORD): Promise<void> {
  person.fill('Email', email);
  await person.press('Continue');
  person.fill('Password', password);
  await person.press('Sign in');
}
