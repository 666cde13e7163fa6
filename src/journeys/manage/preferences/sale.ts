import { chooseSale, type SaleChoice } from '../../../domain/accounts/accounts.js';
import { maySell, regimeFor, whereaboutsOf } from '../../../domain/opt-outs/opt-outs.js';
import { openWork } from '../../../platform/storage/work.js';
import { tellEveryone } from '../../notices/tell.js';
import { sendsSignal } from '../../sign-in/signal.js';
import type { ApiCall } from '../api.js';
import type { AccountCall } from '../door.js';
import type { PreferencesPage } from './models.js';

/** What holds about selling somebody's data, and why; it came with the read of the account. */
export function saleOf({ ctx, me }: AccountCall): PreferencesPage['sale'] {
  const { profile, sale_choice: choice, sale_chosen_by: by, sale_chosen_at: at } = me.person.account;
  const where = whereaboutsOf(profile, new Date());
  return {
    allowed: maySell(choice ?? undefined, where),
    ...(choice && by && at !== null && { choice, by, since: new Date(at) }),
    signal: sendsSignal({ ctx }),
    regime: regimeFor(where),
  };
}

/** Takes what somebody says about it, and tells them where it is something else than before. */
export async function keepSale(
  { ctx, parts, me, actor }: Pick<AccountCall | ApiCall, 'ctx' | 'parts' | 'me' | 'actor'>,
  choice: SaleChoice,
): Promise<void> {
  const { accountId } = me;
  await openWork(parts.db, actor, async work => {
    if (!(await chooseSale(work, accountId, choice, 'person'))) return;
    await tellEveryone(work, { ctx, parts }, { accountId, kind: `sale_${choice}` });
  });
}
