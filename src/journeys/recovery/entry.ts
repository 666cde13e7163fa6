import type Router from '@koa/router';
import type { Parts } from '../journey.js';
import { ACCOUNT, askWho } from '../manage/ask.js';
import { stopRoutes } from './lost/stop.js';

/** `/recovery`: whoever lost the way into their account finds it here, also when no app has sent them. */
export function recoveryRoutes(router: Router, parts: Parts): void {
  /* An ordinary request to sign in to the account's own pages: "Forgot password?" is one of its ways. */
  stopRoutes(router, parts);
  router.get('/recovery', ctx => askWho(ctx, parts, ACCOUNT, { prompt: 'login' }));
}
