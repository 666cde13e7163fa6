import type Router from '@koa/router';
import type Koa from 'koa';
import type { Actor } from '../../platform/storage/work.js';
import type { Csrf } from '../../platform/web/csrf.js';
import { readForm } from '../../platform/web/input.js';
import { type Parts, seeOther, show } from '../journey.js';
import type { PageModels } from '../page-models.js';
import { ACCOUNT, addressOf, askWho, takeAnswer } from './ask.js';
import { type Draft, keepDraft, takeDraft } from './draft.js';
import { ASKED_SECONDS, type Demand, demandOf, meets } from './freshness.js';
import { type MeHere, secondFactorOf, whoIsMeant } from './person.js';

/** A word under `account_nav.*` in the locales: a page that the navigation leads to. */
export type NavWord =
  | 'overview'
  | 'sign_in'
  | 'devices'
  | 'profile'
  | 'contacts'
  | 'apps'
  | 'disclosures'
  | 'history'
  | 'messages'
  | 'preferences'
  | 'data';

/** The fields of a form, as they were sent: all of them anybody's words until they were looked at. */
export type Sent = Readonly<Record<string, unknown>>;

/**
 * One page or form under `/account`, as a topic lists it in its `pages.ts`. The door has found out who it is, that they
 * may act, that they are fresh enough, and that a form came from a page of theirs, before `run` is called.
 */
export interface AccountPage {
  readonly method: 'GET' | 'POST';
  /** `/account/contacts/:id`; a parameter names a thing and never whose it is: that is `call.me.accountId`. */
  readonly path: `/account${string}`;
  /** What it changes matters so much that its person has to prove anew who they are (within five minutes). */
  readonly sensitive?: true;
  /** The navigation leads here. */
  readonly nav?: NavWord;
  /** The navigation shows this place as the one that the page belongs to, where its address does not say so. */
  readonly within?: NavWord;
  /** POST: where its form is shown, if not at its own path; a form that came too late is shown there again. */
  readonly form?: `/account${string}`;
  /** POST: the fields that are shown again then. Never a password or a code. */
  readonly keeps?: readonly string[];
  /** Reads another kind of form than a plain one, and checks its CSRF token. */
  readonly read?: (ctx: Koa.Context, csrf: Csrf) => Promise<Sent>;
  run(call: AccountCall): Promise<void> | void;
}

/** A request that came through the door. */
export interface AccountCall {
  readonly ctx: Koa.Context;
  readonly parts: Parts;
  readonly me: MeHere;
  /** Who does it, for `openWork`. */
  readonly actor: Actor;
  readonly params: Readonly<Record<string, string>>;
  readonly sent: Sent;
  /** What was typed into this page's form before its person had to prove anew who they are. */
  readonly draft: Draft;
}

/** What the frame of an account page is given beside its model. */
export interface AccountFrame {
  readonly me: MeHere['shown'];
  readonly nav: readonly { readonly word: NavWord; readonly url: string; readonly current: boolean }[];
  readonly here: string;
  /** The person's own time zone, where they have named it: the pages tell times in it. */
  readonly zone?: string;
}

const navigations = new WeakMap<
  object,
  { readonly linked: readonly AccountPage[]; readonly within: NavWord | undefined }
>();

/** Mounts the pages of the account, each behind the one door, and the way back through it. */
export function mountPages(router: Router, parts: Parts, pages: readonly AccountPage[]): void {
  const linked = pages.filter(({ nav }) => nav !== undefined);
  router.get('/account/callback', ctx => takeAnswer(ctx, parts));
  router.get('/account/switch', ctx => askWho(ctx, parts, ACCOUNT, { prompt: 'select_account' }));
  for (const page of pages) {
    const serve = page.method === 'GET' ? look : act;
    router.register(page.path, [page.method], async (ctx: Koa.Context) => {
      navigations.set(ctx, { linked, within: page.within });
      await serve(ctx, parts, page);
    });
  }
}

async function look(ctx: Koa.Context, parts: Parts, page: AccountPage): Promise<void> {
  const { me, others } = await whoIsMeant(ctx, parts);
  const to = addressOf(ctx);
  if (!me) return askWho(ctx, parts, to, others ? { prompt: 'select_account' } : {});
  const demand = demandFor(me, page, true);
  if (!meets(me, demand, new Date())) return askWho(ctx, parts, to, proofOf(me, demand));
  await page.run(callOf(ctx, parts, me, {}, takeDraft(ctx, parts, me.accountId)));
}

async function act(ctx: Koa.Context, parts: Parts, page: AccountPage): Promise<void> {
  const form = formOf(ctx, page);
  ctx.state['formUrl'] = form;
  const sent = await (page.read ?? readForm)(ctx, parts.csrf);
  const { me } = await whoIsMeant(ctx, parts);
  const madeFor = typeof sent['for'] === 'string' ? sent['for'] : '';
  const again = (wish: Parameters<typeof askWho>[3]) => {
    keepDraft(ctx, parts, form, madeFor, keptOf(page, sent));
    askWho(ctx, parts, form, wish);
  };
  if (!me) return again(UUID.test(madeFor) ? { accountId: madeFor } : { prompt: 'select_account' });
  if (me.accountId !== madeFor) return showOther(ctx, parts, me, form);
  const demand = demandFor(me, page, false);
  if (!meets(me, demand, new Date())) return again(proofOf(me, demand));
  await page.run(callOf(ctx, parts, me, sent, {}));
}

const UUID = /^[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}$/;

function demandFor(me: MeHere, page: AccountPage, showing: boolean): Demand | undefined {
  return demandOf({
    sensitive: page.sensitive === true,
    showing,
    secondFactor: secondFactorOf(me),
  });
}

/* The same person, and nobody else. */
function proofOf(me: MeHere, demand: Demand | undefined) {
  const email = me.person.account.email?.address;
  return { accountId: me.accountId, email, maxAge: ASKED_SECONDS, strengths: demand?.strengths };
}

function callOf(ctx: Koa.Context, parts: Parts, me: MeHere, sent: Sent, draft: Draft): AccountCall {
  // What they chose in this browser goes first, and what they chose for their account before what the browser reads.
  ctx.state['uiLocales'] = me.person.account.language;
  const params = ctx['params'] as AccountCall['params'];
  return { ctx, parts, me, actor: { kind: 'person', id: me.accountId }, params, sent, draft };
}

/* A form that is one's own page is shown at its own address; of others, only what the route itself names is filled in. */
function formOf(ctx: Koa.Context, { form, path }: AccountPage): string {
  if (form === undefined || form === path) return ctx.path;
  const params = ctx['params'] as AccountCall['params'];
  return form.replace(/:(\w+)/g, (_, name: string) => encodeURIComponent(params[name] ?? ''));
}

function keptOf({ keeps = [] }: AccountPage, sent: Sent): Draft {
  const typed = keeps.map(field => [field, sent[field]] as const);
  return Object.fromEntries(typed.filter((entry): entry is [string, string] => typeof entry[1] === 'string'));
}

/* Another tab has gone over to somebody else meanwhile: what was typed for one is never done to the other. */
function showOther(ctx: Koa.Context, parts: Parts, me: MeHere, form: string): void {
  ctx.status = 409;
  show(ctx, parts, 'account/other-person', { ...frameOf(ctx, me), here: form, form });
}

function frameOf(ctx: Koa.Context, me: MeHere): AccountFrame {
  const { linked = [], within } = navigations.get(ctx) ?? {};
  const nav = linked.map(({ nav: word = 'overview', path }) => ({
    word,
    url: path,
    current: word === within || path === ctx.path || (path !== ACCOUNT && ctx.path.startsWith(`${path}/`)),
  }));
  const zone = me.person.account.profile?.['zoneinfo'];
  return { me: me.shown, nav, here: hereOf(ctx), ...(typeof zone === 'string' && { zone }) };
}

/* Where a GET shows the page, without the language that a link of it may have asked for. */
function hereOf(ctx: Koa.Context): string {
  if (ctx.method === 'POST') return String(ctx.state['formUrl'] ?? ACCOUNT);
  const query = new URLSearchParams(ctx.querystring);
  query.delete('ui_locales');
  query.delete('done');
  return query.size > 0 ? `${ctx.path}?${query}` : ctx.path;
}

/** Shows a page of the account in its frame: who it is about, where else to go, the way out. */
export function showAccount<Name extends keyof PageModels & `account/${string}`>(
  call: AccountCall,
  name: Name,
  model: Omit<PageModels[Name], keyof AccountFrame>,
): void {
  const page = { ...model, ...frameOf(call.ctx, call.me) } as unknown as PageModels[Name];
  show(call.ctx, call.parts, name, page);
}

/** Leads on after a form; `done` is a word that the page says there. */
export function leadTo({ ctx }: AccountCall, path: `/account${string}`, done?: string): void {
  seeOther(ctx, done === undefined ? path : `${path}?done=${done}`);
}

/** Which of these words a form before has led here with. */
export function doneHere<Word extends string>(
  { ctx }: AccountCall,
  words: readonly Word[],
): Word | undefined {
  return words.find(word => word === ctx.query['done']);
}
