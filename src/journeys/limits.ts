import type { Account } from '../domain/accounts/accounts.js';
import { type Limit, PROTECTION_FACTS } from '../domain/protection/protection.js';
import { networkOf } from '../platform/addresses.js';
import { Refusal } from '../platform/errors.js';
import { type Job, openWork } from '../platform/storage/work.js';
import { visitOf } from '../platform/web/surface.js';
import { knownBrowser, renameBrowser } from './known-browser.js';
import type { Turn } from './turn.js';

const QUARTER = 900;
const HOUR = 3_600;
const DAY = 86_400;

/** So many in a row, and one more after so many seconds, each time. */
interface Row {
  readonly most: number;
  readonly oneMoreAfter: number;
}

/** How often something may be tried, sent or asked for; a browser that the account knows has an allowance of its own. */
interface Allowance {
  /** What is counted, for one account or address and for one network (SECURITY: C10, C11, C12). */
  readonly name: string;
  /** For one account, or for an address that is nobody's; for a known browser the same once more. */
  readonly account?: number;
  /** For one address, whoever has it. */
  readonly address?: number;
  /**
   * In a row, whatever the window, and then one more from time to time: a right one ends the row. In thirty days they are
   * the hundred that NIST SP 800-63B-4 §3.2.2 allows in all.
   */
  readonly inRow?: { readonly strangers: Row; readonly known: Row };
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
  account: 10,
  inRow: { strangers: { most: 40, oneMoreAfter: DAY }, known: { most: 20, oneMoreAfter: 3 * DAY } },
  network: 100,
  window: QUARTER,
  ...tries,
};
/** Tries of a second step: whoever comes so far knows the password, so its row is as short as that of passwords. */
export const SECOND_STEPS: Allowance = { ...PASSWORDS, name: 'second-step' };
/** Tries of a code, over all requests together. */
export const CODES: Allowance = { name: 'code', account: 20, network: 200, window: HOUR, ...tries };
/** Mails that one address and one account get, and one network makes us send. */
export const MAILS: Allowance = {
  name: 'mail',
  account: 12,
  address: 6,
  network: 60,
  window: HOUR,
  code: 'too_many_mails',
  message: 'We have sent several mails already. Please wait.',
};
/** Receipts that one network has checked. */
export const RECEIPTS: Allowance = { name: 'receipt', network: 60, window: QUARTER, ...tries };
/** Answers of apps with a token that is not good, from one network. */
export const CALLBACKS: Allowance = { name: 'callback', network: 300, window: QUARTER, ...tries };
/** Deletions that somebody asks for: each is a mail to every address. */
export const DELETIONS: Allowance = { name: 'deletion', account: 6, network: 60, window: DAY, ...tries };
/** Private links of a deletion that one network tries and that lead nowhere. */
export const STATEMENTS: Allowance = { name: 'statement', network: 60, window: QUARTER, ...tries };
/** Requests that agents of one network enter, or try to. */
export const MANDATES: Allowance = { name: 'mandate', network: 60, window: QUARTER, ...tries };
/** Passkey challenges that one network may ask for. */
export const CHALLENGES: Allowance = { name: 'challenge', network: 300, window: QUARTER, ...tries };

/** Trips to identity providers that one network may begin. */
export const PROVIDERS: Allowance = { name: 'provider', network: 200, window: QUARTER, ...tries };

/** Messages about signing out that come from one network, from no provider: each is on record. */
export const LOGOUTS: Allowance = { name: 'provider-logout', network: 300, window: QUARTER, ...tries };

/** Moves to a new phone that somebody begins, and links of them that one network claims. */
export const MOVES: Allowance = { name: 'move', account: 20, network: 100, window: HOUR, ...tries };

/** Times that somebody begins to bring another account of theirs together with this one; signing in to it has limits of its own. */
export const MERGES: Allowance = { name: 'merge', account: 20, network: 100, window: HOUR, ...tries };

/** Whom tries are counted for: what was typed, and whose it is if it is somebody's. */
export interface Target {
  readonly email: string;
  readonly account: Pick<Account, 'id'> | undefined;
}

/** A request in which something is tried: on the way through a pending request, or in the account. */
export type Trying = Pick<Turn, 'ctx' | 'parts'> & {
  readonly pending?: { readonly app: { readonly clientId: string } };
};

function limitsOf(turn: Trying, allowance: Allowance, target?: Target): readonly Limit[] {
  const { name, account, address, inRow, network, window } = allowance;
  const limit = (per: string, subject: string, max: number | undefined, more: object): Limit[] =>
    max === undefined ? [] : [{ name, per, subject, max, window, ...more }];
  const from = networkOf(visitOf(turn.ctx).address);
  const strangers = { among: 'strangers' } as const;
  if (!target) return limit('network', from, network, {});
  const known = { among: 'known' } as const;
  const whose = target.account?.id ?? target.email;
  const here = `${whose} ${knownBrowser(turn)?.toString('hex') ?? ''}`;
  const row = (per: string, allowed: Row | undefined, among: object) =>
    limit(per, whose, allowed?.most, { ...among, inRow: true, window: allowed?.oneMoreAfter });
  return [
    ...limit('known-browser', here, address ?? account, known),
    ...row('known-in-row', inRow?.known, known),
    ...limit('identifier', target.email, address, strangers),
    ...limit('account', whose, account, strangers),
    ...row('account-in-row', inRow?.strangers, strangers),
    ...limit('network', from, network, strangers),
  ];
}

/** Counts a try before the secret is looked at, or refuses it; gives what was counted. The first refusal of a window is a fact. */
export async function countTry(
  turn: Trying,
  allowance: Allowance,
  target?: Target,
): Promise<readonly Limit[]> {
  const { parts } = turn;
  const browser = knownBrowser(turn);
  const accountId = target?.account?.id;
  const claimed = browser && accountId ? { accountId, browser } : undefined;
  const verdict = await parts.protection.count(limitsOf(turn, allowance, target), claimed);
  if (verdict.allowed) return verdict.counted;
  if (verdict.reached) {
    const { name, per } = verdict.reached;
    await openWork(parts.db, { kind: 'person' }, async work =>
      work.record({
        type: PROTECTION_FACTS[0],
        ...(accountId && { accountId }),
        ...(turn.pending && { clientId: turn.pending.app.clientId }),
        detail: { limit: name, per },
      }),
    );
  }
  throw new Refusal('limited', allowance.code, allowance.message, { retryAfter: verdict.retryAfter });
}

/**
 * Somebody signed in: their browser is known from now on, wrong tries of what they proved are forgotten, and a browser that is
 * new to their account is told of. Gives what the browser is known by; undefined where nothing is limited or known.
 */
export function welcome(
  turn: Turn,
  accountId: string,
  proved: readonly Allowance[],
  whenUnknown: Job | undefined,
): Buffer | undefined {
  const { email = '' } = turn.progress;
  const limits = proved.flatMap(allowance =>
    limitsOf(turn, allowance, { email, account: { id: accountId } }),
  );
  const forget = limits.filter(({ per }) => per !== 'network');
  const before = knownBrowser(turn);
  const browser = renameBrowser(turn);
  const clause = turn.parts.protection.welcome({ accountId, before, browser, forget, whenUnknown });
  if (!clause) return undefined;
  turn.parts.interactions.along(clause, false);
  return browser;
}

/** Takes tries back that came to nothing because we were busy: the secret was not looked at. */
export async function unlessBusy<T>(
  turn: Trying,
  counted: readonly Limit[],
  look: () => Promise<T>,
): Promise<T> {
  try {
    return await look();
  } catch (error) {
    if (error instanceof Refusal && error.kind === 'busy') await turn.parts.protection.takeBack(counted);
    throw error;
  }
}
