import { randomToken } from '../../platform/crypto/tokens.js';
import { Refusal } from '../../platform/errors.js';
import type { Names } from '../../platform/names.js';
import type { Db } from '../../platform/storage/db.js';
import type { Work } from '../../platform/storage/work.js';
import { normaliseEmail } from '../accounts/accounts.js';
import {
  type DomainRecord,
  domainOf,
  type FederatedDomain,
  hasLapsed,
  readDomain,
  recordOf,
} from './domain.js';
import * as store from './domain-store.js';

/** What this room records about domains. */
export const DOMAIN_FACTS = [
  'federated_domain.added',
  'federated_domain.changed',
  'federated_domain.verified',
  'federated_domain.missed',
  'federated_domain.lapsed',
  'federated_domain.removed',
] as const;

/** A claim, and the record that shows that it is true. */
export interface ClaimedDomain extends FederatedDomain {
  readonly record: DomainRecord;
}

type Named = Pick<FederatedDomain, 'domain' | 'providerId'>;

function withRecord(issuer: URL, { nonce, ...claim }: store.DomainRow): ClaimedDomain {
  return { ...claim, record: recordOf(issuer, { ...claim, nonce }) };
}

/** The domain that an operator named, or a refusal. */
export function domainNamed(typed: string): string {
  const domain = readDomain(typed);
  if (domain) return domain;
  throw new Refusal(
    'invalid',
    'domain_invalid',
    `${typed} is no domain of e-mail addresses, such as example.com.`,
  );
}

/** Says that a domain is a provider's, or what it demands from now on; nothing follows until its record was found. */
export async function addDomain(
  work: Work,
  issuer: URL,
  claim: Named & Pick<FederatedDomain, 'required' | 'exceptRoles'>,
): Promise<ClaimedDomain> {
  const { domain, providerId, required, exceptRoles } = claim;
  const known = await work.tx('identity_providers').where({ id: providerId }).first('id');
  if (!known)
    throw new Refusal('missing', 'provider_not_found', `There is no identity provider ${providerId}.`);
  const isNew = await store.upsertDomain(work.tx, { ...claim, nonce: randomToken(16), addedAt: work.at });
  const type = isNew ? 'federated_domain.added' : 'federated_domain.changed';
  work.record({ type, detail: { domain, provider: providerId, required, except_roles: exceptRoles } });
  return getDomain(work.tx, issuer, claim);
}

/** A claim, or a refusal. */
export async function getDomain(db: Db, issuer: URL, named: Named): Promise<ClaimedDomain> {
  const row = await store.findDomain(db, named);
  if (row) return withRecord(issuer, row);
  const { domain, providerId } = named;
  throw new Refusal('missing', 'domain_not_found', `${domain} is not claimed for ${providerId}.`);
}

/** Claims by domain and provider, a page at a time. */
export async function listDomains(
  db: Db,
  issuer: URL,
  which: Parameters<typeof store.listDomains>[1],
): Promise<readonly ClaimedDomain[]> {
  return (await store.listDomains(db, which)).map(row => withRecord(issuer, row));
}

/** The one provider that a domain is claimed for, where it is one. */
export async function providerOf(db: Db, domain: string): Promise<string> {
  const [first, second] = await store.listDomains(db, { domain, limit: 2 });
  if (first && !second) return first.providerId;
  if (first)
    throw new Refusal(
      'conflict',
      'domain_of_several',
      `${domain} is claimed for several providers: say for which.`,
    );
  throw new Refusal('missing', 'domain_not_found', `${domain} is not claimed for any provider.`);
}

/** Gives a domain up: its addresses lead nowhere from then on. */
export async function removeDomain(work: Work, { domain, providerId }: Named): Promise<void> {
  const isGone = await store.deleteDomain(work.tx, { domain, providerId });
  if (!isGone)
    throw new Refusal('missing', 'domain_not_found', `${domain} is not claimed for ${providerId}.`);
  await store.outdateTrips(work.tx, providerId);
  work.record({ type: 'federated_domain.removed', detail: { domain, provider: providerId } });
}

/** Whether a provider speaks for an address: a directory may hold any, and its organisation has shown which domains are its own. */
export async function speaksFor(db: Db, providerId: string, address: string): Promise<boolean> {
  const email = normaliseEmail(address);
  if (email === undefined) return false;
  const claim = await store.findDomain(db, { domain: domainOf(email), providerId });
  return claim?.state === 'verified';
}

/** What looking for a record gave: it is there, it is not, or nobody answered. */
export type Sight = 'there' | 'missing' | 'no_answer';

/** Looks for a record in the DNS. */
export async function lookFor(names: Names, { name, value }: DomainRecord): Promise<Sight> {
  try {
    return (await names.texts(name)).includes(value) ? 'there' : 'missing';
  } catch {
    return 'no_answer';
  }
}

/** Keeps what looking for the record of a claim gave; gives what became of the claim. */
export async function noteSight(
  work: Work,
  { domain, providerId, state, seenAt }: ClaimedDomain,
  sight: Sight,
): Promise<'verified' | 'missed' | 'lapsed' | 'pending'> {
  const named = { domain, providerId };
  const said = (type: (typeof DOMAIN_FACTS)[number]) =>
    work.record({ type, detail: { domain, provider: providerId } });
  const at = { checkedAt: work.at };
  if (sight === 'there') {
    await verified(work, named, state, said);
    return 'verified';
  }
  if (state !== 'verified' || !seenAt) {
    await store.updateDomain(work.tx, named, [state], at);
    return state === 'lapsed' ? 'lapsed' : 'pending';
  }
  const lapses = hasLapsed(seenAt, work.at);
  const isSo = await store.updateDomain(
    work.tx,
    named,
    ['verified'],
    lapses ? { ...at, state: 'lapsed' } : at,
  );
  if (isSo && lapses) await store.outdateTrips(work.tx, providerId);
  if (isSo) said(lapses ? 'federated_domain.lapsed' : 'federated_domain.missed');
  return lapses ? 'lapsed' : 'missed';
}

async function verified(
  work: Work,
  named: Named,
  state: FederatedDomain['state'],
  said: (type: 'federated_domain.verified') => void,
): Promise<void> {
  const isNew = state !== 'verified';
  const to = {
    state: 'verified',
    seenAt: work.at,
    checkedAt: work.at,
    ...(isNew && { verifiedAt: work.at }),
  } as const;
  try {
    const isSo = await store.updateDomain(work.tx, named, [state], to);
    if (isSo && isNew) said('federated_domain.verified');
  } catch (cause) {
    throw takenByAnother(named.domain, cause);
  }
}

function takenByAnother(domain: string, cause: unknown): unknown {
  const isTaken =
    (cause as { readonly constraint?: unknown }).constraint === 'federated_domains__one_provider';
  if (!isTaken) return cause;
  return new Refusal(
    'conflict',
    'domain_taken',
    `${domain} leads to another provider already: remove it there first.`,
    {
      cause,
    },
  );
}
