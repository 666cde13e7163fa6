import { type Account, endNotices } from '../../domain/accounts/accounts.js';
import { openWork } from '../../platform/storage/work.js';
import type { Turn } from '../turn.js';
import { tellOfDormancy } from './tell.js';

/** Whoever signs in after a notice keeps their account, and is told so; costs nothing where there was none. */
export async function wake({ parts }: Turn, account: Account | undefined): Promise<void> {
  if (!account || account.dormancyNotices === 0) return;
  const { id: accountId, language } = account;
  await openWork(parts.db, { kind: 'person', id: accountId }, async work => {
    if (!(await endNotices(work, accountId))) return;
    await tellOfDormancy(work, parts, { accountId, language, news: 'stopped' });
  });
}
