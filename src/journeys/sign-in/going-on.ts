import type Koa from 'koa';
import type { Authentication, PendingRequest } from '../../oidc/interaction.js';
import type { Parts } from '../journey.js';

/** Records who signed in and how, and gives the address where their request goes on. */
export function goOn(
  ctx: Koa.Context,
  parts: Parts,
  pending: PendingRequest,
  authentication: Authentication,
): Promise<string> {
  const created = pending.prompt.name === 'create' ? { create: {} } : {};
  return parts.interactions.signIn(ctx, authentication, created);
}
