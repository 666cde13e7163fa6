import type { Account } from '../../domain/accounts/accounts.js';
import {
  claimedBy,
  claimedOf,
  isPasswordTooLong,
  listPasskeys,
  notePasswordUse,
  type StoredPassword,
} from '../../domain/credentials/credentials.js';
import { mayAct } from '../../oidc/acting.js';
import { openWork } from '../../platform/storage/work.js';
import { type Parts, seeOther } from '../journey.js';
import { countTry, PASSWORDS, unlessBusy } from '../limits.js';
import { rememberLater, saidLater } from '../passkey/later.js';
import { beginReturn, isArchived } from '../recovery/archived.js';
import { demandOn } from '../second-step/demand.js';
import { leadToSecond } from '../second-step/second-step.js';
import { advance, type Turn, toStep } from '../turn.js';
import { BY_PASSWORD, failedSignIn, finish, goOn, turnAway } from './going-on.js';
import { showProblems } from './pages.js';

/** Whom the address that a pending request noted leads to, read with it. */
export const WHOSE_PASSWORD = claimedBy("i.progress ->> 'email'");

/** Takes a password: counted before it is looked at, checked off the event loop, the same work for nobody's address. */
export async function submitPassword(turn: Turn): Promise<void> {
  const { parts, pending, progress, sent } = turn;
  const { email = '' } = progress;
  const password = typeof sent['password'] === 'string' ? sent['password'] : '';
  if (password === '') return showProblems(turn, [{ word: 'password_missing', field: 'password' }]);
  const { account, password: stored } = claimedOf(pending.along);
  const counted = await countTry(turn, PASSWORDS, { email, account });
  const right = await unlessBusy(turn, counted, () => checked(parts, password, stored));
  if (right && isArchived(account)) {
    await turnAway(turn, 'password', account.id);
    await beginReturn(turn, account);
    return toStep(turn);
  }
  if (!account || !right || !mayAct({ account })) return refuse(turn, account);
  if (stored && right.stale) await rehash(parts, account.id, password, stored);
  await afterPassword(turn, account);
}

async function checked(parts: Parts, password: string, stored: StoredPassword | undefined) {
  if (isPasswordTooLong(password)) return undefined;
  const verdict = stored
    ? await parts.hasher.verify(password, stored.hash)
    : await parts.hasher.verifyDecoy(password);
  return verdict.ok ? verdict : undefined;
}

function refuse(turn: Turn, account: Account | undefined): Promise<void> {
  turn.parts.interactions.record(failedSignIn(turn, 'password', account?.id), { kind: 'person' });
  return showProblems(turn, [{ word: 'credentials_wrong', field: 'password' }]);
}

/* The hash only gets better: when there is no time for it now, the next sign-in does it. */
async function rehash(
  parts: Parts,
  accountId: string,
  password: string,
  stored: StoredPassword,
): Promise<void> {
  const to = await parts.hasher.hash(password).catch(() => undefined);
  if (to === undefined) return;
  await openWork(parts.db, { kind: 'person', id: accountId }, work =>
    notePasswordUse(work, accountId, { from: stored.hash, to }),
  );
}

async function afterPassword(turn: Turn, account: Account): Promise<void> {
  const { ctx, parts, progress, sent } = turn;
  if (await leadToSecond(turn, account, 'password')) return;
  const accountId = account.id;
  const able = sent['passkeys'] === 'yes' && !account.secondStep && demandOn(turn, account) === undefined;
  if (able && !saidLater(turn) && (await listPasskeys(parts.db, accountId)).length === 0) {
    return advance(turn, { ...progress, signedIn: { accountId, at: turn.cameAt.getTime() } });
  }
  seeOther(ctx, await goOn(turn, { accountId, ...BY_PASSWORD }, account));
}

/** "Not now": goes on without a passkey, and does not ask again in this browser for a month. */
export async function skipPasskey(turn: Turn): Promise<void> {
  const { progress } = turn;
  if (!progress.signedIn) throw new Error('no passkey was offered');
  rememberLater(turn);
  await finish(turn, progress.signedIn);
}
