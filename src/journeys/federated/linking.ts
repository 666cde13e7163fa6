import { normaliseEmail } from '../../domain/accounts/accounts.js';
import { listEmails } from '../../domain/contacts/contacts.js';
import {
  addLink,
  beginSession,
  findLink,
  holdLink,
  isTrustedFor,
  type UpstreamIdentity,
  useLink,
} from '../../domain/federation/federation.js';
import { Refusal } from '../../platform/errors.js';
import { openWork } from '../../platform/storage/work.js';
import { tellEveryone } from '../notices/tell.js';
import type { Turn } from '../turn.js';
import { standing } from './pending.js';
import { takeMapped } from './taking.js';

/** The address that a provider's word proves, where its word counts; it is looked up in this form. */
export function provedThere(
  provider: Parameters<typeof isTrustedFor>[0],
  { email }: Pick<UpstreamIdentity, 'email'>,
): string | undefined {
  return email && isTrustedFor(provider, email) ? normaliseEmail(email.address) : undefined;
}

/**
 * Takes what the provider by which somebody comes in says of them, once they have shown all that is asked of them: whoever stole
 * an account there and goes no further changes nothing here.
 */
export async function takeWhatCame(turn: Turn, accountId: string): Promise<void> {
  if (!turn.progress.came) return;
  const { db, keyring } = turn.parts;
  const found = await standing(turn, turn.progress.came);
  if (!found) return;
  const link = await findLink(db, found.provider.id, found.identity.subject);
  if (link?.accountId !== accountId) return;
  await openWork(db, { kind: 'person', id: accountId }, async work => {
    if (!(await holdLink(work, link))) return;
    const given = await takeMapped(work, { ...turn, app: turn.pending.app }, found, link);
    await useLink(work, keyring, { ...link, given }, found.identity);
  });
}

/**
 * Ties the identity that somebody brought to the account that they have just signed in to: only where its address is proved
 * there and is a proved one of that very account here (C01); gives the session there that they came by. Anything else ties
 * nothing, and they are signed in all the same.
 */
export async function linkIfProved(turn: Turn, accountId: string): Promise<string | undefined> {
  if (!turn.progress.federated) return undefined;
  const found = await standing(turn);
  const address = found && provedThere(found.provider, found.identity);
  if (!found || address === undefined) return undefined;
  const { db, keyring } = turn.parts;
  return openWork(db, { kind: 'person', id: accountId }, async work => {
    const emails = await listEmails(work.tx, accountId);
    if (!emails.some(each => each.address === address && each.verifiedAt)) return undefined;
    if (await findLink(work.tx, found.provider.id, found.identity.subject)) return undefined;
    const doing = { ...turn, app: turn.pending.app };
    const given = await takeMapped(work, doing, found, { accountId, given: {} });
    const linking = { accountId, providerId: found.provider.id, identity: found.identity, given };
    const added = await addLink(work, keyring, linking, 'proved');
    if (added.outcome !== 'added') return undefined;
    const news = { values: { provider: found.provider.name }, undo: { linkId: added.id } };
    await tellEveryone(work, doing, { accountId, kind: 'provider_added', ...news });
    return beginSession(work, keyring, { ...linking, linkId: added.id });
  }).catch(noRoom);
}

/* Whoever has signed in is in, whether there is room for another link or not. */
function noRoom(error: unknown): undefined {
  if (error instanceof Refusal && error.code === 'links_full') return undefined;
  throw error;
}
