import type Koa from 'koa';
import {
  denyProof,
  findProofByLink,
  type LinkedProof,
  PROOF_MINUTES,
  proveByLink,
} from '../../domain/contacts/contacts.js';
import { Refusal } from '../../platform/errors.js';
import { openWork } from '../../platform/storage/work.js';
import { readForm } from '../../platform/web/input.js';
import { badgeOf, noteReplay, type Parts, show } from '../journey.js';
import type { Asked } from '../page-models.js';
import { afterProof } from '../sign-in/code.js';
import { openTurn, type Turn } from '../turn.js';

const SHAPE = /^[\w-]{20,128}$/;

function tokenOf(ctx: Koa.Context): string {
  const { token } = ctx['params'] as { readonly token: string };
  return SHAPE.test(token) ? token : '';
}

/* The browser that began carries the request's cookie; any other one does not. */
async function begunHere(ctx: Koa.Context, parts: Parts): Promise<Turn | undefined> {
  try {
    return await openTurn(ctx, parts);
  } catch (error) {
    if (error instanceof Refusal) return undefined;
    throw error;
  }
}

/** Shows a mailed link. Looking never uses it up, since mail scanners look: only the button does. */
export async function showLink(ctx: Koa.Context, parts: Parts): Promise<void> {
  const token = tokenOf(ctx);
  const proof = await findProofByLink(parts.db, token);
  if (proof?.state !== 'open') return ended(ctx, parts, proof);
  const { uid } = ctx['params'] as { readonly uid: string };
  const common = { uid, token, email: proof.address, here: ctx.path };
  const turn = await begunHere(ctx, parts);
  if (turn?.pending.uid === proof.binding && turn.step === 'sign-up-code') {
    return show(ctx, parts, 'link/same-browser', { ...common, app: badgeOf(turn.pending) });
  }
  show(ctx, parts, 'link/other-browser', {
    ...common,
    code: proof.code,
    minutes: minutesLeft(proof),
    asked: askedOf(proof),
  });
}

function ended(ctx: Koa.Context, parts: Parts, proof: LinkedProof | undefined): void {
  const reason = proof?.state === 'used' || proof?.state === 'denied' ? proof.state : 'expired';
  show(ctx, parts, 'link/ended', { reason, here: pageOf(ctx) });
  ctx.status = 410;
}

/** Where the link itself leads, which tells the same. */
function pageOf(ctx: Koa.Context): string {
  return ctx.path.replace(/\/deny$/, '');
}

function minutesLeft(proof: LinkedProof): number {
  const passed = (Date.now() - proof.askedAt.getTime()) / 60_000;
  return Math.max(1, Math.ceil(PROOF_MINUTES - passed));
}

function askedOf(proof: LinkedProof): Asked {
  const { device, address, app } = JSON.parse(proof.askedFrom) as {
    device?: string;
    address?: string;
    app?: string;
  };
  return { at: proof.askedAt, ...(app && { app }), ...(device && { device }), ...(address && { address }) };
}

/** "Continue" in the browser that began: the address is proved, as if the code had been typed. */
export async function useLink(turn: Turn): Promise<void> {
  const { ctx, parts, pending } = turn;
  const linkToken = tokenOf(ctx);
  const used = { linkToken, binding: pending.uid, purpose: 'sign-up' } as const;
  const outcome = await openWork(parts.db, { kind: 'person' }, work => proveByLink(work, used));
  if (outcome.outcome === 'ended') {
    await noteReplay(ctx, parts, 'email_link', { clientId: pending.app.clientId });
    return ended(ctx, parts, await findProofByLink(parts.db, linkToken));
  }
  await afterProof(turn, outcome);
}

/** "Not me", from any browser: whoever asked can do nothing more with this code. */
export async function denyLink(ctx: Koa.Context, parts: Parts): Promise<void> {
  await readForm(ctx, parts.csrf);
  const token = tokenOf(ctx);
  await openWork(parts.db, { kind: 'person' }, work => denyProof(work, token));
  show(ctx, parts, 'link/ended', { reason: 'denied', here: pageOf(ctx) });
  ctx.status = 200;
}
