import { digest, randomToken } from '../platform/crypto/tokens.js';
import type { Turn } from './turn.js';

const COOKIE = 'keyhold_known';
const SHAPE = /^[\w-]{43}$/;
const DAYS = 90 * 86_400_000;

type Here = Pick<Turn, 'ctx'> & { readonly parts: Pick<Turn['parts'], 'issuer'> };

const isSecure = ({ parts }: Here) => parts.issuer.protocol === 'https:';
const cookieOf = (turn: Here) => (isSecure(turn) ? `__Host-${COOKIE}` : COOKIE);

/** Digest of the name that the browser is known by, if it has one; which accounts know it is the database's to say. */
export function knownBrowser(turn: Here): Buffer | undefined {
  const name = turn.ctx.cookies.get(cookieOf(turn), { signed: false });
  return name !== undefined && SHAPE.test(name) ? digest(name) : undefined;
}

/** Gives the browser a new name, as after each sign-in; its digest. */
export function renameBrowser(turn: Here): Buffer {
  const name = randomToken();
  turn.ctx.cookies.set(cookieOf(turn), name, {
    signed: false,
    httpOnly: true,
    sameSite: 'lax',
    secure: isSecure(turn),
    maxAge: DAYS,
  });
  return digest(name);
}
