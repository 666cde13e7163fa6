import type { Authentication } from '../../oidc/interaction.js';
import type { Turn } from '../turn.js';

/** How a password counts. */
export const BY_PASSWORD = { acr: 'aal1', amr: ['pwd'] } as const;
/** RFC 8176 has no name for a code by mail, and none that means a second factor may stand here. */
export const BY_CODE = { acr: 'aal1', amr: [] } as const;
/** How a passkey counts: a key that was not phished, and a person who was verified. */
export const BY_PASSKEY = { acr: 'phr', amr: ['hwk', 'user'] } as const;

/** Records who signed in and how, and gives the address where their request goes on. */
export function goOn({ ctx, parts, pending }: Turn, authentication: Authentication): Promise<string> {
  const created = pending.prompt.name === 'create' ? { create: {} } : {};
  return parts.interactions.signIn(ctx, authentication, created);
}
