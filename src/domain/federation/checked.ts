import { MOST_CLAIMS } from './link.js';
import type { IdentityProvider } from './provider.js';
import { type UpstreamIdentity, UpstreamTrouble } from './upstream.js';

const SUBJECT = /^[^\p{C}]{1,255}$/u;
const LONGEST_ADDRESS = 320;
const LONGEST_WORD = 200;
const MOST_METHODS = 20;

/**
 * Whom a protocol made out, as everything behind it may rely on: told apart by a number that fits, and no larger than what is
 * kept. What the mapping has a place for comes first where not all has room.
 */
export function checkedIdentity(
  { mapping }: Pick<IdentityProvider, 'mapping'>,
  identity: UpstreamIdentity,
): UpstreamIdentity {
  const { subject, email, claims, acr, amr, ...rest } = identity;
  if (!SUBJECT.test(subject)) throw new UpstreamTrouble('untrue', 'subject');
  const mapped = new Set(Object.values(mapping.attributes).map(({ from }) => from));
  return {
    ...rest,
    subject,
    ...(email && email.address.length <= LONGEST_ADDRESS && { email }),
    claims: boundedClaims(claims, mapped),
    ...(acr !== undefined && acr.length <= LONGEST_WORD && { acr }),
    ...(amr && { amr: amr.filter(each => each.length <= LONGEST_WORD).slice(0, MOST_METHODS) }),
  };
}

/** The claims, or as many of them as have room, those that are named first; nothing is cut in the middle. */
export function boundedClaims(
  claims: Readonly<Record<string, unknown>>,
  first: ReadonlySet<string> = new Set(),
): Readonly<Record<string, unknown>> {
  let left = MOST_CLAIMS;
  const hasRoom = ([name, value]: readonly [string, unknown]) => {
    const size = Buffer.byteLength(JSON.stringify([name, value]) ?? '');
    if (size > left) return false;
    left -= size;
    return true;
  };
  const all = Object.entries(claims);
  const [named, others] = [all.filter(([name]) => first.has(name)), all.filter(([name]) => !first.has(name))];
  return Object.fromEntries([...named, ...others].filter(hasRoom));
}

/* By how much the clock of a provider may be wrong where it says when somebody signed in. */
const WRONG_BY = 60_000;

/** A session there must not stand in for signing in anew; a provider that does not say when it was cannot show it (C16). */
export function mustBeFresh(
  { authenticatedAt }: Pick<UpstreamIdentity, 'authenticatedAt'>,
  from: number | undefined,
): void {
  if (from === undefined) return;
  const at = authenticatedAt?.getTime() ?? Number.NaN;
  const isFresh = at >= from - WRONG_BY && at <= Date.now() + WRONG_BY;
  if (!isFresh) throw new UpstreamTrouble('refused', 'not_fresh');
}
