import { generateSync } from 'otplib';
import type { TestKeyhold } from './keyhold.js';
import type { Person } from './person.js';

/** The code that an app shows for a secret, so many periods from now. */
export function appCode(secret: string, ahead = 0): string {
  return generateSync({ secret, epoch: Math.floor(Date.now() / 1000) + 30 * ahead });
}

/** What somebody who is signed in has after setting up an app: its secret, and the recovery codes that were shown. */
export interface SetUp {
  readonly secret: string;
  readonly codes: readonly string[];
}

/** Sets up an authenticator app; its codes of this minute can be used again in the test. */
export async function setUpApp(keyhold: TestKeyhold, person: Person): Promise<SetUp> {
  await person.goto(new URL('/account/sign-in/apps/new', keyhold.origin));
  const secret = secretOn(person);
  person.fill('Code from your app', appCode(secret));
  await person.press('Turn on');
  const codes = codesOn(person);
  await forgetPeriods(keyhold);
  return { secret, codes };
}

/** The key on the page that is open. */
export function secretOn(person: Person): string {
  return (/<code class="key"[^>]*>([A-Z2-7 ]+)</.exec(person.page.html)?.[1] ?? '').replaceAll(' ', '');
}

/** The recovery codes on the page that is open. */
export function codesOn(person: Person): readonly string[] {
  return [...person.page.html.matchAll(/<li><code>([\w-]+)<\/code>/g)].map(match => match[1] ?? '');
}

/** As if no code had been used yet. */
export async function forgetPeriods(keyhold: Pick<TestKeyhold, 'db'>): Promise<void> {
  await keyhold.db('authenticator_apps').update({ last_period: 0 });
}
