import { normaliseEmail } from '../../domain/accounts/accounts.js';
import { leadsThere } from '../federated/organisation-page.js';
import type { Problem } from '../page-models.js';
import { advance, atStartOf, type Turn, textOf } from '../turn.js';
import type { Way } from './next-step.js';
import { showProblems } from './pages.js';

const LONGEST = 320;

/** The address that was typed, normalised; where it is none, the page has been answered with what is wrong about it. */
export async function typedEmail(turn: Turn, way: Way): Promise<string | undefined> {
  const typed = textOf(turn, 'email', LONGEST);
  const email = normaliseEmail(typed);
  if (email) return email;
  const word: Problem['word'] = typed.trim() === '' ? 'email_missing' : 'email_invalid';
  await showProblems(atStartOf(turn, way), [{ word, field: 'email' }], { email: typed });
  return undefined;
}

/** Takes the address of whoever signs in; whether anybody has it is not looked up here, so nothing can tell. */
export async function submitIdentifier(turn: Turn): Promise<void> {
  const email = await typedEmail(turn, 'sign-in');
  if (!email) return;
  advance(turn, { way: 'sign-in', email, ...(await leadsThere(turn, email)), federated: undefined });
}

/** "Change" and "Use a different email": back to the first step of the way, with nothing carried over. */
export function goBack(turn: Turn): void {
  const { way } = turn.progress;
  advance(turn, { way: way === 'recovery' ? 'sign-in' : way, federated: undefined });
}
