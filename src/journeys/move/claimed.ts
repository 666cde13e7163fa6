import type Koa from 'koa';
import { z } from 'zod';
import { findMove, type MoveRef } from '../../domain/moves/moves.js';
import { digest, randomToken, sameBytes } from '../../platform/crypto/tokens.js';
import type { Parts } from '../journey.js';
import { type Standing, standingOf } from './standing.js';

const PURPOSE = 'move-browser';
const HOURS_MS = 25 * 3_600_000;
const schema = z.strictObject({ accountId: z.uuid(), id: z.uuid(), token: z.string().min(43) });

function cookieOf({ issuer }: Pick<Parts, 'issuer'>) {
  const secure = issuer.protocol === 'https:';
  const name = `${secure ? '__Host-' : ''}keyhold_move`;
  return { name, options: { signed: false, httpOnly: true, sameSite: 'lax', secure } as const };
}

/** What a browser will show that it has claimed a move: new each time, so that one planted in it is worth nothing. */
export interface Claim {
  readonly digest: Buffer;
  /** Gives it to the browser, once the claim is on record. */
  keep(): void;
}

/** Prepares the claim of a move by this browser. */
export function prepareClaim(ctx: Koa.Context, parts: Parts, { accountId, id }: MoveRef): Claim {
  const token = randomToken();
  return {
    digest: digest(token),
    keep: () => {
      const value = parts.keyring.seal(PURPOSE, JSON.stringify({ accountId, id, token }));
      const { name, options } = cookieOf(parts);
      ctx.cookies.set(name, value.toString('base64url'), { ...options, maxAge: HOURS_MS });
    },
  };
}

/** The move that this browser has claimed, as it stands; nothing when it has claimed none. */
export async function claimedHere(ctx: Koa.Context, parts: Parts): Promise<Standing | undefined> {
  const value = ctx.cookies.get(cookieOf(parts).name, { signed: false });
  const claim = value === undefined ? undefined : opened(parts, value);
  const move = claim && (await findMove(parts.db, claim.accountId, claim.id));
  if (!move?.browser || !sameBytes(move.browser, digest(claim?.token ?? ''))) return undefined;
  return standingOf(parts.db, move);
}

function opened({ keyring }: Parts, value: string): z.output<typeof schema> | undefined {
  if (value.length > 1_000) return undefined;
  try {
    return schema.parse(JSON.parse(keyring.open(PURPOSE, Buffer.from(value, 'base64url'))));
  } catch {
    return undefined;
  }
}
