import type { Turn } from '../turn.js';

const COOKIE = 'keyhold_passkey_later';
const MONTH = 30 * 86_400_000;

const nameOf = ({ parts }: Turn) => (parts.issuer.protocol === 'https:' ? `__Host-${COOKIE}` : COOKIE);

/** Whether somebody said "not now" in this browser within a month: offered nothing again until then. */
export function saidLater(turn: Turn): boolean {
  return turn.ctx.cookies.get(nameOf(turn), { signed: false }) !== undefined;
}

/** Remembers in this browser, for a month, that somebody said "not now". */
export function rememberLater(turn: Turn): void {
  const secure = turn.parts.issuer.protocol === 'https:';
  const options = { signed: false, httpOnly: true, sameSite: 'lax', secure, maxAge: MONTH } as const;
  turn.ctx.cookies.set(nameOf(turn), '1', options);
}
