import type { Account } from '../../domain/accounts/accounts.js';
import { listEmails } from '../../domain/contacts/contacts.js';
import { domainOf, findRealm, mustUse } from '../../domain/federation/federation.js';
import type { Authentication } from '../../oidc/interaction.js';
import type { Progress } from '../progress.js';
import type { Turn } from '../turn.js';
import { provedThere } from './linking.js';
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
  const emails = await listEmails(parts.db, accountId);
  for (const email of meantOf(emails, progress.email)) {
    const realm = await findRealm(parts.db, domainOf(email));
    if (!realm || !mustUse(realm, account?.roles ?? [])) continue;
    if (progress.federated?.provider === realm.providerId && (await isTheirs(turn, emails))) continue;
    return { way: 'sign-in', email, organisation: true };
  }
  return undefined;
}

type Emails = Awaited<ReturnType<typeof listEmails>>;

function meantOf(emails: Emails, typed: string | undefined): ReadonlySet<string> {
  const main = emails.find(({ isPrimary }) => isPrimary) ?? emails[0];
  const meant = [emails.find(({ address }) => address === typed), main];
  return new Set(meant.flatMap(each => each?.address ?? []));
}

/* What a colleague brought lets nobody in beside them. */
async function isTheirs(turn: Turn, emails: Emails): Promise<boolean> {
  const found = await standing(turn);
  const address = found && provedThere(found.provider, found.identity);
  return emails.some(each => each.address === address && each.verifiedAt !== undefined);
}
