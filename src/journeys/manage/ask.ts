import type Koa from 'koa';
import { z } from 'zod';
import {
  ACCOUNT_CALLBACK,
  type AccountQuestion,
  accountRequestPath,
  useAccountCode,
} from '../../oidc/account-app.js';
import { peopleHere } from '../../oidc/people.js';
import { digest, randomToken } from '../../platform/crypto/tokens.js';
import { Refusal } from '../../platform/errors.js';
import { type Parts, seeOther } from '../journey.js';
import { remember, whoIsMeant } from './person.js';

/** Where the pages of the account are. */
export const ACCOUNT = '/account';

/** Whom to ask for, and for what. */
export type Wish = Omit<AccountQuestion, 'state' | 'verifier'>;

const PURPOSE = 'account-request';
const HOUR = 3_600_000;

const stateSchema = z.strictObject({
  /** The browser that asks. */
  browser: z.string(),
  verifier: z.string(),
  /** Where to go on. */
  to: z.string(),
  /** Who asks, where somebody else's answer is wanted beside theirs: they stay whom the account's pages are about. */
  beside: z.uuid().optional(),
  at: z.number(),
});

/**
 * Sends the browser through an ordinary authorization request of the built-in app and back to `to`. All that is needed to
 * go on travels in `state`, sealed and good in this browser alone, so that any number of tabs may ask at once.
 */
export function askWho(
  ctx: Koa.Context,
  parts: Parts,
  to: string,
  { beside, ...wish }: Wish & { readonly beside?: string } = {},
): void {
  const verifier = randomToken();
  const state = { browser: browserOf(ctx, parts), verifier, to, at: Date.now(), ...(beside && { beside }) };
  const sealed = parts.keyring.seal(PURPOSE, JSON.stringify(state)).toString('base64url');
  seeOther(ctx, accountRequestPath(parts.issuer, { ...wish, state: sealed, verifier }));
}

const browserOf = (ctx: Koa.Context, parts: Parts) =>
  digest(parts.csrf.openBrowser(ctx)).toString('base64url');

/** Takes the answer: whoever gave it is who the account's pages are about, if they are signed in in this browser. */
export async function takeAnswer(ctx: Koa.Context, parts: Parts): Promise<void> {
  const { code, state, error } = ctx.query;
  const { verifier, to, beside, at: since } = openState(ctx, parts, state);
  if (typeof code !== 'string') return declined(ctx, parts, error);
  const answerer = await useAccountCode(parts.provider, parts.issuer, { code, verifier });
  /* A code that was used before: the page that it led to asks anew if it has to. */
  if (!answerer) return seeOther(ctx, to);
  const people = await peopleHere();
  if (!people.some(({ sessionUid }) => sessionUid === answerer.sessionUid)) throw notHere();
  if (beside !== undefined)
    return seeOther(ctx, `${to}/${sealPair(ctx, parts, { mine: beside, other: answerer.accountId, since })}`);
  remember(ctx, parts, answerer.accountId);
  seeOther(ctx, to);
}

const PAIR = 'account-pair';
const pairSchema = z.strictObject({
  mine: z.uuid(),
  other: z.uuid(),
  /** When the other one was asked for. */
  since: z.number(),
  browser: z.string(),
  at: z.number(),
});

/** Two accounts that were both signed in to in one browser: that alone proves neither, it only names them. */
export type Pair = Pick<z.output<typeof pairSchema>, 'mine' | 'other' | 'since'>;

/** Names two accounts in an address that is good in this browser alone, for an hour. */
function sealPair(ctx: Koa.Context, parts: Parts, pair: Pair): string {
  const sealed = { ...pair, browser: browserOf(ctx, parts), at: Date.now() };
  return parts.keyring.seal(PAIR, JSON.stringify(sealed)).toString('base64url');
}

/** The two accounts that an address names; undefined where it was not made in this browser, or too long ago. */
export function openPair(ctx: Koa.Context, parts: Parts, sealed: string | undefined): Pair | undefined {
  if (sealed === undefined || sealed.length > 1_024) return undefined;
  try {
    const text = parts.keyring.open(PAIR, Buffer.from(sealed, 'base64url'));
    const { browser, at, ...pair } = pairSchema.parse(JSON.parse(text));
    return browser === browserOf(ctx, parts) && Date.now() - at < HOUR ? pair : undefined;
  } catch {
    return undefined;
  }
}

function openState(ctx: Koa.Context, parts: Parts, sealed: unknown): z.output<typeof stateSchema> {
  if (typeof sealed !== 'string' || sealed.length > 8_192) throw notHere();
  let opened: unknown;
  try {
    opened = JSON.parse(parts.keyring.open(PURPOSE, Buffer.from(sealed, 'base64url')));
  } catch (cause) {
    throw notHere(cause);
  }
  const state = stateSchema.parse(opened);
  if (state.browser !== browserOf(ctx, parts) || Date.now() - state.at > HOUR) throw notHere();
  return state;
}

const notHere = (cause?: unknown) =>
  new Refusal('forbidden', 'request_gone', 'This request was begun in another browser.', { cause });

/* Whoever turned back stays who they were. */
async function declined(ctx: Koa.Context, parts: Parts, error: unknown): Promise<void> {
  if (error !== 'access_denied') {
    throw new Refusal('conflict', 'sign_in_failed', 'Signing in did not work. Please try again.');
  }
  seeOther(ctx, (await whoIsMeant(ctx, parts)).me ? ACCOUNT : '/');
}

/** The address of a request within the account's pages, to come back to. */
export function addressOf(ctx: Koa.Context): string {
  return isAccountPath(ctx.path) ? `${ctx.path}${ctx.search}` : ACCOUNT;
}

const isAccountPath = (path: string) =>
  (path === ACCOUNT || path.startsWith(`${ACCOUNT}/`)) && path !== ACCOUNT_CALLBACK;
