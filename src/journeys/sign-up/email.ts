import type Koa from 'koa';
import { findByIdentifier, normaliseEmail } from '../../domain/accounts/accounts.js';
import { readForm } from '../../platform/web/input.js';
import { sendCode } from '../codes.js';
import { type Parts, pendingRequest, toStep } from '../journey.js';
import { showStep } from '../sign-in/pages.js';

/** Takes the address of whoever signs up. One that exists looks the same here; its owner is told by mail. */
export async function submitSignUpEmail(ctx: Koa.Context, parts: Parts): Promise<void> {
  const form = await readForm(ctx, parts.csrf);
  const pending = await pendingRequest(ctx, parts);
  if (pending.prompt.name === 'consent') return toStep(ctx, pending.uid);
  const typed = typeof form['email'] === 'string' ? form['email'].slice(0, 320) : '';
  const email = normaliseEmail(typed);
  if (!email) {
    parts.interactions.remember(pending, { way: 'sign-up' });
    ctx.status = 400;
    const word = typed.trim() === '' ? 'email_missing' : 'email_invalid';
    const restarted = { ...pending, progress: { way: 'sign-up' } };
    return showStep(ctx, parts, restarted, [{ word, field: 'email' }], typed);
  }
  const account = await findByIdentifier(parts.db, 'email', email);
  await sendCode(ctx, parts, pending, { purpose: 'sign-up', email, accountId: account?.id });
  parts.interactions.remember(pending, { way: 'sign-up', email, codeState: 'open' });
  toStep(ctx, pending.uid);
}
