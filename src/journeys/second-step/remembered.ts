import { createHash } from 'node:crypto';
import type { Account } from '../../domain/accounts/accounts.js';
import { isRemembered, REMEMBERED_DAYS, rememberBrowser } from '../../domain/factors/factors.js';
import { digest, randomToken } from '../../platform/crypto/tokens.js';
import type { Work } from '../../platform/storage/work.js';
import type { Turn } from '../turn.js';

const SHAPE = /^[\w-]{43}$/;

/* One for each account: several people share a browser, and none is remembered for another. */
function cookieOf({ parts }: Turn, accountId: string) {
  const secure = parts.issuer.protocol === 'https:';
  const whose = createHash('sha256').update(accountId).digest('hex').slice(0, 16);
  const name = `${secure ? '__Host-' : ''}keyhold_second_${whose}`;
  return { name, options: { signed: false, httpOnly: true, sameSite: 'lax', secure } as const };
}

const digestFor = (accountId: string, token: string) => digest(`${accountId} ${token}`);

/** Whether this browser did the second step for the account within thirty days, and nothing has ended that since. */
export async function isRememberedHere(turn: Turn, account: Account): Promise<boolean> {
  const token = turn.ctx.cookies.get(cookieOf(turn, account.id).name, { signed: false });
  if (token === undefined || !SHAPE.test(token)) return false;
  return isRemembered(turn.parts.db, account, digestFor(account.id, token));
}

/** Remembers this browser by a name that it never had before: one that was planted in it is worth nothing. */
export async function rememberHere(turn: Turn, work: Work, accountId: string): Promise<void> {
  const token = randomToken();
  const { name, options } = cookieOf(turn, accountId);
  await rememberBrowser(work, accountId, digestFor(accountId, token));
  turn.ctx.cookies.set(name, token, { ...options, maxAge: REMEMBERED_DAYS * 86_400_000 });
}
