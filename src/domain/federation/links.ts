import { v7 as uuidv7 } from 'uuid';
import type { Keyring } from '../../platform/crypto/keyring.js';
import { Refusal } from '../../platform/errors.js';
import type { Db } from '../../platform/storage/db.js';
import { openPersonal } from '../../platform/storage/origin.js';
import type { Work } from '../../platform/storage/work.js';
import { lockAccount, outdateProofs } from '../accounts/accounts.js';
import { boundedClaims } from './checked.js';
import { type FederatedLink, type LinkCameBy, type LinkSaid, MOST_LINKS } from './link.js';
import * as store from './link-store.js';
import { endTokens, keepTokens } from './tokens.js';
import type { UpstreamIdentity } from './upstream.js';

/** In which context what was said is sealed. */
export const contextOf = (id: string) => `federated-link ${id}`;

/** Somebody at a provider, to be tied to an account, or who is. */
export interface Linking {
  readonly accountId: string;
  readonly providerId: string;
  readonly identity: UpstreamIdentity;
  /** What of it has a place in the profile, as the profiles room gave it. */
  readonly given?: FederatedLink['given'];
}

function leaveLink(
  work: Work,
  keyring: Keyring,
  link: FederatedLink,
  { email, claims }: UpstreamIdentity,
): void {
  const said: LinkSaid = { ...(email && { email }), claims: boundedClaims(claims) };
  work.leave({
    into: store.INSERT_LINK,
    row: {
      account_id: link.accountId,
      id: link.id,
      provider_id: link.providerId,
      subject: link.subject,
      came_by: link.cameBy,
      linked_at: link.linkedAt,
      last_used_at: work.at,
      given: link.given,
    },
    personal: {
      keyring,
      accountId: link.accountId,
      context: contextOf(link.id),
      plain: JSON.stringify(said),
    },
  });
}

/**
 * Ties somebody at a provider to an account, for good; `taken` when they are tied to another one, also one that was as quick.
 * Whoever calls it has both sides proved.
 */
export async function addLink(
  work: Work,
  keyring: Keyring,
  { accountId, providerId, identity, given = {} }: Linking,
  cameBy: LinkCameBy,
): Promise<{ readonly outcome: 'added' | 'there'; readonly id: string } | { readonly outcome: 'taken' }> {
  await lockAccount(work, accountId);
  const links = await store.listLinks(work.tx, accountId);
  const there = links.find(each => each.providerId === providerId && each.subject === identity.subject);
  if (there) return { outcome: 'there', id: there.id };
  if (links.length >= MOST_LINKS) {
    throw new Refusal('conflict', 'links_full', 'There is no room for another one. Remove one first.');
  }
  const id = uuidv7();
  const { subject } = identity;
  if (!(await store.insertSubject(work.tx, { accountId, id, providerId, subject })))
    return { outcome: 'taken' };
  const times = { linkedAt: work.at, lastUsedAt: work.at };
  leaveLink(work, keyring, { accountId, id, providerId, subject, cameBy, given, ...times }, identity);
  await keepTokens(work, keyring, { accountId, linkId: id, providerId }, identity.tokens);
  work.record({
    type: 'federated_link.added',
    accountId,
    detail: { link: id, provider: providerId, came_by: cameBy },
  });
  return { outcome: 'added', id };
}

/** Notes that a link signs its owner in now, and what the provider said. Whoever calls it has held the link (`holdLink`). */
export async function useLink(
  work: Work,
  keyring: Keyring,
  link: FederatedLink,
  identity: UpstreamIdentity,
): Promise<void> {
  leaveLink(work, keyring, link, identity);
  const { accountId, id, providerId } = link;
  await keepTokens(work, keyring, { accountId, linkId: id, providerId }, identity.tokens);
  work.record({ type: 'federated_link.used', accountId, detail: { link: id, provider: providerId } });
}

/** Whether a link stands at this moment; it then stays until the work is over. */
export async function holdLink(work: Work, link: Pick<FederatedLink, 'accountId' | 'id'>): Promise<boolean> {
  /* The account first, as whoever takes a link away does: or the two wait for each other. */
  await lockAccount(work, link.accountId);
  return store.lockLink(work.tx, link);
}

/**
 * Takes a link away: nobody signs in by it from the commit on, and what was proved by it and has signed nobody in yet counts no
 * more. Whether it is the last way in, and which sessions end with it, is the caller's to look at, in the same work.
 */
export async function removeLink(
  work: Work,
  accountId: string,
  id: string,
): Promise<FederatedLink | undefined> {
  await lockAccount(work, accountId);
  const link = await store.deleteLink(work.tx, accountId, id);
  if (!link) return undefined;
  await endTokens(work, { accountId, linkId: id });
  await outdateProofs(work, accountId);
  work.record({
    type: 'federated_link.removed',
    accountId,
    detail: { link: id, provider: link.providerId },
  });
  return link;
}

/** The links of an account with what each provider said last; that is undefined once the account's key is gone. */
export async function listLinksWithSaid(
  db: Db,
  keyring: Keyring,
  accountId: string,
): Promise<readonly (FederatedLink & { readonly said: LinkSaid | undefined })[]> {
  const links = await store.listSealedLinks(db, accountId);
  return links.map(({ sealed, key, ...link }) => {
    const plain =
      sealed && key
        ? openPersonal({ keyring, accountId, context: contextOf(link.id), sealed, key })
        : undefined;
    return { ...link, said: plain === undefined ? undefined : (JSON.parse(plain) as LinkSaid) };
  });
}
