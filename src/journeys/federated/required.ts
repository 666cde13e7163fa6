import type { Account } from '../../domain/accounts/accounts.js';
import { listEmails } from '../../domain/contacts/contacts.js';
import { domainOf, findRealm, mustUse } from '../../domain/federation/federation.js';
import type { Authentication } from '../../oidc/interaction.js';
import type { Progress } from '../progress.js';
import type { Turn } from '../turn.js';
import { standing } from './pending.js';
import { BROUGHT } from './strength.js';

/**
 * Where somebody goes on who signed in here and whose domain demands its provider: there, unless they came from a provider, bring
 * an identity of that one to be tied, or have a role that is excepted. It is their main address that counts, and the one that
 * they typed where it is theirs: another one, typed beside a passkey, is nobody's way round. Costs nothing where no domain
 * demands anything.
 */
export async function elsewhereDemanded(
  turn: Turn,
  { accountId, amr }: Pick<Authentication, 'accountId' | 'amr'>,
  account: Account | undefined,
): Promise<Progress | undefined> {
  const { parts, progress } = turn;
  if (amr.includes(BROUGHT) || !(await parts.federation.anyRequired())) return undefined;
  for (const email of await addressesOf(turn, accountId)) {
    const realm = await findRealm(parts.db, domainOf(email));
    if (!realm || !mustUse(realm, account?.roles ?? [])) continue;
    if (progress.federated?.provider === realm.providerId && (await standing(turn))) continue;
    return { way: 'sign-in', email, organisation: true };
  }
  return undefined;
}

async function addressesOf(turn: Turn, accountId: string): Promise<readonly string[]> {
  const emails = await listEmails(turn.parts.db, accountId);
  const main = emails.find(({ isPrimary }) => isPrimary) ?? emails[0];
  const typed = emails.find(({ address }) => address === turn.progress.email);
  return [...new Set([typed, main].flatMap(each => each?.address ?? []))];
}
