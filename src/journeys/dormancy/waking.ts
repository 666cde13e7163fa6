import { type Account, endNotices } from '../../domain/accounts/accounts.js';
import { openWork } from '../../platform/storage/work.js';
import type { Turn } from '../turn.js';
import { tellOfDormancy } from './tell.js';

/** Whoever signs in after a notice keeps their account, and is told so; says whether there was one, and costs nothing else. */
export async function wake({ parts }: Turn, account: Account | undefined): Promise<boolean> {
  if (!account || account.dormancyNotices === 0) return false;
  const { id: accountId, language } = account;
  await openWork(parts.db, { kind: 'person', id: accountId }, async work => {
    if (!(await endNotices(work, accountId))) return;
    await tellOfDormancy(work, parts, { accountId, language, news: 'stopped' });
  });
  return true;
}
