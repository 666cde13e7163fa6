import type { Account } from '../../domain/accounts/accounts.js';
import type { Authentication } from '../../oidc/interaction.js';
import { Refusal } from '../../platform/errors.js';
import { openWork } from '../../platform/storage/work.js';
import { wake } from '../dormancy/waking.js';
import { welcome } from '../limits.js';
import type { Turn } from '../turn.js';

/** How a password counts. */
export const BY_PASSWORD = { acr: 'aal1', amr: ['pwd'] } as const;
/** RFC 8176 has no name for a code by mail, and none that means a second factor may stand here. */
export const BY_CODE = { acr: 'aal1', amr: [] } as const;
/** How a passkey counts: a key that was not phished, and a person who was verified. */
export const BY_PASSKEY = { acr: 'phr', amr: ['hwk', 'user'] } as const;

type Proof = 'password' | 'code' | 'passkey';

/** The facts that signing in leaves here; what each room did is in its own. */
export const SIGN_IN_FACTS = ['sign_in.failed'] as const;

/** The fact that a try did not sign anybody in. */
export function failedSignIn({ pending }: Turn, by: Proof, accountId?: string) {
  const subject = accountId === undefined ? {} : { accountId };
  return { type: SIGN_IN_FACTS[0], ...subject, clientId: pending.app.clientId, detail: { by } };
}

/** Somebody proved who they are, and may not sign in: that is on record before they are told. */
export async function turnAway(turn: Turn, by: Proof, accountId?: string): Promise<void> {
  await openWork(turn.parts.db, { kind: 'person' }, async work =>
    work.record(failedSignIn(turn, by, accountId)),
  );
}

/** Said only to whoever proved that the account is theirs; a frozen one can be recovered. */
export function unavailable(account?: { readonly state: string }): Refusal {
  if (account?.state === 'frozen') {
    return new Refusal('forbidden', 'account_frozen', 'This account is frozen until its owner recovers it.');
  }
  return new Refusal('forbidden', 'account_unavailable', 'This account cannot be used at the moment.');
}

/** Records who signed in and how, and gives the address where their request goes on. */
export async function goOn(turn: Turn, authentication: Authentication, account?: Account): Promise<string> {
  await wake(turn, account);
  const { ctx, parts, pending } = turn;
  const { name } = pending.prompt;
  const answered = name === 'create' || name === 'select_account' ? { [name]: {} } : {};
  welcome(turn, authentication.accountId, authentication.acr !== BY_PASSKEY.acr);
  return parts.interactions.signIn(ctx, authentication, answered);
}
