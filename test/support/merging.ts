import { finishMerges } from '../../src/journeys/privacy/merged.js';
import { OF_ANY_ACCOUNT } from '../../src/journeys/privacy/rooms.js';
import type { Db } from '../../src/platform/storage/db.js';
import { signIn } from './journeys.js';
import type { TestKeyhold } from './keyhold.js';
import type { Person } from './person.js';

/** From the account of whoever is here to the page that says what becomes of what, by signing in to another account of theirs. */
export async function toReview(keyhold: TestKeyhold, person: Person, other: string): Promise<void> {
  await person.goto(new URL('/account/merge', keyhold.origin));
  await person.press('Sign in to the other account');
  if (person.page.heading === 'Choose an account') await person.follow('Use another account');
  await signIn(person, other);
}

/** Makes two accounts one as the page proposes it. */
export async function bringTogether(keyhold: TestKeyhold, person: Person, other: string): Promise<void> {
  await toReview(keyhold, person, other);
  await person.press('Bring them together');
}

const DAYS = 8 * 86_400_000;

/** Lets the time to undo pass, and the job look so often. */
export async function finishAll(
  db: Db,
  looks = 2,
  signal: AbortSignal = new AbortController().signal,
): Promise<void> {
  const job = finishMerges({ db, rooms: OF_ANY_ACCOUNT, clock: () => new Date(Date.now() + DAYS) });
  for (let look = 0; look < looks; look += 1) {
    await job.run({}, { signal } as never);
  }
}
