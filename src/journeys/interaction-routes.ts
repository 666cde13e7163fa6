import type Router from '@koa/router';
import { submitConsent, submitDenial } from './consent/pages.js';
import { type Parts, pendingRequest } from './journey.js';
import { createPasskey, creationOptions, signInByPasskey, signInOptions } from './passkey/passkey.js';
import { submitCode, submitCodeRequest } from './sign-in/code.js';
import { chooseWay, goBack, submitIdentifier } from './sign-in/identifier.js';
import { showStep } from './sign-in/pages.js';
import { skipPasskey, submitPassword } from './sign-in/password.js';
import { submitAccount } from './sign-up/account.js';
import { submitSignUpEmail } from './sign-up/email.js';
import { denyLink, showLink, useLink } from './sign-up/link.js';

/** Every page and post of a pending request; each acts only in the browser that began it. */
export function interactionRoutes(router: Router, parts: Parts): void {
  const at = (path: string) => `/interaction/:uid${path}`;
  router.get(at(''), async ctx => showStep(ctx, parts, await pendingRequest(ctx, parts)));
  router.get(at('/sign-in'), ctx => chooseWay(ctx, parts, 'sign-in'));
  router.get(at('/sign-up'), ctx => chooseWay(ctx, parts, 'sign-up'));
  router.post(at('/back'), ctx => goBack(ctx, parts));

  router.post(at('/identifier'), ctx => submitIdentifier(ctx, parts));
  router.post(at('/password'), ctx => submitPassword(ctx, parts));
  router.post(at('/code/send'), ctx => submitCodeRequest(ctx, parts));
  router.post(at('/code'), ctx => submitCode(ctx, parts));

  router.post(at('/passkey/options'), ctx => signInOptions(ctx, parts));
  router.post(at('/passkey'), ctx => signInByPasskey(ctx, parts));
  router.post(at('/passkey/new/options'), ctx => creationOptions(ctx, parts));
  router.post(at('/passkey/new'), ctx => createPasskey(ctx, parts));
  router.post(at('/passkey/skip'), ctx => skipPasskey(ctx, parts));

  router.post(at('/sign-up'), ctx => submitSignUpEmail(ctx, parts));
  router.post(at('/account'), ctx => submitAccount(ctx, parts));
  router.get(at('/link/:token'), ctx => showLink(ctx, parts));
  router.post(at('/link/:token'), ctx => useLink(ctx, parts));
  router.post(at('/link/:token/deny'), ctx => denyLink(ctx, parts));

  router.post(at('/consent'), ctx => submitConsent(ctx, parts));
  router.post(at('/deny'), ctx => submitDenial(ctx, parts));
}
