import type Koa from 'koa';
import { normaliseEmail } from '../../domain/accounts/accounts.js';
import { readForm } from '../../platform/web/input.js';
import { type Parts, pendingRequest, toStep } from '../journey.js';
import { keep, progressOf } from '../progress.js';
import { showStep } from './pages.js';

/** Takes the address of whoever signs in; whether anybody has it is not looked up here, so nothing can tell. */
export async function submitIdentifier(ctx: Koa.Context, parts: Parts): Promise<void> {
  const form = await readForm(ctx, parts.csrf);
  const pending = await pendingRequest(ctx, parts);
  if (pending.prompt.name === 'consent') return toStep(ctx, pending.uid);
  const typed = typeof form['email'] === 'string' ? form['email'].slice(0, 320) : '';
  const email = normaliseEmail(typed);
  if (!email) {
    ctx.status = 400;
    const word = typed.trim() === '' ? 'email_missing' : 'email_invalid';
    return showStep(ctx, parts, pending, [{ word, field: 'email' }], typed);
  }
  parts.interactions.remember(pending, { way: 'sign-in', email });
  toStep(ctx, pending.uid);
}

/** "Change" and "Use a different email": back to the first step of the way that was chosen, with nothing carried over. */
export async function goBack(ctx: Koa.Context, parts: Parts): Promise<void> {
  await readForm(ctx, parts.csrf);
  const pending = await pendingRequest(ctx, parts);
  const { way } = progressOf(pending);
  parts.interactions.remember(pending, keep({ way }));
  toStep(ctx, pending.uid);
}

/** The links between "sign in" and "create account": a fresh start on the other way. */
export async function chooseWay(ctx: Koa.Context, parts: Parts, way: 'sign-in' | 'sign-up'): Promise<void> {
  const pending = await pendingRequest(ctx, parts);
  if (pending.prompt.name !== 'consent' && progressOf(pending).signedIn === undefined) {
    parts.interactions.remember(pending, { way });
  }
  toStep(ctx, pending.uid);
}
