import { findByIdentifier } from '../domain/accounts/accounts.js';
import { type Limit, PROTECTION_FACTS } from '../domain/protection/protection.js';
import { networkOf } from '../platform/addresses.js';
import { Refusal } from '../platform/errors.js';
import { openWork } from '../platform/storage/work.js';
import { visitOf } from '../platform/web/surface.js';
import type { Turn } from './turn.js';

const QUARTER = 900;
const HOUR = 3_600;
const MONTH = 30 * 86_400;

interface Allowance {
  /** What is counted, for one address and for one network (SECURITY: C10, C11). */
  readonly name: string;
  readonly identifier?: number;
  /** In a row, whatever the window: a right one ends the row (NIST SP 800-63B-4 §3.2.2 allows a hundred). */
  readonly inRow?: number;
  readonly network: number;
  /** Seconds. */
  readonly window: number;
  readonly code: string;
  readonly message: string;
}

const tries = { code: 'too_many_tries', message: 'There were too many tries. Please wait.' };

/** Tries of a password. */
export const PASSWORDS: Allowance = {
  name: 'password',
  identifier: 10,
  inRow: 100,
  network: 100,
  window: QUARTER,
  ...tries,
};
/** Tries of a code, over all requests together. */
export const CODES: Allowance = { name: 'code', identifier: 20, network: 200, window: HOUR, ...tries };
/** Mails that one address gets, and one network makes us send. */
export const MAILS: Allowance = {
  name: 'mail',
  identifier: 6,
  network: 60,
  window: HOUR,
  code: 'too_many_mails',
  message: 'We have sent several mails already. Please wait.',
};
/** Passkey challenges that one network may ask for. */
export const CHALLENGES: Allowance = { name: 'challenge', network: 300, window: QUARTER, ...tries };

function limitsOf(turn: Turn, allowance: Allowance, email = ''): readonly Limit[] {
  const { name, identifier, inRow, network, window } = allowance;
  const from = networkOf(visitOf(turn.ctx).address);
  const limit = (per: string, subject: string, max: number | undefined, seconds = window): Limit[] =>
    max === undefined ? [] : [{ name, per, subject, max, window: seconds }];
  return [
    ...limit('identifier', email, identifier),
    ...limit('identifier-in-row', email, inRow, MONTH),
    ...limit('network', from, network),
  ];
}

/** Counts a try before the secret is looked at, or refuses it. The first refusal of a window is a fact. */
export async function countTry(turn: Turn, allowance: Allowance, email?: string): Promise<void> {
  const { parts } = turn;
  const verdict = await parts.protection.count(limitsOf(turn, allowance, email));
  if (verdict.allowed) return;
  if (verdict.reached) {
    const { name, per } = verdict.reached;
    const account = email === undefined ? undefined : await findByIdentifier(parts.db, 'email', email);
    await openWork(parts.db, { kind: 'person' }, async work =>
      work.record({
        type: PROTECTION_FACTS[0],
        ...(account && { accountId: account.id }),
        clientId: turn.pending.app.clientId,
        detail: { limit: name, per },
      }),
    );
  }
  throw new Refusal('limited', allowance.code, allowance.message, { retryAfter: verdict.retryAfter });
}

/** Forgets the tries of an address: whoever tried has proved who they are. */
export function forgetTries(turn: Turn, allowance: Allowance, email: string): Promise<void> {
  const limits = limitsOf(turn, allowance, email).filter(({ per }) => per !== 'network');
  return turn.parts.protection.clear(limits);
}

/** Takes one try back that came to nothing because we were busy: the secret was not looked at. */
export async function unlessBusy<T>(
  turn: Turn,
  allowance: Allowance,
  email: string,
  look: () => Promise<T>,
): Promise<T> {
  try {
    return await look();
  } catch (error) {
    if (error instanceof Refusal && error.kind === 'busy') {
      await turn.parts.protection.takeBack(limitsOf(turn, allowance, email));
    }
    throw error;
  }
}
