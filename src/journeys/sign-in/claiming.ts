import { type Account, findAccount, lockAccount, recoverAccount } from '../../domain/accounts/accounts.js';
import { addVerifiedEmail, endProofs, listEmails } from '../../domain/contacts/contacts.js';
import { listPasskeys, removePasskey, removePassword } from '../../domain/credentials/credentials.js';
import { endSecondStep } from '../../domain/factors/factors.js';
import { listLinks, removeLink } from '../../domain/federation/federation.js';
import { endSessionsOf } from '../../oidc/session.js';
import { openWork, type Work } from '../../platform/storage/work.js';
import type { Turn } from '../turn.js';

/** Whose an account is from now on, and since when whoever proves it is signed in to it. */
export interface Claimed {
  readonly account: Account;
  readonly at: Date;
}

/**
 * Somebody proved the address of an account that nobody had proved: whoever opened it with an address that is not theirs waits
 * for its owner (C01). Password, passkeys, second step, links and sessions of theirs are gone before the owner is let in.
 * Undefined where there is nothing of the kind; an account that has some proved address is its owner's.
 */
export async function claimUnproved(
  { parts }: Turn,
  accountId: string,
  address: string,
  /** What proved it is not done with: it is spent on recovering the account, which ends every other proof. */
  goesOn?: 'recovery',
): Promise<Claimed | undefined> {
  if (!isUnproved(await listEmails(parts.db, accountId), address)) return undefined;
  return openWork(parts.db, { kind: 'person', id: accountId }, async work => {
    await lockAccount(work, accountId);
    if (!isUnproved(await listEmails(work.tx, accountId), address)) return undefined;
    const at = await recoverAccount(work, accountId);
    if (!at) return undefined;
    await removeAllWaysIn(work, accountId);
    if (!goesOn) await endProofs(work, accountId);
    await addVerifiedEmail(work, accountId, address);
    const account = await findAccount(work.tx, accountId);
    return account && { account, at };
  });
}

type Emails = Awaited<ReturnType<typeof listEmails>>;

const isUnproved = (emails: Emails, address: string) =>
  emails.some(each => each.address === address) && emails.every(({ verifiedAt }) => !verifiedAt);

async function removeAllWaysIn(work: Work, accountId: string): Promise<void> {
  await removePassword(work, accountId);
  for (const { id } of await listPasskeys(work.tx, accountId)) await removePasskey(work, accountId, id);
  for (const { id } of await listLinks(work.tx, accountId)) await removeLink(work, accountId, id);
  await endSecondStep(work, accountId);
  await endSessionsOf(work, accountId, 'account-changed');
}
