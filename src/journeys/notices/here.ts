import type Koa from 'koa';
import { z } from 'zod';
import { findAccount } from '../../domain/accounts/accounts.js';
import { findSessionState } from '../../oidc/session.js';
import { digest } from '../../platform/crypto/tokens.js';
import { openWork, type Work } from '../../platform/storage/work.js';
import { readForm } from '../../platform/web/input.js';
import { noteReplay, type Parts, show } from '../journey.js';
import { freeze } from './freeze.js';
import type { Doing } from './tell.js';
import { undoingsOf } from './undo.js';

/** Seconds for which whoever signed in counts as the owner, who may also undo. */
const FRESH_SECONDS = 300;
const LASTS = 3_600_000;
const PURPOSE = 'objection-here';

const schema = z.strictObject({
  accountId: z.string(),
  sessionUid: z.string(),
  /** The browser that was shown what will happen. */
  browser: z.string(),
  at: z.number(),
  undo: z.record(z.string(), z.string()),
});

/** Who is signed in and objects to something of their own history. */
export interface ObjectionHere {
  readonly accountId: string;
  readonly sessionUid: string;
  /** What there is to undo, as for a notice. */
  readonly undo: Readonly<Record<string, string>>;
}

/**
 * What the button "this wasn't me" sends from the page of somebody who is signed in. It says by itself whose account that is,
 * so that pressing it twice, when the first press has ended the session, still leads to how its owner gets back in.
 */
export function sealHere(ctx: Koa.Context, parts: Parts, objection: ObjectionHere): string {
  const sealed = { ...objection, browser: browserOf(ctx, parts), at: Date.now() };
  return parts.keyring.seal(PURPOSE, JSON.stringify(sealed)).toString('base64url');
}

const browserOf = (ctx: Koa.Context, parts: Parts) =>
  digest(parts.csrf.openBrowser(ctx)).toString('base64url');

function openHere(ctx: Koa.Context, parts: Parts, sealed: unknown): z.output<typeof schema> | undefined {
  if (typeof sealed !== 'string' || sealed.length > 4_096) return undefined;
  try {
    const text = parts.keyring.open(PURPOSE, Buffer.from(sealed, 'base64url'));
    const objection = schema.parse(JSON.parse(text));
    const ours = objection.browser === browserOf(ctx, parts) && Date.now() - objection.at < LASTS;
    return ours ? objection : undefined;
  } catch {
    return undefined;
  }
}

/**
 * `POST /objection`: freezes the account of whoever is signed in, once, while that session lives. No proof stands in the way;
 * what undoing there is, though, is left to the links of the notices, unless they have just signed in.
 */
export async function objectHere(ctx: Koa.Context, parts: Parts): Promise<void> {
  const { objection: sealed } = await readForm(ctx, parts.csrf);
  const objection = openHere(ctx, parts, sealed);
  const outcome = (objection && (await frozenBy(ctx, parts, objection))) ?? 'expired';
  if (outcome === 'frozen') {
    show(ctx, parts, 'objection/done', { fromAccount: true });
    return;
  }
  await noteReplay(ctx, parts, 'objection', { accountId: objection?.accountId });
  show(ctx, parts, 'objection/ended', { reason: outcome });
  ctx.status = 410;
}

type Here = z.output<typeof schema>;

/** Who objects out of their own history, and when they signed in. */
export interface Objecting {
  readonly accountId: string;
  readonly undo: Readonly<Record<string, string>>;
  readonly signedInAt: Date | undefined;
}

/** Freezes for whoever is signed in; what there is to undo is undone at once only for somebody who has just signed in. */
export async function freezeHere(
  work: Work,
  doing: Doing,
  { accountId, undo, signedInAt }: Objecting,
): Promise<void> {
  const owner = signedInAt && work.at.getTime() - signedInAt.getTime() <= FRESH_SECONDS * 1000;
  const objected = { accountId, undo, by: undefined };
  const undoings = owner ? undoingsOf(undefined, objected) : [];
  await freeze(work, doing, { objected, undoings, told: 'account_frozen_here' });
}

/* Of two presses at once one freezes; the other comes to a session that has ended by it. */
async function frozenBy(
  ctx: Koa.Context,
  parts: Parts,
  { accountId, sessionUid, undo }: Here,
): Promise<'frozen' | 'used' | 'expired'> {
  return openWork(parts.db, { kind: 'person', id: accountId }, async work => {
    const session = await findSessionState(work.tx, sessionUid);
    if (session?.accountId !== accountId) return 'expired';
    if (session.ended !== undefined) return afterwards(work, accountId, session.ended);
    await freezeHere(work, { ctx, parts }, { accountId, undo, signedInAt: session.signedInAt });
    return 'frozen';
  });
}

async function afterwards(
  work: Work,
  accountId: string,
  ended: string,
): Promise<'frozen' | 'used' | 'expired'> {
  if (ended !== 'account-frozen') return 'expired';
  const account = await findAccount(work.tx, accountId);
  return account?.state === 'frozen' ? 'frozen' : 'used';
}
