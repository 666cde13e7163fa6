import { findByIdentifier } from '../../domain/accounts/accounts.js';
import { sendCode } from '../codes.js';
import { leadsThere } from '../federated/organisation-page.js';
import { typedEmail } from '../sign-in/identifier.js';
import { advance, type Turn } from '../turn.js';

/** Takes the address of whoever signs up. One that exists looks the same here; its owner is told by mail. */
export async function submitSignUpEmail(turn: Turn): Promise<void> {
  const email = await typedEmail(turn, 'sign-up');
  if (!email) return;
  const there = await leadsThere(turn, email, true);
  if (there.organisation) return advance(turn, { way: 'sign-in', email, ...there });
  const account = await findByIdentifier(turn.parts.db, 'email', email);
  await sendCode(turn, { purpose: 'sign-up', email, accountId: account?.id });
  advance(turn, { way: 'sign-up', email, codeState: 'open' });
}
