import type { Account } from '../../domain/accounts/accounts.js';
import { listEmails } from '../../domain/contacts/contacts.js';
import { sendCode } from '../codes.js';
import { keep } from '../progress.js';
import type { Turn } from '../turn.js';

/** Somebody proved that this account is theirs, and it was put away since they did not use it. */
export function isArchived(
  account: Account | undefined,
): account is Account & { readonly state: 'archived' } {
  return account?.state === 'archived';
}

/**
 * Leads whoever proved that an account is theirs on to bringing it back: with a code to its address, as any recovery.
 * Nobody else learns that it is there.
 */
export async function beginReturn(turn: Turn, { id: accountId }: Account): Promise<void> {
  const { parts, progress, pending } = turn;
  const email = progress.email ?? (await primaryOf(turn, accountId));
  await sendCode(turn, { purpose: 'recovery', email, accountId });
  const notes = { way: 'recovery', email, codeState: 'open', archived: true } as const;
  parts.interactions.remember(pending, keep(notes));
}

async function primaryOf({ parts }: Turn, accountId: string): Promise<string> {
  const emails = await listEmails(parts.db, accountId);
  const primary = emails.find(({ isPrimary, verifiedAt }) => isPrimary && verifiedAt);
  if (!primary) throw new Error('an account without a proven address');
  return primary.address;
}
