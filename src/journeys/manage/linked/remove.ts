import { lockAccount } from '../../../domain/accounts/accounts.js';
import { findWaysIn } from '../../../domain/credentials/credentials.js';
import {
  countUsableLinks,
  findProvider,
  listLinks,
  listSessionsOfLink,
  mayUse,
  removeLink,
} from '../../../domain/federation/federation.js';
import { endAccessLeftBy } from '../../../oidc/brought.js';
import { endSessionsCameBy } from '../../../oidc/session.js';
import type { Work } from '../../../platform/storage/work.js';
import { BROUGHT } from '../../federated/strength.js';
import { changing } from '../signing-in/ways.js';

/** What became of a wish to untie somebody elsewhere from an account. */
export type Untied = 'removed' | 'missing' | 'last';

/**
 * Unties somebody elsewhere from one's account, unless that is the last way in: whoever came in by it is out at once, with all that apps
 * hold of that, and its owner is told everywhere. What apps hold beyond every session ends too, whichever provider it came by: that is
 * not kept.
 */
export function untie(call: Parameters<typeof changing>[0], id: string): Promise<Untied> {
  const { accountId } = call.me;
  return changing(call, async (work, tell) => {
    await lockAccount(work, accountId);
    const link = (await listLinks(work.tx, accountId)).find(each => each.id === id);
    if (!link) return 'missing';
    const provider = await findProvider(work.tx, link.providerId);
    if (mayUse(provider) && !(await hasOtherWays(work, accountId))) return 'last';
    const came = await listSessionsOfLink(work.tx, accountId, id);
    await removeLink(work, accountId, id);
    await endSessionsCameBy(work, accountId, came, 'account-changed');
    await endAccessLeftBy(work, accountId, BROUGHT);
    await tell({ kind: 'provider_removed', values: { provider: provider?.name ?? link.providerId } });
    return 'removed';
  });
}

/* One that may be used counts itself. */
async function hasOtherWays(work: Work, accountId: string): Promise<boolean> {
  const { password, passkeys } = await findWaysIn(work.tx, accountId);
  return password || passkeys + (await countUsableLinks(work.tx, accountId)) > 1;
}
