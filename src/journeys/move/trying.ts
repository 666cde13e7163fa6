import type Koa from 'koa';
import { lockAccount } from '../../domain/accounts/accounts.js';
import { listPasskeys } from '../../domain/credentials/credentials.js';
import { findFactors } from '../../domain/factors/factors.js';
import { type MoveKind, testMove } from '../../domain/moves/moves.js';
import { type Person, peopleHere } from '../../oidc/people.js';
import { openWork } from '../../platform/storage/work.js';
import { readForm } from '../../platform/web/input.js';
import { type Parts, seeOther, show } from '../journey.js';
import { askWho } from '../manage/ask.js';
import { emailOf } from './bind.js';
import { claimedHere } from './claimed.js';
import { NEW_PHONE, type Standing, standingOf } from './standing.js';

/** The page that asks to try what was added, or the passkey that came along. */
export async function showTry(
  ctx: Koa.Context,
  parts: Parts,
  { move }: Standing,
  otherwise: boolean,
): Promise<void> {
  const email = await emailOf(parts, move.accountId);
  show(ctx, parts, 'move/try', { email, kind: move.kind ?? 'synced', otherwise, here: NEW_PHONE });
}

/**
 * Begins the test: an ordinary request to sign in to the account's own pages, as this person and by something as strong as
 * what was added. So what is tested is the very thing that the new phone is for, and it ends signed in as always.
 */
export async function tryIt(ctx: Koa.Context, parts: Parts): Promise<void> {
  await readForm(ctx, parts.csrf);
  const standing = await claimedHere(ctx, parts);
  if (standing?.state !== 'bound' && standing?.state !== 'confirmed') return seeOther(ctx, NEW_PHONE);
  const { accountId, kind } = standing.move;
  const email = await emailOf(parts, accountId);
  const strengths = [kind === 'app' ? 'aal2' : 'phr'] as const;
  askWho(ctx, parts, `${NEW_PHONE}/tried`, { accountId, email, strengths, prompt: 'login' });
}

/** Whoever comes back from the test has signed in in this browser; with what was added, the move is tested. */
export async function tried(ctx: Koa.Context, parts: Parts): Promise<void> {
  const standing = await claimedHere(ctx, parts);
  if (standing?.state !== 'bound' && standing?.state !== 'confirmed') return seeOther(ctx, NEW_PHONE);
  const { move } = standing;
  const { accountId } = move;
  const proved = await provedHere(parts, standing);
  if (!proved) return showTry(ctx, parts, standing, true);
  await openWork(parts.db, { kind: 'person', id: accountId }, async work => {
    await lockAccount(work, accountId);
    const { state } = await standingOf(work.tx, move);
    if (state !== standing.state) return;
    await testMove(work, move, move.bound === undefined ? proved : undefined);
  });
  seeOther(ctx, NEW_PHONE);
}

interface Proved {
  readonly kind: MoveKind;
  readonly id: string;
}

/** By what somebody has just signed in in this browser, if that is what was to be tested. */
async function provedHere({ db }: Parts, { move }: Standing): Promise<Proved | undefined> {
  const { accountId, bound, kind } = move;
  const since = (move.boundAt ?? move.claimedAt ?? move.startedAt).getTime();
  /* Sessions know seconds only. */
  const signedIn = ({ signedInAt }: Person) => signedInAt.getTime() >= Math.floor(since / 1000) * 1000;
  const person = (await peopleHere()).find(each => each.accountId === accountId && signedIn(each));
  if (!person) return undefined;
  const usedSince = (at: Date | null | undefined) => (at?.getTime() ?? 0) >= since;
  if (kind === 'app') {
    const { apps } = await findFactors(db, accountId);
    const app = apps.find(({ id, lastUsedAt }) => id === bound && usedSince(lastUsedAt));
    return app && { kind, id: app.id };
  }
  if (person.acr !== 'phr') return undefined;
  const passkeys = (await listPasskeys(db, accountId)).filter(({ lastUsedAt }) => usedSince(lastUsedAt));
  const used = passkeys.find(({ id, backedUp }) => (bound === undefined ? backedUp : id === bound));
  return used && { kind: 'passkey', id: used.id };
}
