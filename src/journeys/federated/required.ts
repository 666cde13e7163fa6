import type { Account } from '../../domain/accounts/accounts.js';
import { listEmails } from '../../domain/contacts/contacts.js';
import { domainOf, findRealm, mustUse } from '../../domain/federation/federation.js';
import type { Authentication } from '../../oidc/interaction.js';
import type { Progress } from '../progress.js';
import type { Turn } from '../turn.js';
import { standing } from './pending.js';
import { BROUGHT } from './strength.js';

/**
 * Where somebody goes on who signed in here with an address whose domain demands its provider: there, unless they came from a
 * provider, bring an identity of that one to be tied, or have a role that is excepted. Costs nothing where no domain demands it.
 */
export async function elsewhereDemanded(
  turn: Turn,
  { accountId, amr }: Pick<Authentication, 'accountId' | 'amr'>,
  account: Account | undefined,
): Promise<Progress | undefined> {
  const { parts, progress } = turn;
  if (amr.includes(BROUGHT) || !(await parts.federation.anyRequired())) return undefined;
  const email = progress.email ?? (await primaryOf(turn, accountId));
  const realm = email === undefined ? undefined : await findRealm(parts.db, domainOf(email));
  if (!realm || !mustUse(realm, account?.roles ?? [])) return undefined;
  if (progress.federated?.provider === realm.providerId && (await standing(turn))) return undefined;
  return { way: 'sign-in', email, organisation: true };
}

/* By a passkey somebody signs in without typing an address. */
async function primaryOf({ parts }: Turn, accountId: string): Promise<string | undefined> {
  const emails = await listEmails(parts.db, accountId);
  return (emails.find(({ isPrimary }) => isPrimary) ?? emails[0])?.address;
}
