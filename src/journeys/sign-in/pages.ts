import type Koa from 'koa';
import { PASSWORD_MINIMUM } from '../../domain/credentials/credentials.js';
import { PROOF_MINUTES } from '../../domain/contacts/contacts.js';
import type { PendingRequest } from '../../oidc/interaction.js';
import { showConsent } from '../consent/pages.js';
import { badgeOf, type Parts, show } from '../journey.js';
import type { Problem } from '../page-models.js';
import { progressOf, stepOf } from '../progress.js';
import { TERMS_VERSION } from '../terms.js';

/** What a form that came back shows again. */
export interface Typed {
  readonly name?: string;
  readonly termsAccepted?: boolean;
}

/** Shows the page of the step that is due, with what was wrong about the last post. */
export async function showStep(
  ctx: Koa.Context,
  parts: Parts,
  pending: PendingRequest,
  problems: readonly Problem[] = [],
  typedEmail?: string,
  typed: Typed = {},
): Promise<void> {
  const progress = progressOf(pending);
  const { uid } = pending;
  const base = { uid, app: badgeOf(pending), problems };
  const email = progress.email ?? '';
  const step = stepOf(pending);
  if (problems.length > 0 && ctx.status === 404) ctx.status = 400;
  switch (step) {
    case 'identifier': {
      const hint = typedEmail ?? pending.params['login_hint'];
      const known = typeof hint === 'string' && hint.includes('@') ? { email: hint } : {};
      return show(ctx, parts, 'sign-in/identifier', { ...base, ...known, ...at(uid).signUp });
    }
    case 'password':
      return show(ctx, parts, 'sign-in/password', { ...base, email, emailCode: parts.emailCodeSignIn });
    case 'sign-up-email':
      return show(ctx, parts, 'sign-up/email', { ...base, ...(typedEmail !== undefined && { email: typedEmail }), ...at(uid).signIn });
    case 'sign-in-code':
    case 'sign-up-code':
      return show(ctx, parts, step === 'sign-in-code' ? 'sign-in/code' : 'sign-up/code', {
        ...base,
        email,
        minutes: PROOF_MINUTES,
        state: progress.codeState ?? 'open',
        ...(progress.sentAgain && problems.length === 0 && { sentAgain: true }),
      });
    case 'sign-up-credential':
      return show(ctx, parts, 'sign-up/credential', {
        ...base,
        ...typed,
        email,
        terms: { version: TERMS_VERSION, url: '/terms' },
        minimumLength: PASSWORD_MINIMUM.alone,
      });
    case 'passkey-offer':
      return show(ctx, parts, 'passkey/offer', { ...base, email });
    case 'consent':
      return showConsent(ctx, parts, pending, problems);
  }
}

function at(uid: string) {
  return {
    signUp: { signUpUrl: `/interaction/${uid}/sign-up` },
    signIn: { signInUrl: `/interaction/${uid}/sign-in` },
  };
}
