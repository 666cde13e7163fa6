import type Router from '@koa/router';
import type Koa from 'koa';
import { answerLater, CALLBACK_PATH, type CallbackFault } from '../../domain/commands/commands.js';
import { BearerRefusal } from '../../oidc/bearer-refusal.js';
import { Refusal } from '../../platform/errors.js';
import { openWork } from '../../platform/storage/work.js';
import { readApiBody } from '../../platform/web/input.js';
import type { Parts } from '../journey.js';
import { CALLBACKS, countTry } from '../limits.js';

/** Where an app says later what became of a command (OpenID Provider Commands draft 02 §6.4); its token alone says which. */
export function callbackRoutes(router: Router, parts: Parts): void {
  router.post(CALLBACK_PATH, ctx => take(ctx, parts));
}

async function take(ctx: Koa.Context, parts: Parts): Promise<void> {
  const token = tokenOf(ctx);
  const statement = await readApiBody(ctx);
  /* Counted before it is looked at; a good one is taken back, so that an app may answer much at a time. */
  const counted = await countTry({ ctx, parts }, CALLBACKS);
  const fault = await openWork(parts.db, { kind: 'client' }, work =>
    answerLater(work, parts.keyring, { token, statement }),
  );
  if (fault) throw refusalOf(ctx, fault);
  await parts.protection.takeBack(counted);
  ctx.status = 204;
}

function tokenOf(ctx: Koa.Context): string {
  const token = /^Bearer ([A-Za-z0-9_-]{43})$/i.exec(ctx.get('Authorization'))?.[1];
  if (token !== undefined) return token;
  ctx.set('WWW-Authenticate', 'Bearer');
  throw new BearerRefusal(
    undefined,
    'Send the callback_token that came with the command, as a bearer token.',
  );
}

const INVALID: Readonly<Partial<Record<CallbackFault, string>>> = {
  unknown: 'This token is none of ours.',
  used: 'This command has been answered.',
  late: 'It is too late to answer this command.',
};

/* RFC 6750 §3 */
function refusalOf(ctx: Koa.Context, fault: CallbackFault): Refusal {
  const message = INVALID[fault];
  if (message !== undefined) {
    ctx.set('WWW-Authenticate', `Bearer error="invalid_token", error_description="${message}"`);
    return new BearerRefusal('invalid_token', message);
  }
  return fault === 'wrong_subject'
    ? new Refusal('invalid', 'wrong_subject', 'The command was not about this subject.')
    : new Refusal(
        'invalid',
        'invalid_request',
        'Say sub and account_state, as an answer to the command does.',
      );
}
