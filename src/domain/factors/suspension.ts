import type { Tx } from '../../platform/storage/db.js';
import type { Work } from '../../platform/storage/work.js';
import { setSecondStep } from '../accounts/accounts.js';

type Fact = 'authenticator_app.suspended' | 'authenticator_app.restored' | 'authenticator_app.removed';

const told = (work: Work, accountId: string, type: Fact, ids: readonly { readonly id: string }[]) => {
  for (const { id } of ids) work.record({ type, accountId, detail: { app: id } });
};

const suspendedFor = (tx: Tx, accountId: string, recovery: string) =>
  tx('authenticator_apps').where({ account_id: accountId, suspended_for: recovery });

/** Lets the apps of an account, or those that are named, prove nothing for as long as a recovery says; it asks for a second step as before. */
export async function suspendApps(
  work: Work,
  accountId: string,
  recovery: string,
  ids?: readonly string[],
): Promise<void> {
  const counting = work.tx('authenticator_apps').where({ account_id: accountId }).whereNull('suspended_for');
  const apps = await (ids ? counting.whereIn('id', [...ids]) : counting)
    .update({ suspended_for: recovery })
    .returning<{ id: string }[]>('id');
  told(work, accountId, 'authenticator_app.suspended', apps);
}

/** Lets the apps that a recovery suspended count again, and with them the second step. */
export async function restoreApps(work: Work, accountId: string, recovery: string): Promise<void> {
  const apps = await suspendedFor(work.tx, accountId, recovery)
    .update({ suspended_for: null })
    .returning<{ id: string }[]>('id');
  told(work, accountId, 'authenticator_app.restored', apps);
  if (apps.length > 0) await setSecondStep(work, accountId, true);
}

/** Takes the apps that a recovery suspended away for good. */
export async function removeSuspendedApps(work: Work, accountId: string, recovery: string): Promise<void> {
  const apps = await suspendedFor(work.tx, accountId, recovery).delete().returning<{ id: string }[]>('id');
  told(work, accountId, 'authenticator_app.removed', apps);
}
