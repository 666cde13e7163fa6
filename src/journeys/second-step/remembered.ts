import { createHash } from 'node:crypto';
import type { Account } from '../../domain/accounts/accounts.js';
import { isRemembered, REMEMBERED_DAYS, rememberBrowser } from '../../domain/factors/factors.js';
import { digest, randomToken } from '../../platform/crypto/tokens.js';
import type { Work } from '../../platform/storage/work.js';
import { askedFrom } from '../../platform/web/origin.js';
import type { Turn } from '../turn.js';

const SHAPE = /^[\w-]{43}$/;

/* One for each account: several people share a browser, and none is remembered for another. */
type Here = Pick<Turn, 'ctx'> & { readonly parts: Pick<Turn['parts'], 'issuer'> };

function cookieOf({ parts }: Here, accountId: string) {
  const secure = parts.issuer.protocol === 'https:';
  const whose = createHash('sha256').update(accountId).digest('hex').slice(0, 16);
  const name = `${secure ? '__Host-' : ''}keyhold_second_${whose}`;
  return { name, options: { signed: false, httpOnly: true, sameSite: 'lax', secure } as const };
}

const digestFor = (accountId: string, token: string) => digest(`${accountId} ${token}`);

/** By what this browser is remembered for an account, if it is; whether that still counts is the database's to say. */
export function rememberedDigest(here: Here, accountId: string): Buffer | undefined {
  const token = here.ctx.cookies.get(cookieOf(here, accountId).name, { signed: false });
  return token !== undefined && SHAPE.test(token) ? digestFor(accountId, token) : undefined;
}

/** Whether this browser did the second step for the account within thirty days, and nothing has ended that since. */
export async function isRememberedHere(turn: Turn, account: Account): Promise<boolean> {
  const remembered = rememberedDigest(turn, account.id);
  return remembered !== undefined && isRemembered(turn.parts.db, account, remembered);
}

/** Remembers this browser by a name that it never had before: one that was planted in it is worth nothing. */
export function rememberHere(turn: Turn, work: Work, accountId: string): void {
  const token = randomToken();
  const { name, options } = cookieOf(turn, accountId);
  const { device: browser, address } = askedFrom(turn.ctx);
  const digested = digestFor(accountId, token);
  rememberBrowser(work, turn.parts.keyring, { accountId, digest: digested, origin: { address, browser } });
  turn.ctx.cookies.set(name, token, { ...options, maxAge: REMEMBERED_DAYS * 86_400_000 });
}
