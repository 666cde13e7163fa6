import type Koa from 'koa';
import { findByIdentifier } from '../../domain/accounts/accounts.js';
import {
  findPassword,
  isPasswordTooLong,
  listPasskeys,
  notePasswordUse,
  type StoredPassword,
} from '../../domain/credentials/credentials.js';
import type { PendingRequest } from '../../oidc/interaction.js';
import { Refusal } from '../../platform/errors.js';
import { openWork } from '../../platform/storage/work.js';
import { readForm } from '../../platform/web/input.js';
import { visitOf } from '../../platform/web/surface.js';
import { type Parts, pendingRequest, seeOther, toStep } from '../journey.js';
import { passwordLimits } from '../limits.js';
import { keep, progressOf, stepOf } from '../progress.js';
import { goOn } from './going-on.js';
import { showStep } from './pages.js';

const NOBODY = '00000000-0000-0000-0000-000000000000';
const LATER_COOKIE = 'keyhold_passkey_later';

/** Takes a password: counted before it is looked at, checked off the event loop, the same work for nobody's address. */
export async function submitPassword(ctx: Koa.Context, parts: Parts): Promise<void> {
  const form = await readForm(ctx, parts.csrf);
  const pending = await pendingRequest(ctx, parts);
  const { email } = progressOf(pending);
  if (stepOf(pending) !== 'password' || !email) return toStep(ctx, pending.uid);
  const password = typeof form['password'] === 'string' ? form['password'] : '';
  if (password === '') return showStep(ctx, parts, pending, [{ word: 'password_missing', field: 'password' }]);

  const limits = passwordLimits(email, visitOf(ctx).address);
  const verdict = await parts.protection.count(limits);
  if (!verdict.allowed) {
    const { retryAfter } = verdict;
    throw new Refusal('limited', 'too_many_tries', 'There were too many tries for this address.', { retryAfter });
  }
  const account = await findByIdentifier(parts.db, 'email', email);
  const stored = await findPassword(parts.db, account?.id ?? NOBODY);
  const right = await checked(parts, password, stored);
  if (!account || !right || account.state !== 'active') {
    parts.interactions.record(
      { type: 'sign_in.failed', ...(account && { accountId: account.id }), clientId: pending.app.clientId, detail: { by: 'password' } },
      { kind: 'person' },
    );
    ctx.status = 400;
    return showStep(ctx, parts, pending, [{ word: 'credentials_wrong', field: 'password' }]);
  }
  await parts.protection.clear(limits.slice(0, 1));
  if (stored && right.stale) await rehash(parts, account.id, password, stored);
  await afterPassword(ctx, parts, pending, account.id, form['passkeys'] === 'yes');
}

async function checked(parts: Parts, password: string, stored: StoredPassword | undefined) {
  if (isPasswordTooLong(password)) return undefined;
  if (!stored) {
    await parts.hasher.verifyDecoy(password);
    return undefined;
  }
  const verdict = await parts.hasher.verify(password, stored.hash);
  return verdict.ok ? verdict : undefined;
}

async function rehash(parts: Parts, accountId: string, password: string, stored: StoredPassword): Promise<void> {
  const to = await parts.hasher.hash(password);
  await openWork(parts.db, { kind: 'person', id: accountId }, work =>
    notePasswordUse(work, accountId, { from: stored.hash, to }),
  );
}

async function afterPassword(
  ctx: Koa.Context,
  parts: Parts,
  pending: PendingRequest,
  accountId: string,
  couldMakePasskey: boolean,
): Promise<void> {
  const declined = ctx.cookies.get(laterCookie(parts), { signed: false }) !== undefined;
  if (couldMakePasskey && !declined && (await listPasskeys(parts.db, accountId)).length === 0) {
    parts.interactions.remember(pending, keep({ ...progressOf(pending), signedIn: accountId }));
    return toStep(ctx, pending.uid);
  }
  seeOther(ctx, await goOn(ctx, parts, pending, byPassword(accountId)));
}

const byPassword = (accountId: string) => ({ accountId, acr: 'aal1', amr: ['pwd'] }) as const;

/** "Not now": goes on without a passkey, and does not ask again in this browser for a month. */
export async function skipPasskey(ctx: Koa.Context, parts: Parts): Promise<void> {
  await readForm(ctx, parts.csrf);
  const pending = await pendingRequest(ctx, parts);
  const { signedIn } = progressOf(pending);
  if (!signedIn) return toStep(ctx, pending.uid);
  const secure = parts.issuer.protocol === 'https:';
  const month = 30 * 86_400_000;
  ctx.cookies.set(laterCookie(parts), '1', { signed: false, httpOnly: true, sameSite: 'lax', secure, maxAge: month });
  seeOther(ctx, await goOn(ctx, parts, pending, byPassword(signedIn)));
}

function laterCookie(parts: Parts): string {
  return parts.issuer.protocol === 'https:' ? `__Host-${LATER_COOKIE}` : LATER_COOKIE;
}
