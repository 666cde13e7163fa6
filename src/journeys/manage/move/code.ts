import { z } from 'zod';
import type { StartedMove } from '../../../domain/moves/moves.js';
import type { AccountCall } from '../door.js';

const PURPOSE = 'move-code';
const schema = z.strictObject({
  accountId: z.uuid(),
  sessionUid: z.string(),
  id: z.uuid(),
  secret: z.string(),
});

function cookieOf({ parts }: AccountCall) {
  const secure = parts.issuer.protocol === 'https:';
  const name = secure ? '__Secure-keyhold_move_code' : 'keyhold_move_code';
  return {
    name,
    options: { signed: false, httpOnly: true, sameSite: 'lax', secure, path: '/account/move' },
  } as const;
}

/**
 * The secret of a code to scan is on record as a digest only. So that its page can be looked at again it stays with the old
 * phone's browser, sealed, for as long as it is good.
 */
export function keepCode(call: AccountCall, { id, secret, until }: StartedMove): void {
  const { ctx, parts, me } = call;
  const { name, options } = cookieOf(call);
  const kept = JSON.stringify({ accountId: me.accountId, sessionUid: me.sessionUid, id, secret });
  const value = parts.keyring.seal(PURPOSE, kept).toString('base64url');
  ctx.cookies.set(name, value, { ...options, expires: until });
}

/** The secret of this move, where it was begun in this session. */
export function codeHere(call: AccountCall, moveId: string): string | undefined {
  const { ctx, parts, me } = call;
  const value = ctx.cookies.get(cookieOf(call).name, { signed: false });
  if (value === undefined || value.length > 1_000) return undefined;
  try {
    const text = parts.keyring.open(PURPOSE, Buffer.from(value, 'base64url'));
    const { accountId, sessionUid, id, secret } = schema.parse(JSON.parse(text));
    const mine = accountId === me.accountId && sessionUid === me.sessionUid;
    return mine && id === moveId ? secret : undefined;
  } catch {
    return undefined;
  }
}
