import { FRESH_SECONDS, FRESH_TO_SHOW_SECONDS, type Strength, satisfies } from '../../oidc/strength.js';

export { FRESH_SECONDS, FRESH_TO_SHOW_SECONDS } from '../../oidc/strength.js';

/**
 * Whoever is asked to authenticate anew comes back with one that is no older: well within what is shown, so that clocks
 * that differ by a minute ask nobody twice.
 */
export const ASKED_SECONDS = 180;

/** What is known of how somebody authenticated. */
export interface Authenticated {
  readonly authenticatedAt: Date | undefined;
  readonly acr: string | undefined;
}

/** What is demanded of an authentication. */
export interface Demand {
  readonly maxAge: number;
  /** Any of them, or a stronger one; none where anything goes. */
  readonly strengths: readonly Strength[] | undefined;
}

/** All that a demand depends on. */
export interface DemandFacts {
  readonly sensitive: boolean;
  /** Something is only shown; nothing is done yet. */
  readonly showing: boolean;
  /** Whether the account has a second factor: then a sensitive act needs it. */
  readonly secondFactor: 'none' | 'has';
}

/** What a page or an operation demands beside that somebody is signed in; nothing for most. */
export function demandOf({ sensitive, showing, secondFactor }: DemandFacts): Demand | undefined {
  if (!sensitive) return undefined;
  return {
    maxAge: showing ? FRESH_TO_SHOW_SECONDS : FRESH_SECONDS,
    strengths: secondFactor === 'has' ? ['aal2'] : undefined,
  };
}

/** Whether an authentication is as fresh and as strong as demanded; one whose time nobody knows is not. */
export function meets(
  { authenticatedAt, acr }: Authenticated,
  demand: Demand | undefined,
  now: Date,
): boolean {
  if (!demand) return true;
  /* Whatever cannot be compared is not fresh, and what lies far ahead is as wrong as what lies far behind. */
  const seconds = (now.getTime() - (authenticatedAt?.getTime() ?? Number.NaN)) / 1000;
  if (!(Math.abs(seconds) <= demand.maxAge)) return false;
  return demand.strengths === undefined || satisfies(acr, demand.strengths);
}
