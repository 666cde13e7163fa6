import type Router from '@koa/router';
import type Koa from 'koa';
import {
  findOptIn,
  listTopics,
  type OptIn,
  type OptInChange,
  restoreOptIn,
  withdrawOptIn,
  wordsOf,
} from '../../domain/messages/messages.js';
import { openWork } from '../../platform/storage/work.js';
import { readForm } from '../../platform/web/input.js';
import { type Parts, seeOther, show } from '../journey.js';
import type { UnsubscribePage } from './models.js';
import { tellOfTopics } from './topic-notice.js';
import { openUnsubscribeToken } from './unsubscribe-link.js';

/** The link in every message of a topic: works in any browser, without signing in, for years. */
export function unsubscribeRoutes(router: Router, parts: Parts): void {
  router.get('/unsubscribe/:token', ctx => look(ctx, parts));
  router.post('/unsubscribe/:token', ctx => stop(ctx, parts));
  router.post('/unsubscribe/:token/undo', ctx => undo(ctx, parts));
}

function tokenOf(ctx: Koa.Context): string {
  const { token } = ctx['params'] as { readonly token: string };
  return token;
}

/* Looking changes nothing, since mail scanners look. */
async function look(ctx: Koa.Context, parts: Parts): Promise<void> {
  const about = openUnsubscribeToken(parts.keyring, tokenOf(ctx));
  if (!about) return unknown(ctx, parts);
  const done = ctx.query['done'] === 'restored' ? 'restored' : undefined;
  await showState(ctx, parts, about, await findOptIn(parts.db, about), done);
}

/*
 * RFC 8058 §3.2: mail programs post here without cookies, so no token of a form is asked for, and the answer must not be a
 * redirect. Done twice it is as done once. Whatever the body says, there is one thing to do here.
 */
async function stop(ctx: Koa.Context, parts: Parts): Promise<void> {
  const about = openUnsubscribeToken(parts.keyring, tokenOf(ctx));
  if (!about) return unknown(ctx, parts);
  const actor = { kind: 'person', id: about.accountId } as const;
  await openWork(parts.db, actor, async work => {
    const stopped = await withdrawOptIn(work, about, 'unsubscribe-link');
    if (stopped) await tellOfTopics(work, { ctx, parts }, about.accountId, [{ ...about, wanted: false }]);
  });
  await showState(ctx, parts, about, await findOptIn(parts.db, about), 'stopped');
}

/* "That was a mistake": only what this link ended stands again, as it was given; the link gives no opt-in of its own. */
async function undo(ctx: Koa.Context, parts: Parts): Promise<void> {
  await readForm(ctx, parts.csrf);
  const token = tokenOf(ctx);
  const about = openUnsubscribeToken(parts.keyring, token);
  if (!about) return unknown(ctx, parts);
  const actor = { kind: 'person', id: about.accountId } as const;
  const restored = await openWork(parts.db, actor, async work => {
    const done = await restoreOptIn(work, about);
    if (done) await tellOfTopics(work, { ctx, parts }, about.accountId, [{ ...about, wanted: true }]);
    return done;
  });
  seeOther(ctx, `/unsubscribe/${token}${restored ? '?done=restored' : ''}`);
}

async function showState(
  ctx: Koa.Context,
  parts: Parts,
  { topic, channel }: OptInChange,
  optIn: OptIn | undefined,
  done: UnsubscribePage['done'],
): Promise<void> {
  const declared = (await listTopics(parts.db)).find(each => each.topic === topic);
  const state = stateOf(optIn);
  const told = (done === 'restored') === (state === 'on') ? done : undefined;
  ctx.status = 200;
  show(ctx, parts, 'unsubscribe/ask', {
    token: tokenOf(ctx),
    topic: declared ? wordsOf(declared, parts.pages.language(ctx)).name : topic,
    channel,
    state,
    here: ctx.path.replace(/\/undo$/, ''),
    ...(told && { done: told }),
  });
}

function stateOf(optIn: OptIn | undefined): UnsubscribePage['state'] {
  if (optIn?.live) return 'on';
  return optIn?.mistakable ? 'stopped' : 'off';
}

function unknown(ctx: Koa.Context, parts: Parts): void {
  show(ctx, parts, 'unsubscribe/unknown', {});
  ctx.status = 404;
}
